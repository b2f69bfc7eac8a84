"""Anthropic's JSON as our types.

A block kind that is not here fails the call: the ones we cannot carry come
only from server tools, which no request of ours can name, and half an answer
is worse than none.
"""

from gateway.completion import AnswerBlock, Completion, StopDetails, StopReason, Usage
from gateway.conversation import RedactedThinking, Text, Thinking, ToolUse
from gateway.errors import UpstreamFailureError
from gateway.providers.wire import (
    WireObject,
    child,
    children,
    count,
    index,
    optional_child,
    optional_text,
    parse_object,
    text,
)

_STOP_REASONS = {reason.value: reason for reason in StopReason}


def decode_completion(body: bytes) -> Completion:
    """A whole answer. Raises `UpstreamFailureError` for anything but a finished message."""
    message = parse_object(body)
    return Completion(
        model=text(message, "model"),
        blocks=tuple(decode_block(block) for block in children(message, "content")),
        stop_reason=stop_reason_of(message),
        usage=decode_usage(child(message, "usage")),
        stop_sequence=optional_text(message, "stop_sequence"),
        upstream_id=optional_text(message, "id"),
        stop_details=stop_details_of(message),
    )


def decode_count(body: bytes) -> int:
    return index(parse_object(body), "input_tokens")


def decode_block(block: WireObject) -> AnswerBlock:
    match block.get("type"):
        case "text":
            return Text(text(block, "text"), citations=tuple(children(block, "citations")))
        case "tool_use":
            return ToolUse(text(block, "id"), text(block, "name"), child(block, "input"))
        case "thinking":
            return Thinking(text(block, "thinking"), optional_text(block, "signature") or "")
        case "redacted_thinking":
            return RedactedThinking(text(block, "data"))
        case _:
            raise UpstreamFailureError


def stop_reason_of(source: WireObject) -> StopReason:
    reason = _STOP_REASONS.get(text(source, "stop_reason"))
    if reason is None:
        raise UpstreamFailureError
    return reason


def stop_details_of(source: WireObject) -> StopDetails | None:
    details = optional_child(source, "stop_details")
    if not details:
        return None
    return StopDetails(optional_text(details, "category"), optional_text(details, "explanation"))


def decode_usage(usage: WireObject, start: Usage | None = None) -> Usage:
    """Tokens by kind. A stream's last usage repeats only some of its first, `start`, which fills in the rest."""
    start = start or Usage()
    write_5m, write_1h = _cache_writes(usage, start)
    return Usage(
        input=_count_or(usage, "input_tokens", start.input),
        output=_count_or(usage, "output_tokens", start.output),
        cache_read=_count_or(usage, "cache_read_input_tokens", start.cache_read),
        cache_write_5m=write_5m,
        cache_write_1h=write_1h,
        reasoning=_count_or(optional_child(usage, "output_tokens_details"), "thinking_tokens", start.reasoning),
        service_tier=optional_text(usage, "service_tier") or start.service_tier,
        inference_geo=optional_text(usage, "inference_geo") or start.inference_geo,
        speed=optional_text(usage, "speed") or start.speed,
    )


def _cache_writes(usage: WireObject, start: Usage) -> tuple[int, int]:
    """Tokens written for five minutes and for an hour. Unsplit, what `start` does not explain is the former."""
    split = optional_child(usage, "cache_creation")
    if split:
        return count(split, "ephemeral_5m_input_tokens"), count(split, "ephemeral_1h_input_tokens")
    total = _count_or(usage, "cache_creation_input_tokens", start.cache_write)
    write_1h = min(start.cache_write_1h, total)
    return total - write_1h, write_1h


def _count_or(source: WireObject, key: str, otherwise: int) -> int:
    return otherwise if source.get(key) is None else index(source, key)
