"""What crosses the wire: JSON, frames, answers and errors, as plain ASGI."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import orjson

from sandbox.bill import Charge
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


class Refuse(Protocol):
    """An error of the answer's dialect that quotes what was said; `retry_after` in seconds."""

    def __call__(self, status: int, *, retry_after: int | None = None) -> RefusedError: ...


@dataclass(frozen=True, slots=True)
class Frame:
    """One server-sent event."""

    data: bytes
    said: int | None = None
    """Bytes of what the model says in it; None when it is no delta."""
    closing: bool = False
    """Whether it tells that the model is done, so that the vendor bills the whole answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in one dialect: whole, or as frames with the frame that ends it in failure."""

    model: str
    refuse: Refuse
    headers: Mapping[str, str]
    directives: Directives = field(default_factory=Directives)
    said: str = ""
    """The last user text, directives and all: requests that say the same share a script."""
    whole: Json | None = None
    frames: Iterable[Frame] = ()
    failure: bytes = b""
    failure_status: int = 500
    """What `failure` is to a caller who did not ask for a stream."""
    charge: Charge | None = None
    """What it costs when it is taken to its end; None for what a vendor gives for nothing."""
    unseen: int = 0
    """Output tokens that no delta shows."""


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


def event(name: str, data: Json, *, said: str | None = None, closing: bool = False) -> Frame:
    return Frame(b"event: " + name.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n", _bytes(said), closing)


def data_only(data: Json, *, said: str | None = None, closing: bool = False) -> Frame:
    return Frame(b"data: " + orjson.dumps(data) + b"\n\n", _bytes(said), closing)


def _bytes(said: str | None) -> int | None:
    return None if said is None else len(said.encode())


async def read_body(receive: Receive) -> bytes:
    pieces: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(pieces)
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(pieces)


async def start(send: Send, status: int, headers: Mapping[str, str]) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def send_json(send: Send, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
    content = orjson.dumps(body)
    await start(send, status, json_headers(content) | dict(headers or {}))
    await send({"type": "http.response.body", "body": content})


def json_headers(content: bytes) -> dict[str, str]:
    return {"content-type": "application/json", "content-length": str(len(content))}
