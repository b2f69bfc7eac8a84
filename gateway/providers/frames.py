"""From a vendor's stream of bytes to our events: the part that is the same for every vendor."""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Protocol

from gateway.completion import StreamEvent
from gateway.errors import (
    GatewayError,
    UpstreamBrokenOffError,
    UpstreamStalledError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from gateway.providers.sse import SseSplitter
from gateway.providers.transport import Response


class FrameDecoder(Protocol):
    """One vendor's frames. Raises a `GatewayError` for their error frames and for a broken grammar."""

    @property
    def finished(self) -> bool:
        """Whether `Stopped` was decoded: only then may the stream end."""
        ...

    def decode(self, data: bytes) -> Iterable[StreamEvent]: ...

    def close(self) -> Iterable[StreamEvent]:
        """The last events when the end of the bytes may end the answer; none where only a frame may."""
        ...


class EventReader:
    """Bytes in, events out, no I/O.

    Events that came before a failure are given out before it is raised, so
    that what the caller saw, and is charged for, does not depend on how the
    network cut the stream.
    """

    def __init__(self, decoder: FrameDecoder) -> None:
        self._splitter = SseSplitter()
        self._decoder = decoder
        self._failure: GatewayError | None = None

    @property
    def finished(self) -> bool:
        return self._decoder.finished

    def feed(self, data: bytes) -> list[StreamEvent]:
        """The events that `data` completes. Raises a failure at once if no event precedes it."""
        self.check()
        events: list[StreamEvent] = []
        try:
            for frame in self._splitter.feed(data):
                if self._decoder.finished:
                    break
                events += self._decoder.decode(frame)
        except GatewayError as failure:
            self._failure = failure
        if not events:
            self.check()
        return events

    def check(self) -> None:
        """Raise the failure that the last `feed` kept back."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> list[StreamEvent]:
        """The events that the end of the bytes completes. Raises `UpstreamBrokenOffError` if the answer did not end."""
        self.check()
        events = [] if self._decoder.finished else list(self._decoder.close())
        if not self._decoder.finished:
            raise UpstreamBrokenOffError
        return events


class EventStream(AsyncIterator[Sequence[StreamEvent]]):
    """The events of an answer as they arrive, until `Stopped`; a failure is raised after the events before it."""

    def __init__(self, response: Response, decoder: FrameDecoder) -> None:
        self._response = response
        self._reader = EventReader(decoder)
        self._first: Sequence[StreamEvent] = ()

    @classmethod
    async def start(cls, response: Response, decoder: FrameDecoder) -> "EventStream":
        """Wait for the first events, so that a refusal in place of them is raised here.

        Raises:
            UpstreamTimeoutError: none came in time.
            UpstreamUnreachableError: the connection ended before any came.
            GatewayError: what the vendor said in place of them.
        """
        stream = cls(response, decoder)
        failure: GatewayError
        try:
            stream._first = await stream._next()
        except UpstreamStalledError:
            failure = UpstreamTimeoutError()
        except UpstreamBrokenOffError:
            failure = UpstreamUnreachableError()
        else:
            return stream
        raise failure

    async def __anext__(self) -> Sequence[StreamEvent]:
        if events := self._first or await self._next():
            self._first = ()
            return events
        raise StopAsyncIteration

    async def _next(self) -> Sequence[StreamEvent]:
        """The next events, or none at the end."""
        self._reader.check()
        while not self._reader.finished:
            chunk = await self._response.next_chunk()
            if events := self._reader.feed(chunk) if chunk else self._reader.close():
                return events
        await self._response.drain()
        return ()
