"""What `auto` comes to, for whom."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.agents.delegation import Delegation
from gateway.auto_routing import AutoRouter, read_auto_table
from gateway.auto_routing.classes import Size, Task
from gateway.catalog import Catalog, Model, shipped_catalog
from gateway.conversation import Conversation, Image, Sampling, Text, Turn
from gateway.errors import ModelNotEnabledError
from gateway.ids import AgentId, CredentialId
from gateway.inference.admission import is_enabled
from gateway.tenancy import Access, AutoMode, KeyMode, ModelChoices
from tests.tenants import COVERS, make_conversation
from tests.unit.inference.bench import AGREEMENT, NOW, access

SIMPLE = "Hi!"
MODERATE = "Summarize the visit in detail."
COMPLEX = "Give a differential diagnosis with thorough evidence, step by step."
ALL: dict[str, Any] = {"opus_enabled": True, "premium_models": frozenset({"gpt-5.5", "gpt-5.5-pro"})}
HAIKU, SONNET, OPUS = "claude-haiku-4-5", "claude-sonnet-4-6", "claude-opus-4-7"


@dataclass(frozen=True)
class Upstreams:
    missing: frozenset[str] = frozenset()
    sandboxed: frozenset[str] = frozenset()

    def serves(self, model: Model, mode: KeyMode) -> bool:
        return model.provider not in self.missing

    def is_sandboxed(self, model: Model, mode: KeyMode) -> bool:
        return model.provider in self.sandboxed


TABLE = read_auto_table()


def router(upstreams: Upstreams | None = None, catalog: Catalog | None = None) -> AutoRouter:
    return AutoRouter(TABLE, catalog or shipped_catalog(), upstreams or Upstreams())


def caller(mode: AutoMode, models: frozenset[str] | None = None, /, **policy: Any) -> Access:
    who = replace(access(**policy), choices=ModelChoices(auto_mode=mode))
    return who if models is None else replace(who, principal=replace(who.principal, key=None, delegation=of(models)))


def of(models: frozenset[str]) -> Delegation:
    """An agent that may call `models`."""
    agent = AgentId("agent")
    return Delegation(agent, CredentialId("one"), (), frozenset({agent}), "j.reyes", (), models, 1)


def chosen(question: str | Conversation, who: Access, made: AutoRouter | None = None) -> str:
    conversation = make_conversation(question) if isinstance(question, str) else question
    return (made or router()).choose(conversation, who, now=NOW).id


@pytest.mark.parametrize(
    ("mode", "models"),
    [
        (AutoMode.LITE, (HAIKU, HAIKU, HAIKU)),
        (AutoMode.PERFORMANCE, (HAIKU, SONNET, SONNET)),
        (AutoMode.TURBO, (HAIKU, SONNET, OPUS)),
    ],
)
def test_a_mode_bounds_how_large_a_model_answers(mode: AutoMode, models: tuple[str, ...]) -> None:
    who = caller(mode, **ALL)

    assert tuple(chosen(question, who) for question in (SIMPLE, MODERATE, COMPLEX)) == models


def test_a_model_that_is_not_enabled_gives_way_to_the_next_of_its_size_and_then_to_a_smaller_one() -> None:
    turbo = AutoMode.TURBO

    assert chosen(COMPLEX, caller(turbo, premium_models=frozenset({"gpt-5.5"}))) == "gpt-5.5"
    assert chosen(COMPLEX, caller(turbo)) == SONNET
    assert chosen(COMPLEX, caller(turbo, frozenset({HAIKU, OPUS}))) == HAIKU


def test_no_larger_model_stands_in_for_a_small_one() -> None:
    with pytest.raises(ModelNotEnabledError):
        chosen(SIMPLE, caller(AutoMode.TURBO, frozenset({SONNET, OPUS}), **ALL))


def test_what_no_agreement_covers_is_not_chosen() -> None:
    openai = replace(AGREEMENT, covers=frozenset({COVERS[1]}))

    assert chosen(SIMPLE, caller(AutoMode.LITE, agreement=openai)) == "gpt-5.4-mini"
    with pytest.raises(ModelNotEnabledError):
        chosen(SIMPLE, caller(AutoMode.LITE, agreement=None))


def test_a_model_answers_that_can_do_what_is_asked() -> None:
    performance = caller(AutoMode.PERFORMANCE)
    stops = make_conversation(MODERATE)
    stops = replace(stops, sampling=replace(stops.sampling, stop_sequences=("END",)))
    sonnet_is_gone = Catalog([model for model in shipped_catalog() if model.id != SONNET])
    picture = replace(stops, turns=(Turn("user", (Image("image/png", "AAAA", None), Text("What is it?"))),))

    assert chosen(stops, performance) == SONNET
    assert chosen(stops, performance, router(catalog=sonnet_is_gone)) == HAIKU
    assert chosen(picture, performance) == HAIKU


def test_a_prompt_goes_where_there_is_room_for_it() -> None:
    long = make_conversation("word " * 300_000, max_tokens=1_000)
    answer = replace(make_conversation(SIMPLE), sampling=Sampling(max_tokens=100_000))

    assert chosen(long, caller(AutoMode.LITE)) == "gpt-5.4-mini"
    assert chosen(answer, caller(AutoMode.LITE)) == "gpt-5.4-mini"


def test_who_really_answers_comes_before_the_sandbox_and_nobody_is_left_out() -> None:
    lite = caller(AutoMode.LITE)

    assert chosen(SIMPLE, lite, router(Upstreams(missing=frozenset({"anthropic"})))) == "gpt-5.4-mini"
    assert chosen(SIMPLE, lite, router(Upstreams(sandboxed=frozenset({"anthropic"})))) == "gpt-5.4-mini"
    assert chosen(SIMPLE, lite, router(Upstreams(sandboxed=frozenset({"anthropic", "openai"})))) == HAIKU


def test_a_retired_model_is_passed_over() -> None:
    models = [m.model_copy(update={"retired_at": NOW}) if m.id == HAIKU else m for m in shipped_catalog()]

    assert chosen(SIMPLE, caller(AutoMode.LITE), router(catalog=Catalog(models))) == "gpt-5.4-mini"


SIZES: Mapping[AutoMode, tuple[Size, ...]] = {
    AutoMode.LITE: (Size.SMALL,),
    AutoMode.PERFORMANCE: (Size.SMALL, Size.LARGE),
    AutoMode.TURBO: tuple(Size),
}
NAMES = sorted(model.id for model in shipped_catalog())


@given(
    question=st.sampled_from([SIMPLE, MODERATE, COMPLEX, "Write a poem.", "Debug my python code, step by step."]),
    mode=st.sampled_from(AutoMode),
    models=st.none() | st.frozensets(st.sampled_from(NAMES)),
    opus=st.booleans(),
    premium=st.frozensets(st.sampled_from(NAMES)),
    covers=st.frozensets(st.sampled_from(COVERS)),
)
def test_nothing_outside_what_the_caller_may_call_is_ever_chosen(
    question: str,
    mode: AutoMode,
    models: frozenset[str] | None,
    opus: bool,
    premium: frozenset[str],
    covers: frozenset[str],
) -> None:
    agreement = replace(AGREEMENT, covers=covers)
    who = caller(mode, models, opus_enabled=opus, premium_models=premium, agreement=agreement)
    offered = {name for size, task in product(SIZES[mode], Task) for name in TABLE.models[size, task]}
    allowed = {model.id for model in shipped_catalog() if is_enabled(model, who, now=NOW)}

    with suppress(ModelNotEnabledError):
        assert chosen(question, who) in offered & allowed
