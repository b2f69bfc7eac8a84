"""A message of Anthropic's, as the events of its stream."""

from collections.abc import Iterator, Sequence

import orjson

from sandbox.script import Script
from sandbox.wire import Frame, Json, event

_ONLY_AT_THE_START = frozenset({"cache_creation", "service_tier", "inference_geo"})


def frames(message: Json, script: Script) -> Iterator[Frame]:
    unsaid: Json = {"content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    uncounted: Json = {"output_tokens": 1, "output_tokens_details": {"thinking_tokens": 0}}
    start = message | unsaid | {"usage": message["usage"] | uncounted}
    yield event("message_start", {"type": "message_start", "message": start})
    texts = iter([part for part in script.parts if part])
    for index, block in enumerate(message["content"]):
        pieces = next(texts, ()) if block.get("text") else ()
        yield from _block_frames(index, block, pieces, script)
        if not index:
            yield event("ping", {"type": "ping"})
    ended = {name: message[name] for name in ("stop_reason", "stop_sequence", "stop_details")}
    usage = {name: count for name, count in message["usage"].items() if name not in _ONLY_AT_THE_START}
    yield event("message_delta", {"type": "message_delta", "delta": ended, "usage": usage}, closing=True)
    yield event("message_stop", {"type": "message_stop"})


def _block_frames(index: int, block: Json, pieces: Sequence[str], script: Script) -> Iterator[Frame]:
    opened, deltas = _opened(block, pieces, script)
    yield event("content_block_start", {"type": "content_block_start", "index": index, "content_block": opened})
    for delta, said in deltas:
        yield event("content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta}, said=said)
    yield event("content_block_stop", {"type": "content_block_stop", "index": index})


def _opened(block: Json, pieces: Sequence[str], script: Script) -> tuple[Json, list[tuple[Json, str]]]:
    """A block as it starts, and the deltas that fill it, each with what of it counts as output."""
    match block["type"]:
        case "text":
            cited = block.get("citations", [])
            deltas: list[tuple[Json, str]] = [({"type": "text_delta", "text": piece}, piece) for piece in pieces]
            deltas += [({"type": "citations_delta", "citation": each}, "") for each in cited]
            return block | {"text": ""} | ({"citations": []} if cited else {}), deltas
        case "thinking":
            deltas = [({"type": "thinking_delta", "thinking": piece}, piece) for piece in script.cut(block["thinking"])]
            deltas.append(({"type": "signature_delta", "signature": block["signature"]}, ""))
            return block | {"thinking": "", "signature": ""}, deltas
        case "tool_use":
            fragments = ["", *script.cut(orjson.dumps(block["input"]).decode())]
            return block | {"input": {}}, [
                ({"type": "input_json_delta", "partial_json": fragment}, fragment) for fragment in fragments
            ]
        case _:
            return block, []
