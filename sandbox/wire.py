"""ASGI by hand: one request in, JSON or a paced stream out."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, cast

import orjson

from sandbox.directives import Directives

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Json = dict[str, Any]


class RefusedError(Exception):
    """An error answer in a vendor's own form."""

    def __init__(self, status: int, body: Json, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class Frame:
    """One server-sent event. `delta` ones are what `error_after` and `drop_after` count."""

    data: bytes
    delta: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in one dialect: whole, or as frames with the frame that ends it in failure."""

    directives: Directives
    headers: Mapping[str, str]
    whole: Json | None = None
    frames: Iterable[Frame] = ()
    failure: bytes = b""
    refusal: RefusedError | None = None
    """What `error_after` means to a caller who did not ask for a stream."""


def as_object(value: object) -> Json | None:
    # Parsed JSON has text keys only.
    return cast("Json", value) if isinstance(value, dict) else None


def as_list(value: object) -> list[object] | None:
    return cast("list[object]", value) if isinstance(value, list) else None


def child(source: Mapping[str, Any], name: str) -> Json:
    """An object's field that is an object; empty when it is absent or null."""
    return source.get(name) or {}


def children(source: Mapping[str, Any], name: str) -> list[Json]:
    """An object's field that is a list of objects; empty when it is absent or null."""
    return source.get(name) or []


def event(name: str, data: Json, *, delta: bool = False) -> Frame:
    return Frame(b"event: " + name.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n", delta)


def data_only(data: Json, *, delta: bool = False) -> Frame:
    return Frame(b"data: " + orjson.dumps(data) + b"\n\n", delta)


async def read_body(receive: Receive) -> bytes:
    pieces: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(pieces)
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(pieces)


async def send_json(send: Send, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
    content = orjson.dumps(body)
    sized = {"content-type": "application/json", "content-length": str(len(content)), **(headers or {})}
    await send({"type": "http.response.start", "status": status, "headers": _raw(sized)})
    await send({"type": "http.response.body", "body": content})


async def play(answer: Answer, receive: Receive, send: Send) -> bool:
    """Send `answer` at the pace its directives ask for. False when the caller hung up before its end."""
    if not await _pause(receive, answer.directives.first_delay_ms):
        return False
    if answer.whole is None:
        return await _play_frames(answer, receive, send)
    if answer.directives.error_after is not None and answer.refusal is not None:
        raise answer.refusal
    if answer.directives.drop_after is not None:
        await _start(send, "application/json", answer.headers)
        await send({"type": "http.response.body", "body": b'{"', "more_body": True})
        return True
    await send_json(send, 200, answer.whole, answer.headers)
    return True


async def _play_frames(answer: Answer, receive: Receive, send: Send) -> bool:
    directives, deltas = answer.directives, 0
    await _start(send, "text/event-stream; charset=utf-8", {"cache-control": "no-cache", **answer.headers})
    for frame in answer.frames:
        if frame.delta:
            if deltas == directives.error_after:
                await send({"type": "http.response.body", "body": answer.failure})
                return True
            if deltas == directives.drop_after:
                # An answer that never says it ended: the server closes the connection under it.
                return True
            if deltas and not await _pause(receive, directives.delay_ms):
                return False
            deltas += 1
        await send({"type": "http.response.body", "body": frame.data, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
    return True


async def _start(send: Send, content_type: str, headers: Mapping[str, str]) -> None:
    await send(
        {"type": "http.response.start", "status": 200, "headers": _raw({"content-type": content_type, **headers})}
    )


async def _pause(receive: Receive, delay_ms: int) -> bool:
    """Wait, and say whether the caller is still there."""
    if not delay_ms:
        return True
    try:
        async with asyncio.timeout(delay_ms / 1000):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return True
    return False


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]
