"""A self-hosted model for the Chat Completions tests, and reading what its server streams."""

from collections.abc import Sequence
from typing import Any

import orjson

from gateway.catalog import Ability, Dialect, Model
from gateway.completion import Completion, CompletionFold, StreamEvent
from gateway.conversation import Conversation
from gateway.providers.chat.decode import decode_completion
from gateway.providers.chat.stream import ChatFrames
from gateway.providers.frames import EventReader
from tests.unit.providers.cases import GPT, conversation

QWEN: Model = GPT.model_copy(
    update={
        "id": "qwen",
        "upstream": "Qwen/Qwen3-8B",
        "provider": "vllm",
        "dialect": Dialect.OPENAI_CHAT,
        "abilities": frozenset(Ability) - {Ability.SERVICE_TIER},
        "efforts": frozenset({"none", "low", "medium", "high"}),
    }
)


def chunk(*, usage: Any = None, **choice: Any) -> dict[str, Any]:
    """A chunk with one choice; its fields as given."""
    choices = [{"index": 0, **choice}] if choice else []
    frame: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "Qwen/Qwen3-8B",
    }
    return frame | {"choices": choices} | ({} if usage is None else {"usage": usage})


def delta(**fields: Any) -> dict[str, Any]:
    return chunk(delta=fields, finish_reason=None)


def call(at: int | None, arguments: Any = None, name: str | None = None, **fields: Any) -> dict[str, Any]:
    """A `tool_calls` entry of a stream, without what is None."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return ({} if at is None else {"index": at}) | fields | {"function": function}


def sse(*frames: dict[str, Any] | str) -> bytes:
    """The frames as a server writes them; text goes as it is."""
    data = (frame.encode() if isinstance(frame, str) else orjson.dumps(frame) for frame in frames)
    return b"".join(b"data: " + each + b"\n\n" for each in data)


def read(*pieces: bytes, told: Conversation | None = None) -> list[StreamEvent]:
    """The events of a stream that came in `pieces` and then ended."""
    reader = EventReader(ChatFrames(told or conversation(), QWEN))
    events = [event for piece in pieces for event in reader.feed(piece)]
    return [*events, *([] if reader.finished else reader.close())]


def fold(events: Sequence[StreamEvent]) -> Completion:
    folded = CompletionFold()
    for event in events:
        folded.add(event)
    return folded.completion()


COUNTED = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}
ROLE = delta(role="assistant", content="")
STOP = chunk(delta={}, finish_reason="stop")
DONE = "[DONE]"


def stream(*frames: dict[str, Any] | str, told: Conversation | None = None) -> Completion:
    return fold(read(sse(*frames), told=told))


def plain(message: dict[str, Any], *, told: Conversation | None = None, **fields: Any) -> Completion:
    answer = {
        "id": "chatcmpl-1",
        "model": "Qwen/Qwen3-8B",
        "choices": [{"index": 0, "message": message, "finish_reason": fields.pop("finish_reason", "stop")}],
        "usage": COUNTED,
    }
    return decode_completion(orjson.dumps(answer | fields), told or conversation(), QWEN)
