"""What a model lacks of room and of reasoning, moved to what it has."""

from dataclasses import replace

import pytest

from gateway.catalog import shipped_catalog
from gateway.conversation import Conversation, ThinkingConfig
from gateway.providers.abilities import unsupported_parameters
from gateway.providers.fitting import fitted
from tests.tenants import make_conversation

BUDGET = ThinkingConfig("enabled", 2048, "omitted")
ADAPTIVE = ThinkingConfig("adaptive", display="omitted")
KINDS = [None, BUDGET, ADAPTIVE, ThinkingConfig("disabled"), ThinkingConfig("between_tools")]
EFFORTS = [None, "low", "medium", "high", "xhigh", "max"]


def asking(thinking: ThinkingConfig | None, effort: str | None) -> Conversation:
    plain = make_conversation(max_tokens=4096)
    return replace(plain, sampling=replace(plain.sampling, thinking=thinking, effort=effort))


@pytest.mark.parametrize("model", list(shipped_catalog()), ids=lambda model: model.id)
def test_whatever_is_asked_comes_to_what_the_model_can_be_asked(model: object) -> None:
    found = next(each for each in shipped_catalog() if each == model)
    for thinking in KINDS:
        for effort in EFFORTS:
            conversation, moved = fitted(asking(thinking, effort), found)

            assert list(unsupported_parameters(conversation, found)) == []
            assert (conversation == asking(thinking, effort)) is (moved == ())


@pytest.mark.parametrize(
    ("name", "thinking", "effort", "comes_to", "moved"),
    [
        ("claude-haiku-4-5", ADAPTIVE, "high", (None, None), ("thinking", "output_config.effort")),
        ("claude-haiku-4-5", BUDGET, None, (BUDGET, None), ()),
        ("claude-sonnet-4-6", ADAPTIVE, "xhigh", (ADAPTIVE, "high"), ("output_config.effort",)),
        ("claude-opus-4-7", BUDGET, "max", (ADAPTIVE, "max"), ("thinking",)),
        ("gpt-5.4", BUDGET, "max", (ADAPTIVE, "xhigh"), ("thinking", "output_config.effort")),
        ("gpt-5.5-pro", None, "low", (None, "medium"), ("output_config.effort",)),
    ],
)
def test_the_nearest_is_what_it_comes_to(
    name: str,
    thinking: ThinkingConfig | None,
    effort: str | None,
    comes_to: tuple[ThinkingConfig | None, str | None],
    moved: tuple[str, ...],
) -> None:
    conversation, told = fitted(asking(thinking, effort), shipped_catalog().get(name))

    assert (conversation.sampling.thinking, conversation.sampling.effort) == comes_to
    assert told == moved


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("claude-haiku-4-5", ()),
        ("claude-opus-4-7", ("temperature", "top_p", "top_k")),
        ("gpt-5.4", ("temperature", "top_p", "top_k")),
    ],
)
def test_sampling_is_left_to_a_model_that_cannot_be_told_how(name: str, left_out: tuple[str, ...]) -> None:
    plain = make_conversation()
    wanted = replace(plain, sampling=replace(plain.sampling, temperature=0, top_p=0.9, top_k=5))

    assert fitted(wanted, shipped_catalog().get(name)) == ((plain, left_out) if left_out else (wanted, ()))
    default = replace(plain, sampling=replace(plain.sampling, temperature=1, top_p=1))
    assert fitted(default, shipped_catalog().get(name)) == (default, ())


def test_an_answer_is_as_long_as_the_model_can_make_it() -> None:
    small = shipped_catalog().get("claude-haiku-4-5").model_copy(update={"max_output_tokens": 8192})
    wanted = asking(ThinkingConfig("enabled", 31_999), None)
    wanted = replace(wanted, sampling=replace(wanted.sampling, max_tokens=64_000))

    conversation, told = fitted(wanted, small)

    assert (conversation.sampling.max_tokens, told) == (8192, ("max_tokens", "thinking"))
    assert conversation.sampling.thinking == ThinkingConfig("enabled", 4096)
