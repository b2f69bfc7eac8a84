import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from structlog.testing import capture_logs
from yarl import URL

from gateway.errors import (
    ProviderRejectedError,
    UnavailableError,
    UpstreamBusyError,
    UpstreamFailureError,
    UpstreamTimeoutError,
)
from gateway.providers import transport as transport_module
from gateway.providers.anthropic.errors import error_of_answer
from gateway.providers.anthropic.stream import AnthropicFrames
from gateway.providers.frames import EventStream
from gateway.providers.transport import MAX_ERROR_BYTES, Transport, Vendor
from tests.unit.providers.cases import settings

VENDOR = Vendor("anthropic", "request-id", error_of_answer, {"x-api-key": "sk-secret"})


class Upstream:
    """A vendor on a port of its own, whose answers a test writes."""

    def __init__(self) -> None:
        self.url = URL()
        self.callers: list[object] = []
        self.headers: Mapping[str, str] = {}
        self.answer: web.StreamResponse = web.Response()
        self.released = asyncio.Event()
        self.stalls = False
        self.received = 0

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        self.callers.append(request.transport.get_extra_info("peername"))
        self.headers = request.headers
        self.received = sum([len(chunk) async for chunk in request.content.iter_any()])
        if self.stalls:
            await self._stall(request)
        return self.answer

    async def _stall(self, request: web.BaseRequest) -> None:
        """Send one byte and then nothing, until the caller is gone."""
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"a")
        try:
            await asyncio.Event().wait()
        finally:
            self.released.set()


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    upstream = Upstream()
    runner = web.ServerRunner(web.Server(upstream, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    upstream.url = URL(f"http://127.0.0.1:{runner.addresses[0][1]}/")
    yield upstream
    await runner.cleanup()


@asynccontextmanager
async def transport(**limits: float) -> AsyncGenerator[Transport]:
    opened = Transport(settings(**limits))
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
def logs() -> Iterator[list[dict[str, object]]]:
    with capture_logs() as captured:
        yield captured  # pyright: ignore[reportReturnType]


async def test_an_answer_is_fetched_with_the_vendor_s_key(upstream: Upstream) -> None:
    upstream.answer = web.Response(text="whole")

    async with transport() as opened:
        assert await opened.fetch(VENDOR, upstream.url, b"{}") == b"whole"

    assert upstream.headers["x-api-key"] == "sk-secret"
    assert upstream.headers["content-type"] == "application/json"
    assert "sk-secret" not in repr(VENDOR)


async def test_connections_are_used_again_after_answers_errors_and_streams(upstream: Upstream) -> None:
    async with transport() as opened:
        upstream.answer = web.Response(text="one")
        await opened.fetch(VENDOR, upstream.url, b"{}")
        upstream.answer = web.Response(status=500, text="two")
        with pytest.raises(UpstreamFailureError):
            await opened.fetch(VENDOR, upstream.url, b"{}")
        upstream.answer = web.Response(text="three")
        async with opened.post(VENDOR, upstream.url, b"{}", stream=True) as response:
            assert await response.next_chunk() == b"three"
            await response.drain()
        upstream.answer = web.Response(text="four")
        await opened.fetch(VENDOR, upstream.url, b"{}")

    assert len(set(upstream.callers)) == 1
    assert len(upstream.callers) == 4


async def test_leaving_a_stream_early_closes_its_connection(upstream: Upstream) -> None:
    upstream.stalls = True

    async with transport() as opened:
        async with opened.post(VENDOR, upstream.url, b"{}", stream=True) as response:
            assert await response.next_chunk() == b"a"
        async with asyncio.timeout(5):
            await upstream.released.wait()


async def test_a_vendor_that_holds_a_finished_stream_open_is_left(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport_module, "_DRAIN_S", 0.01)
    upstream.stalls = True

    async with transport() as opened, opened.post(VENDOR, upstream.url, b"{}", stream=True) as response:
        assert await response.next_chunk() == b"a"
        await response.drain()
        async with asyncio.timeout(5):
            await upstream.released.wait()


async def test_a_stream_that_stalls_between_bytes_times_out(upstream: Upstream) -> None:
    upstream.stalls = True

    async with (
        transport(upstream_idle_timeout_s=0.05) as opened,
        opened.post(VENDOR, upstream.url, b"{}", stream=True) as response,
    ):
        assert await response.next_chunk() == b"a"
        with pytest.raises(UpstreamTimeoutError):
            await response.next_chunk()


@pytest.mark.parametrize("stream", [True, False])
async def test_the_total_limits_every_call(upstream: Upstream, stream: bool) -> None:
    upstream.stalls = True

    async with transport(upstream_total_timeout_s=0.05) as opened:
        with pytest.raises(UpstreamTimeoutError):
            async with opened.post(VENDOR, upstream.url, b"{}", stream=stream) as response:
                await response.read()


async def test_a_first_byte_that_does_not_come_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = URL(f"http://127.0.0.1:{silent.getsockname()[1]}/")

        async with transport(upstream_first_byte_timeout_s=0.05) as opened:
            with pytest.raises(UpstreamTimeoutError):
                async with opened.post(VENDOR, url, b"{}", stream=True):
                    pytest.fail("a silent stream was entered")


async def test_no_vendor_at_the_address_is_a_failure(unused_tcp_port: int) -> None:
    async with transport() as opened:
        with pytest.raises(UpstreamFailureError) as raised:
            await opened.fetch(VENDOR, URL(f"http://127.0.0.1:{unused_tcp_port}/"), b"{}")

    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


async def test_a_redirect_is_not_followed(upstream: Upstream) -> None:
    upstream.answer = web.Response(status=307, headers={"location": "/elsewhere"})

    async with transport() as opened:
        with pytest.raises(UpstreamFailureError):
            await opened.fetch(VENDOR, upstream.url, b"{}")

    assert len(upstream.callers) == 1


async def test_a_refusal_is_logged_by_status_and_id_and_never_by_its_words(
    upstream: Upstream, logs: list[dict[str, object]]
) -> None:
    body = '{"error": {"type": "invalid_request_error", "message": "Jane Roe"}}'
    upstream.answer = web.Response(status=400, text=body, headers={"request-id": "req_1"})

    async with transport() as opened:
        with pytest.raises(ProviderRejectedError) as raised:
            await opened.fetch(VENDOR, upstream.url, b'{"prompt": "Jane Roe"}')

    assert raised.value.upstream_message == "Jane Roe"
    assert "Jane" not in str(raised.value)
    assert logs == [
        {
            "event": "upstream_refused",
            "log_level": "warning",
            "vendor": "anthropic",
            "status": 400,
            "vendor_request_id": "req_1",
        }
    ]


async def test_a_refusals_id_that_is_none_is_not_logged(upstream: Upstream, logs: list[dict[str, object]]) -> None:
    upstream.answer = web.Response(status=500, headers={"request-id": "about Jane Roe"})

    async with transport() as opened:
        with pytest.raises(UpstreamFailureError):
            await opened.fetch(VENDOR, upstream.url, b"{}")

    assert [line["vendor_request_id"] for line in logs] == [None]


async def test_an_endless_error_is_read_to_its_limit_only(upstream: Upstream) -> None:
    upstream.answer = web.Response(status=529, body=b"x" * (MAX_ERROR_BYTES * 4), headers={"retry-after": "3"})

    async with transport() as opened:
        with pytest.raises(UpstreamBusyError) as raised:
            await opened.fetch(VENDOR, upstream.url, b"{}")

    assert raised.value.retry_after_s == 3


async def test_an_answer_over_the_limit_is_a_failure(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "MAX_ANSWER_BYTES", 10)
    upstream.answer = web.Response(text="more than ten bytes")

    async with transport() as opened:
        with pytest.raises(UpstreamFailureError):
            await opened.fetch(VENDOR, upstream.url, b"{}")


async def test_a_large_body_is_sent_whole(upstream: Upstream) -> None:
    async with transport() as opened:
        await opened.fetch(VENDOR, upstream.url, b"x" * 3_000_000)

    assert upstream.received == 3_000_000


async def test_a_stream_that_ends_without_its_last_event_is_a_failure(upstream: Upstream) -> None:
    upstream.answer = web.Response(text=": only a comment\n\n", content_type="text/event-stream")

    async with transport() as opened, opened.post(VENDOR, upstream.url, b"{}", stream=True) as response:
        with pytest.raises(UpstreamFailureError):
            await EventStream.start(response, AnthropicFrames())


async def test_a_transport_opened_twice_keeps_its_pool(upstream: Upstream) -> None:
    async with transport() as opened:
        await opened.fetch(VENDOR, upstream.url, b"{}")
        await opened.open()
        upstream.answer = web.Response()
        await opened.fetch(VENDOR, upstream.url, b"{}")

    assert len(set(upstream.callers)) == 1


async def test_a_transport_that_is_not_open_is_unavailable() -> None:
    closed = Transport(settings())

    with pytest.raises(UnavailableError):
        await closed.fetch(VENDOR, URL("http://127.0.0.1:1/"), b"{}")
    await closed.close()
