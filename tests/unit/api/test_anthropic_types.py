"""What we take and give, field by field against the types of Anthropic's own SDK."""

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

import orjson
import pytest
from anthropic import types as sdk
from anthropic.types import raw_message_delta_event
from pydantic import BaseModel, TypeAdapter

from api.anthropic.stream import MessageFrames
from api.anthropic.translate import create_message, message
from api.content import schemas, tools
from gateway.completion import Completion, Finishing, Started, StopDetails, StopReason, StreamEvent, Usage
from gateway.conversation import ClientTool, Text
from gateway.errors import FeatureNotEligibleError, GatewayError, UnsupportedParameterError
from gateway.inference.call import Answer
from gateway.phi.report import PhiReport
from gateway.providers.anthropic.decode import decode_completion
from gateway.providers.anthropic.stream import AnthropicFrames
from gateway.routing.route import Delivery
from gateway.tenancy import PhiMode
from tests.grammar import read_events
from tests.tenants import HAIKU, make_call
from tests.unit.phi.conversations import access_with

PARAMS: list[tuple[Any, type[BaseModel]]] = [
    (sdk.CacheControlEphemeralParam, schemas.CacheControlParam),
    (sdk.CitationsConfigParam, schemas.CitationsParam),
    (sdk.TextBlockParam, schemas.TextParam),
    (sdk.Base64ImageSourceParam, schemas.Base64ImageSource),
    (sdk.URLImageSourceParam, schemas.UrlSource),
    (sdk.ImageBlockParam, schemas.ImageParam),
    (sdk.ImageTransformationsParam, schemas.ImageTransformationsParam),
    (sdk.Base64PDFSourceParam, schemas.PdfSource),
    (sdk.PlainTextSourceParam, schemas.PlainTextSource),
    (sdk.ContentBlockSourceParam, schemas.ContentSource),
    (sdk.DocumentBlockParam, schemas.DocumentParam),
    (sdk.SearchResultBlockParam, schemas.SearchResultParam),
    (sdk.DirectCallerParam, schemas.DirectCaller),
    (sdk.ToolUseBlockParam, schemas.ToolUseParam),
    (sdk.ToolResultBlockParam, schemas.ToolResultParam),
    (sdk.ThinkingBlockParam, schemas.ThinkingParam),
    (sdk.RedactedThinkingBlockParam, schemas.RedactedThinkingParam),
    (sdk.UserMessageParam, schemas.MessageParam),
    (sdk.MetadataParam, schemas.MetadataParam),
    (sdk.OutputConfigParam, schemas.OutputConfigParam),
    (sdk.JSONOutputFormatParam, schemas.JsonOutputFormat),
    (sdk.ThinkingConfigEnabledParam, schemas.ThinkingEnabled),
    (sdk.ThinkingConfigAdaptiveParam, schemas.ThinkingAdaptive),
    (sdk.ThinkingConfigBetweenToolsParam, schemas.ThinkingBetweenTools),
    (sdk.ThinkingConfigDisabledParam, schemas.ThinkingDisabled),
    (sdk.ToolParam, tools.ToolParam),
    (sdk.ToolBash20250124Param, tools.BashToolParam),
    (sdk.ToolTextEditor20250124Param, tools.TextEditorTool20250124Param),
    (sdk.ToolTextEditor20250429Param, tools.TextEditorTool20250429Param),
    (sdk.ToolTextEditor20250728Param, tools.TextEditorTool20250728Param),
    (sdk.MemoryTool20250818Param, tools.MemoryToolParam),
    (sdk.ToolChoiceAutoParam, tools.ToolChoiceAuto),
    (sdk.ToolChoiceAnyParam, tools.ToolChoiceAny),
    (sdk.ToolChoiceToolParam, tools.ToolChoiceTool),
    (sdk.ToolChoiceNoneParam, tools.ToolChoiceNone),
]


@pytest.mark.parametrize(("published", "ours"), PARAMS, ids=lambda each: each.__name__)
def test_every_published_field_is_declared_and_no_other(published: Any, ours: type[BaseModel]) -> None:
    """What is declared is carried, or declared with its harmless values only; what is not would be refused unnamed."""
    declared = {field.alias or name for name, field in ours.model_fields.items()}

    assert declared == set(published.__annotations__)


def kinds_of(union: Any) -> Iterator[str]:
    """The values of `type` of a union's members."""
    for member in get_args(union):
        yield from _literals(get_type_hints(member)["type"])


