"""The Responses API's JSON as our types.

An item kind that is not here fails the call: the ones we cannot carry come
only from hosted tools, which no request of ours can name.
"""

from gateway.completion import AnswerBlock, Completion, StopReason, Usage, parse_tool_input
from gateway.conversation import Text, Thinking, ToolUse
from gateway.errors import UpstreamFailureError
from gateway.providers.openai import reasoning
from gateway.providers.openai.errors import error_of_response
from gateway.providers.wire import (
    WireObject,
    children,
    count,
    index,
    optional_child,
    optional_text,
    parse_object,
    text,
)


def decode_completion(body: bytes) -> Completion:
    """A whole answer. Raises the error of a failed one, and `UpstreamFailureError` for one that did not end."""
    response = parse_object(body)
    items = children(response, "output")
    if response.get("status") == "failed":
        raise error_of_response(response)
    return Completion(
        model=text(response, "model"),
        blocks=tuple(block for item in items for block in _blocks_of(item)),
        stop_reason=stop_reason_of(
            response,
            called=any(item.get("type") == "function_call" for item in items),
            refused=any(part.get("type") == "refusal" for item in items for part in children(item, "content")),
        ),
        usage=decode_usage(response),
        upstream_id=optional_text(response, "id"),
    )


def decode_count(body: bytes) -> int:
    return index(parse_object(body), "input_tokens")


def _blocks_of(item: WireObject) -> list[AnswerBlock]:
    match item.get("type"):
        case "message":
            return [Text(part_text(part)) for part in children(item, "content")]
        case "function_call":
            return [ToolUse(text(item, "call_id"), text(item, "name"), parse_tool_input(text(item, "arguments")))]
        case "reasoning":
            return [Thinking(reasoning.summary_of(item), reasoning.pack(item))]
        case _:
            raise UpstreamFailureError


def part_text(part: WireObject) -> str:
    """What a message's part says. A refusal is said as text; the stop reason tells it apart."""
    match part.get("type"):
        case "output_text":
            return text(part, "text")
        case "refusal":
            return text(part, "refusal")
        case _:
            raise UpstreamFailureError


def stop_reason_of(response: WireObject, *, called: bool, refused: bool) -> StopReason:
    match response.get("status"):
        case "completed" if refused:
            return StopReason.REFUSAL
        case "completed":
            return StopReason.TOOL_USE if called else StopReason.END_TURN
        case "incomplete":
            return _incomplete_reason(response)
        case _:
            raise UpstreamFailureError


def _incomplete_reason(response: WireObject) -> StopReason:
    match optional_child(response, "incomplete_details").get("reason"):
        case "max_output_tokens":
            return StopReason.MAX_TOKENS
        case "content_filter":
            return StopReason.REFUSAL
        case _:
            raise UpstreamFailureError


def decode_usage(response: WireObject) -> Usage:
    """Tokens by kind. The vendor's input count includes what its cache served and stored, ours does not.

    Its caches live for 30 minutes or 12 hours; they are counted as the shorter and the longer of ours.
    """
    usage = optional_child(response, "usage")
    if not usage:
        # Nothing could be charged for it, so it is no answer.
        raise UpstreamFailureError
    details = optional_child(usage, "input_tokens_details")
    cached, written = count(details, "cached_tokens"), count(details, "cache_write_tokens")
    longer = min(written, count(optional_child(details, "cache_write_tokens_details"), "ttl_12h_tokens"))
    return Usage(
        input=max(0, index(usage, "input_tokens") - cached - written),
        output=index(usage, "output_tokens"),
        cache_read=cached,
        cache_write_5m=written - longer,
        cache_write_1h=longer,
        reasoning=count(optional_child(usage, "output_tokens_details"), "reasoning_tokens"),
        service_tier=optional_text(response, "service_tier"),
    )
