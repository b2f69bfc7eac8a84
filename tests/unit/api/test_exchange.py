"""What surrounds every request: hang-ups, keep-alives, crashes and log lines."""

import asyncio
import logging
from types import SimpleNamespace

import orjson
import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from api.anthropic.stream import MessageFrames
from api.exchange import Exchange, put_exchange
from api.hangup import HangUpWatch
from api.middleware import ExchangeMiddleware
from api.sse import EventStream
from gateway import logs
from gateway.inference.call import Status
from tests.tenants import make_call
from tests.unit.inference.test_pipeline import Bench, access

SECRET = "Zachary Quillfeather"


async def never() -> Message:
    await asyncio.get_running_loop().create_future()
    raise AssertionError


async def stuck() -> None:
    """A send to a client that reads nothing."""
    await never()


async def test_a_hang_up_cancels_what_runs_for_it() -> None:
    hung_up = asyncio.Event()

    async def receive() -> Message:
        await hung_up.wait()
        return {"type": "http.disconnect"}

    async def work() -> None:
        async with HangUpWatch(receive):
            hung_up.set()
            await never()

    with pytest.raises(ClientDisconnect):
        await work()
    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_disconnect_after_the_last_byte_is_none() -> None:
    done = asyncio.Event()

    async def receive() -> Message:
        await done.wait()
        return {"type": "http.disconnect"}

    async with HangUpWatch(receive) as watch:
        watch.finish()
        done.set()
        for _ in range(5):
            await asyncio.sleep(0)


async def test_a_cancellation_of_someone_elses_stays_one() -> None:
    started = asyncio.Event()

    async def work() -> None:
        async with HangUpWatch(never):
            started.set()
            await never()

    task = asyncio.create_task(work())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_silence_is_filled_with_keep_alives() -> None:
    sent = 0
    thrice = asyncio.Event()

    async def keep_alive() -> None:
        nonlocal sent
        sent += 1
        if sent == 3:
            thrice.set()

    async with HangUpWatch(never, keep_alive, every_s=0.001):
        await thrice.wait()

    assert sent >= 3


async def test_no_keep_alive_is_sent_into_a_send_that_waits() -> None:
    kept_alive = False

    async def keep_alive() -> None:
        nonlocal kept_alive
        kept_alive = True

    async def work() -> None:
        async with HangUpWatch(never, keep_alive, every_s=0.001, stalled_s=0.02) as watch:
            await watch.sent(stuck())

    with pytest.raises(ClientDisconnect):
        await work()
    assert not kept_alive


async def test_a_client_that_does_not_take_a_keep_alive_has_hung_up() -> None:
    async def work() -> None:
        async with HangUpWatch(never, stuck, every_s=0.001, stalled_s=0.01):
            await never()

    with pytest.raises(ClientDisconnect):
        await work()


@pytest.mark.parametrize("taken", range(4))
async def test_a_client_that_stops_reading_is_settled_for_what_was_produced(taken: int) -> None:
    bench = Bench()
    call = make_call(access())
    stream = await bench.pipeline.stream(call)
    sent = 0

    async def send(_: Message) -> None:
        nonlocal sent
        if sent == taken:
            await stuck()
        sent += 1

    scope: Scope = {"type": "http"}
    put_exchange(scope, Exchange(call.id, None, send))

    async with asyncio.timeout(5):
        with pytest.raises(ClientDisconnect):
            await EventStream(stream, MessageFrames(call), {}, stalled_s=0.01)(scope, never, send)

    (outcome,) = bench.journal.outcomes
    assert outcome.status is Status.CANCELLED
    assert "hang up" in bench.steps


async def answer(app: object, *, path: str = "/x", headers: list[tuple[bytes, bytes]] | None = None) -> list[Message]:
    """What `app` under the middleware sends for one request."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": SECRET.encode(),
        "headers": headers or [],
        "client": ("192.0.2.1", 1),
        "app": SimpleNamespace(state=SimpleNamespace(gateway=None)),
    }
    middleware = ExchangeMiddleware(app, max_body_bytes=10)  # pyright: ignore[reportArgumentType]
    await middleware(scope, never, send)
    return sent


async def test_a_crash_is_a_500_that_says_nothing_about_itself(capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", strict=True)

    async def crashing(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError(SECRET)

    start, body = await answer(crashing)

    assert start["status"] == 500
    error = orjson.loads(body["body"])["error"]
    assert (error["code"], error["retryable"]) == ("INTERNAL_ERROR", True)
    lines = [orjson.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["request.crashed", "request.answered"]
    assert lines[0]["error_type"] == "RuntimeError"
    assert lines[0]["raised_at"].rpartition(":")[0] == __file__
    assert lines[0]["request_id"] == lines[1]["request_id"] == error["request_id"]
    assert SECRET not in str(lines) + str(body)


async def test_a_crash_after_the_start_ends_the_connection_and_not_the_server() -> None:
    async def crashing(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError(SECRET)

    [start] = await answer(crashing)

    assert start["status"] == 200


def test_undeclared_fields_are_dropped_or_raise(capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure("info")
    logs.logger.info("tested", status=1, patient=SECRET)
    assert SECRET not in capfd.readouterr().out

    logs.configure("info", strict=True)
    with pytest.raises(logs.UndeclaredFieldError, match="patient"):
        logs.logger.info("tested", patient=SECRET)
    logs.configure("info")


def test_other_libraries_lines_lose_their_arguments(capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure("info")
    failure = ValueError(SECRET)
    logging.getLogger("some.library").error("It broke for %s", SECRET, exc_info=failure)

    line = capfd.readouterr().out
    assert SECRET not in line
    assert orjson.loads(line)["error_type"] == "ValueError"