def _literals(hint: Any) -> Iterator[str]:
    if get_origin(hint) is Literal:
        yield from get_args(hint)
        return
    for inner in get_args(hint):
        yield from _literals(inner)


def refusal_of(**fields: object) -> GatewayError | None:
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], **fields}
    try:
        create_message(orjson.dumps(body))
    except GatewayError as refusal:
        return refusal
    return None


@pytest.mark.parametrize("kind", sorted(set(kinds_of(sdk.ToolUnionParam))))
def test_every_published_kind_of_tool_is_taken_or_refused_by_its_name(kind: str) -> None:
    refusal = refusal_of(tools=[{"type": kind}])

    assert refusal is not None
    if kind in tools.TOOL_KINDS:
        # Taken: what is missing is its name.
        assert refusal.param == "tools[0].name"
        return
    assert isinstance(refusal, FeatureNotEligibleError)
    assert refusal.param == "tools[0].type"
    assert kind.startswith(str(refusal.details["feature"]))
    assert f"`{refusal.details['feature']}`" in refusal.text


@pytest.mark.parametrize("kind", sorted(set(kinds_of(sdk.ContentBlockParam))))
def test_every_published_kind_of_block_is_taken_or_refused_by_its_name(kind: str) -> None:
    refusal = refusal_of(messages=[{"role": "user", "content": [{"type": kind}]}])

    assert refusal is not None
    if isinstance(refusal, FeatureNotEligibleError):
        assert (refusal.param, refusal.details) == ("messages[0].content[0].type", {"feature": kind})
    else:
        assert refusal.param is not None
        assert refusal.param.startswith("messages[0].content[0].")
        assert refusal.text.endswith("is required.")


@pytest.mark.parametrize(
    ("content", "feature"),
    [
        ({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "browser_state"}]}, "browser_state"),
        ({"type": "image", "source": {"type": "file", "file_id": "file_1"}}, "file"),
        ({"type": "document", "source": {"type": "file", "file_id": "file_1"}}, "file"),
    ],
)
def test_a_feature_that_is_not_covered_is_named_inside_a_block_too(content: object, feature: str) -> None:
    refusal = refusal_of(messages=[{"role": "user", "content": [content]}])

    assert isinstance(refusal, FeatureNotEligibleError)
    assert refusal.details == {"feature": feature}


def test_what_only_tool_search_makes_is_refused_by_name() -> None:
    reference = {"type": "tool_reference", "tool_name": "find"}
    content = [{"type": "tool_result", "tool_use_id": "t", "content": [reference]}]

    refusal = refusal_of(messages=[{"role": "user", "content": content}])

    assert isinstance(refusal, UnsupportedParameterError)
    assert refusal.param == "messages[0].content[0].content[0].type"
    assert "`tool_reference`" in refusal.text


def test_settings_of_a_client_run_tool_are_kept_apart_from_its_cache_breakpoint() -> None:
    editor = {
        "type": "text_editor_20250728",
        "name": "str_replace_based_edit_tool",
        "max_characters": 9_000,
        "strict": True,
        "input_examples": [{"command": "view", "path": "/notes"}],
        "cache_control": {"type": "ephemeral", "ttl": "1h"},
        "allowed_callers": ["direct"],
        "defer_loading": False,
    }
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], "tools": [editor]}

    (tool,) = create_message(orjson.dumps(body)).conversation.tools

    assert isinstance(tool, ClientTool)
    assert tool.options == {name: editor[name] for name in ("max_characters", "strict", "input_examples")}
    assert tool.cache is not None
    assert tool.cache.ttl == "1h"


USAGE = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 7,
    "cache_read_input_tokens": 5,
    "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4},
    "output_tokens": 20,
    "output_tokens_details": {"thinking_tokens": 6},
    "server_tool_use": None,
    "service_tier": "priority",
    "inference_geo": "us",
    "speed": "standard",
}
CITATIONS: list[dict[str, Any]] = [
    {"type": "char_location", "start_char_index": 0, "end_char_index": 4, "file_id": None},
    {"type": "page_location", "start_page_number": 1, "end_page_number": 2, "file_id": None},
    {"type": "content_block_location", "start_block_index": 0, "end_block_index": 1, "file_id": None},
    {
        "type": "search_result_location",
        "source": "handbook",
        "title": "Visits",
        "search_result_index": 0,
        "start_block_index": 0,
        "end_block_index": 1,
    },
    {"type": "web_search_result_location", "url": "https://example.com", "title": None, "encrypted_index": "b3A="},
]
CITED = [
    {"cited_text": "Note", **({"document_index": 0, "document_title": "A"} if "file_id" in each else {}), **each}
    for each in CITATIONS
]
UPSTREAM: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5-20251001",
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "b3BhcXVl"},
        {"type": "text", "text": "No.", "citations": CITED},
        {"type": "tool_use", "id": "toolu_1", "name": "find", "input": {"who": ["x", 1, None]}},
    ],
    "container": None,
    "diagnostics": None,
    "stop_reason": "refusal",
    "stop_sequence": None,
    "stop_details": {"type": "refusal", "category": "bio", "explanation": "It may be harmful."},
    "usage": USAGE,
}


