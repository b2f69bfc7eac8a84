"""What a model cannot do is refused by the parameter's name; hints it has no use for are named."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.catalog import Ability, Dialect, Model
from gateway.conversation import (
    Block,
    CacheControl,
    ClientTool,
    Document,
    Image,
    RedactedThinking,
    Sampling,
    SearchResult,
    Text,
    Thinking,
    ThinkingConfig,
    ToolChoice,
    ToolResult,
    ToolUse,
    Turn,
)
from gateway.errors import ValidationFailedError
from gateway.packed_reasoning import PackedReasoning, pack
from gateway.providers.abilities import (
    ignored_parameters,
    require_able,
    require_answerable,
    unsupported_parameters,
)
from tests.unit.providers.cases import CATALOG, CLAUDE, GPT, WEATHER, conversation, says

OPUS_4_7 = CATALOG.get("claude-opus-4-7")
HAIKU = CATALOG.get("claude-haiku-4-5")
CODEX = CATALOG.get("gpt-5.3-codex")
BARE = CLAUDE.model_copy(update={"abilities": frozenset[Ability](), "dialect": Dialect.OPENAI_CHAT})
THINKS = BARE.model_copy(update={"abilities": frozenset({Ability.THINKING}), "efforts": frozenset[str]()})

PNG = Image("image/png", "aGk=", None)
PDF = Document(media_type="application/pdf", data="aGk=")
OPENAI_SIGNED = Thinking("Hm.", pack(PackedReasoning("rs_1", "sealed", (3,))))
CLAUDE_SIGNED = Thinking("Hm.", "c2lnbmVk")


def refused(model: Model, **fields: Any) -> str | None:
    sampling = fields.pop("sampling", None)
    told = replace(conversation(*fields.pop("turns", ()), sampling=sampling), **fields)
    if not any(unsupported_parameters(told, model)):
        return None
    with pytest.raises(ValidationFailedError) as raised:
        require_able(told, model)
    return raised.value.param


@pytest.mark.parametrize(
    ("model", "fields", "param"),
    [
        (OPUS_4_7, {"temperature": 0.2}, "temperature"),
        (OPUS_4_7, {"top_p": 0.9}, "top_p"),
        (OPUS_4_7, {"top_k": 1}, "top_k"),
        (OPUS_4_7, {"thinking": ThinkingConfig("enabled", 2048)}, "thinking.budget_tokens"),
        (HAIKU, {"thinking": ThinkingConfig("adaptive")}, "thinking.type"),
        (HAIKU, {"effort": "low"}, "output_config.effort"),
        (HAIKU, {"inference_geo": "us"}, "inference_geo"),
        (CLAUDE, {"effort": "xhigh"}, "output_config.effort"),
        (GPT, {"temperature": 0.2}, "temperature"),
        (GPT, {"top_k": 4}, "top_k"),
        (GPT, {"stop_sequences": ("END",)}, "stop_sequences"),
        (GPT, {"thinking": ThinkingConfig("enabled", 2048)}, "thinking.budget_tokens"),
        (GPT, {"thinking": ThinkingConfig("disabled"), "effort": "high"}, "output_config.effort"),
        (GPT, {"effort": "max"}, "output_config.effort"),
        (GPT, {"inference_geo": "us"}, "inference_geo"),
        (CODEX, {"thinking": ThinkingConfig("disabled")}, "thinking.type"),
        (THINKS, {"thinking": ThinkingConfig("disabled")}, "thinking.type"),
        (BARE, {"output_schema": {"type": "object"}}, "output_config.format"),
    ],
)
def test_a_setting_that_the_model_lacks_is_refused_by_name(model: Model, fields: dict[str, Any], param: str) -> None:
    assert refused(model, sampling=Sampling(max_tokens=9, **fields)) == param


@pytest.mark.parametrize(
    ("model", "block", "place"),
    [
        (BARE, PNG, ""),
        (BARE, PDF, ""),
        (BARE, ToolUse("call_1", "weather", {}), ""),
        (GPT, Document(text="Note", citations_enabled=True), ".citations"),
        (GPT, SearchResult("src", "Title", (), citations_enabled=True), ".citations"),
        (BARE, Document(blocks=(Text("Note"), PNG)), ".source.content[1]"),
    ],
)
def test_a_block_that_the_model_cannot_take_is_refused_by_its_place(model: Model, block: Block, place: str) -> None:
    turns = (says("Hello"), Turn("user", (Text("Look"), block)))

    assert refused(model, turns=turns) == f"messages[1].content[1]{place}"


def test_what_a_tool_gave_back_is_looked_into() -> None:
    blind = BARE.model_copy(update={"abilities": frozenset({Ability.TOOLS})})
    result = ToolResult("call_1", (Text("Scan"), PNG))

    assert refused(blind, turns=(Turn("user", (result,)),)) == "messages[0].content[0].content[1]"


def test_tools_are_refused_by_a_model_without_any() -> None:
    assert refused(BARE, tools=(WEATHER,)) == "tools"


@pytest.mark.parametrize("model", [CLAUDE, GPT])
def test_a_tool_that_must_be_called_is_one_of_the_tools(model: Model) -> None:
    choice = ToolChoice("tool", "forecast")

    assert refused(model, tools=(WEATHER,), tool_choice=choice) == "tool_choice.name"
    assert refused(model, tools=(WEATHER, replace(WEATHER, name="forecast")), tool_choice=choice) is None


def test_a_tool_that_only_one_vendor_s_models_know_is_refused_by_the_others() -> None:
    tools = (WEATHER, ClientTool("bash_20250124", "bash"))

    assert refused(CLAUDE, tools=tools) is None
    assert refused(GPT, tools=tools) == "tools[1].type"


def test_a_picture_said_by_the_model_has_no_place_with_the_other_vendor() -> None:
    turns = (says("Draw"), Turn("assistant", (PNG,)))

    assert refused(GPT, turns=turns) == "messages[1].content[0]"


@pytest.mark.parametrize("model", [CLAUDE, GPT, BARE, HAIKU, OPUS_4_7])
def test_defaults_spelled_out_ask_for_nothing(model: Model) -> None:
    spelled = Sampling(max_tokens=9, temperature=1.0, top_p=1.0, service_tier="standard_only")

    assert refused(model, sampling=spelled) is None


def test_cache_breakpoints_are_named_where_nobody_reads_them() -> None:
    marked = conversation(Turn("user", (Text("Note", cache=CacheControl("1h")),)))

    assert ignored_parameters(marked, CLAUDE) == ()
    assert ignored_parameters(marked, GPT) == ("cache_control",)
    assert ignored_parameters(conversation(), GPT) == ()


def test_eager_tool_inputs_are_named_where_they_are_not_to_be_had() -> None:
    eager = conversation(tools=(replace(WEATHER, eager_streaming=True),))

    assert ignored_parameters(eager, CLAUDE) == ()
    assert ignored_parameters(eager, GPT) == ("tools.eager_input_streaming",)


@pytest.mark.parametrize(
    ("model", "block", "is_named"),
    [
        (CLAUDE, CLAUDE_SIGNED, False),
        (CLAUDE, OPENAI_SIGNED, True),
        (CLAUDE, Thinking("Hm.", ""), True),
        (GPT, OPENAI_SIGNED, False),
        (GPT, CLAUDE_SIGNED, True),
        (GPT, RedactedThinking("c2VhbGVk"), True),
        (BARE, CLAUDE_SIGNED, True),
    ],
)
def test_reasoning_of_another_vendor_is_named(model: Model, block: Block, is_named: bool) -> None:
    told = conversation(says("Hello"), Turn("assistant", (block, Text("Hi"))))

    assert ignored_parameters(told, model) == (("messages.thinking",) if is_named else ())


def test_an_answer_that_was_begun_is_refused_where_it_would_be_begun_anew() -> None:
    begun = conversation(says("Hi"), Turn("assistant", (Text("The answer"),), plain=True))
    called = conversation(says("Hi"), Turn("assistant", (ToolUse("call_1", "weather", {}),)))

    with pytest.raises(ValidationFailedError) as raised:
        require_answerable(begun, GPT)

    assert raised.value.param == "messages[1]"
    require_answerable(begun, CLAUDE)
    require_answerable(called, GPT)
    # Counted it can be.
    require_able(begun, GPT)


def test_what_an_earlier_answer_cited_is_named_where_it_is_not_sent() -> None:
    cited = conversation(says("Hi"), Turn("assistant", (Text("So.", citations=({"type": "char_location"},)),)))

    assert ignored_parameters(cited, CLAUDE) == ()
    assert ignored_parameters(cited, GPT) == ("messages.citations",)


def test_a_limit_that_is_raised_to_the_vendors_least_is_named() -> None:
    probe = conversation(sampling=Sampling(max_tokens=1))

    assert ignored_parameters(probe, GPT) == ("max_tokens",)
    assert ignored_parameters(probe, CLAUDE) == ()
