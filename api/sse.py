"""Answers as server-sent events, at the cost of one ASGI message per batch of events."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from fastapi import Response
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from api.exchange import Exchange, exchange_of
from api.hangup import STALLED_S, HangUpWatch
from gateway.errors import GatewayError, InternalError
from gateway.logs import logger, raised_at

_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)


EventT = TypeVar("EventT")
ToldT_co = TypeVar("ToldT_co", covariant=True)
RenderedT_contra = TypeVar("RenderedT_contra", contravariant=True)


class Source(Protocol[ToldT_co]):
    """One answer, event by event."""

    def events(self) -> AsyncIterator[Sequence[ToldT_co]]:
        """Batches of at least one event. Raises `GatewayError` for what is said in-band."""
        ...

    async def aclose(self) -> None:
        """Called however the stream ended."""
        ...


class Frames(Protocol[RenderedT_contra]):
    """One stream's rendering. Methods are called in order, from one task."""

    keep_alive: bytes

    def opening(self) -> bytes:
        """What can be said before the provider's first event; may be empty."""
        ...

    def render(self, events: Sequence[RenderedT_contra]) -> bytes: ...

    def failure(self, error: GatewayError) -> bytes:
        """The in-band end of a stream that broke."""
        ...


class EventStream(Response, Generic[EventT]):
    """Sends an answer as it arrives, and closes it however that ends: settling is its `aclose`'s."""

    def __init__(
        self,
        stream: Source[EventT],
        frames: Frames[EventT],
        headers: Mapping[str, str],
        *,
        content_type: bytes = b"text/event-stream; charset=utf-8",
        stalled_s: float = STALLED_S,
    ) -> None:
        # Not Response's own __init__, which renders a body and announces its length.
        self.status_code = 200
        self.background = None
        self.raw_headers = [
            (b"content-type", content_type),
            *_HEADERS,
            *((name.encode(), value.encode()) for name, value in headers.items()),
        ]
        self._stream = stream
        self._frames = frames
        self._stalled_s = stalled_s

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        exchange = exchange_of(scope)

        async def send_frame(frame: bytes) -> None:
            await exchange.send({"type": "http.response.body", "body": frame, "more_body": True})

        async def keep_alive() -> None:
            await send_frame(self._frames.keep_alive)

        try:
            async with HangUpWatch(receive, keep_alive, stalled_s=self._stalled_s) as watch:
                start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
                await watch.sent(send(start))
                if opening := self._frames.opening():
                    await watch.sent(send_frame(opening))
                try:
                    async for batch in self._stream.events():
                        if frame := self._frames.render(batch):
                            await watch.sent(send_frame(frame))
                except GatewayError as error:
                    exchange.error_code = error.code
                    await watch.sent(send_frame(self._frames.failure(error)))
                except Exception as failure:  # noqa: BLE001 - the response has begun: told in-band or not at all
                    _log_crash("stream.crashed", exchange, failure)
                    exchange.error_code = InternalError.code
                    await watch.sent(send_frame(self._frames.failure(InternalError())))
                watch.finish()
                await watch.sent(send({"type": "http.response.body", "body": b"", "more_body": False}))
        finally:
            await self._close(exchange)

    async def _close(self, exchange: Exchange) -> None:
        try:
            await self._stream.aclose()
        except Exception as failure:  # noqa: BLE001 - the answer is out; the sweep settles what this could not
            _log_crash("stream.unsettled", exchange, failure)


def _log_crash(event: str, exchange: Exchange, failure: Exception) -> None:
    logger.error(
        event,
        request_id=exchange.request_id,
        inference_id=exchange.id,
        error_type=type(failure).__name__,
        raised_at=raised_at(failure.__traceback__),
    )