def rendered(completion: Completion) -> dict[str, Any]:
    """`completion` as the answer to a call."""
    call = make_call(access_with())
    report = PhiReport.of(PhiMode.REDACT, "none", ())
    return message(Answer(call, Delivery(HAIKU, HAIKU), completion, report, charge=1, sandboxed=False))


def streamed(*events: StreamEvent) -> list[dict[str, Any]]:
    frames = MessageFrames(make_call(access_with())).render(events)
    return [event.data for event in read_events(frames)]


def test_the_citations_here_are_all_that_the_sdk_knows() -> None:
    kinds = {get_args(each.model_fields["type"].annotation)[0] for each in get_args(get_args(sdk.TextCitation)[0])}

    assert {each["type"] for each in CITED} == kinds


def test_an_answer_of_anthropics_comes_out_as_it_came_in() -> None:
    given = rendered(decode_completion(orjson.dumps(UPSTREAM)))

    ours = {"id", "model", "meta"}
    assert {name: value for name, value in given.items() if name not in ours} == {
        name: value for name, value in UPSTREAM.items() if name not in ours
    }


def test_every_field_of_the_sdks_message_is_there_and_of_its_type() -> None:
    given = rendered(decode_completion(orjson.dumps(UPSTREAM)))

    sdk.Message.model_validate(given)
    assert set(sdk.Message.model_fields) <= set(given)
    assert set(sdk.Usage.model_fields) == set(given["usage"])


def test_every_field_of_the_sdks_events_is_there_and_of_its_type() -> None:
    start, end = streamed(
        Started("m", Usage(input=1)),
        Finishing(StopReason.REFUSAL, Usage(output=2), stop_details=StopDetails("bio", "It may be harmful.")),
    )

    event_of = TypeAdapter[Any](sdk.RawMessageStreamEvent)
    assert event_of.validate_python(start).type == "message_start"
    assert event_of.validate_python(end).delta.stop_details.explanation == "It may be harmful."
    assert set(sdk.Message.model_fields) <= set(start["message"])
    assert set(sdk.Usage.model_fields) == set(start["message"]["usage"])
    assert set(raw_message_delta_event.Delta.model_fields) == set(end["delta"])
    assert set(sdk.MessageDeltaUsage.model_fields) <= set(end["usage"])


@pytest.mark.parametrize("citation", CITED, ids=lambda each: each["type"])
def test_every_kind_of_citation_streams_through_unchanged(citation: dict[str, Any]) -> None:
    decode = AnthropicFrames().decode
    frames: list[dict[str, Any]] = [
        {"type": "message_start", "message": UPSTREAM | {"content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "", "citations": []}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": citation}},
    ]
    events = [event for frame in frames for event in decode(orjson.dumps(frame))]

    shown = streamed(*events)[-1]

    assert shown == frames[-1]
    TypeAdapter[Any](sdk.RawMessageStreamEvent).validate_python(shown)


@pytest.mark.parametrize(
    ("vendors", "shown"),
    [
        ("standard", "standard"),
        ("priority", "priority"),
        ("batch", "batch"),
        ("default", "standard"),
        ("scale", "priority"),
        ("flex", None),
        (None, None),
    ],
)
def test_a_service_tier_is_told_in_anthropics_words(vendors: str | None, shown: str | None) -> None:
    given = rendered(Completion("m", (Text("Hi"),), StopReason.END_TURN, Usage(service_tier=vendors)))

    assert given["usage"]["service_tier"] == shown
    sdk.Message.model_validate(given)


@pytest.mark.parametrize("reason", get_args(sdk.StopReason))
def test_every_stop_reason_of_the_sdks_comes_through(reason: str) -> None:
    given = rendered(decode_completion(orjson.dumps(UPSTREAM | {"stop_reason": reason, "stop_details": None})))

    assert (given["stop_reason"], given["stop_details"]) == (reason, None)
