"""What receivers may do to a sender, and what is said of it."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from gateway.outside.addresses import Address
from gateway.webhooks.attempts import Failure, Outcome, Outgoing
from gateway.webhooks.sender import Sender
from gateway.webhooks.sender.answers import retry_after_s
from gateway.webhooks.signing import SecretKind, SigningSecret
from tests.certificates import Authority
from tests.internet import NAME, PUBLIC, PUBLIC_V6, Handle, Internet, read_request

SECRET = SigningSecret(SecretKind.HMAC, bytes(range(32)))
DELIVERY = "01JD0000000000000000000000"
NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
OUTGOING = Outgoing(DELIVERY, f"https://{NAME}/hook?for=us", b'{"id":"1"}', (SECRET,))
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class StoppedClock:
    def now(self) -> datetime:
        return NOW


@pytest_asyncio.fixture
async def sender(internet: Internet, trusting: ssl.SSLContext) -> AsyncIterator[Sender]:
    sender = Sender(lookup=internet.lookup, tls=trusting, clock=StoppedClock())
    yield sender
    await sender.close()


@pytest_asyncio.fixture
async def hasty(internet: Internet, trusting: ssl.SSLContext) -> AsyncIterator[Sender]:
    sender = Sender(lookup=internet.lookup, tls=trusting, timeout_s=0.2)
    yield sender
    await sender.close()


def answering(status: int = 200, body: bytes = b"ok", **headers: str) -> Handle:
    async def answer(_: web.BaseRequest) -> web.Response:
        spelled = {"content-type": "text/plain"} | {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, body=body, headers=spelled)

    return answer


async def test_a_delivery_arrives_as_it_was_given_with_its_headers(
    internet: Internet, sender: Sender, receiving: ssl.SSLContext
) -> None:
    seen: list[tuple[str, str, Mapping[str, str], bytes]] = []

    async def take(request: web.BaseRequest) -> web.Response:
        seen.append((request.method, request.path_qs, request.headers, await request.read()))
        return web.Response(status=204)

    async with internet.receiver(receiving, take):
        outcome = await sender.send(OUTGOING)

    ((method, path, headers, body),) = seen
    assert (outcome.failure, outcome.status, outcome.head) == (None, 204, None)
    assert (method, path, body) == ("POST", "/hook?for=us", OUTGOING.body)
    assert (headers["host"], headers["user-agent"]) == (NAME, "Hasp-Webhook/1.0")
    assert headers["content-type"] == "application/json"
    assert (headers["webhook-id"], headers["x-hasp-webhook-id"]) == (DELIVERY, DELIVERY)
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert "webhook-replay-id" not in headers


async def test_a_replay_says_so_and_keeps_the_id(internet: Internet, sender: Sender, receiving: ssl.SSLContext) -> None:
    seen: list[Mapping[str, str]] = []

    async def take(request: web.BaseRequest) -> web.Response:
        seen.append(request.headers)
        return web.Response()

    async with internet.receiver(receiving, take):
        await sender.send(
            Outgoing(DELIVERY, OUTGOING.url, OUTGOING.body, (SECRET,), replay_id="01JE0000000000000000000000")
        )

    assert (seen[0]["webhook-id"], seen[0]["webhook-replay-id"]) == (DELIVERY, "01JE0000000000000000000000")


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        *((status, None) for status in (200, 201, 202, 204, 226, 299)),
        (304, Failure.REDIRECTED),
        (410, Failure.GONE),
        (429, Failure.THROTTLED),
        *((status, Failure.REFUSED) for status in (400, 401, 404, 409, 499, 500, 502, 503, 599)),
    ],
)
async def test_only_a_2xx_is_a_delivery(
    internet: Internet, sender: Sender, receiving: ssl.SSLContext, status: int, failure: Failure | None
) -> None:
    async with internet.receiver(receiving, answering(status)):
        outcome = await sender.send(OUTGOING)

    assert (outcome.failure, outcome.status) == (failure, status)
    assert (outcome.is_delivered, outcome.is_gone) == (failure is None, status == 410)


async def test_an_answer_can_ask_for_time_or_for_no_further_try(
    internet: Internet, sender: Sender, receiving: ssl.SSLContext
) -> None:
    async with internet.receiver(receiving, answering(503, retry_after="120", webhook_delivery="abort-message")):
        outcome = await sender.send(OUTGOING)

    assert (outcome.retry_after_s, outcome.aborts) == (120.0, True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("3600", 3600),
        ("999999999999999999", 604_800),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 604_800),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(value: str, seconds: int | None) -> None:
    assert retry_after_s({"retry-after": value}, NOW) == seconds


@given(st.text())
def test_no_retry_after_is_too_strange(value: str) -> None:
    assert 0 <= (retry_after_s({"retry-after": value}, NOW) or 0) <= 604_800


async def test_a_certificate_of_another_name_is_sent_nothing(
    internet: Internet, sender: Sender, authority: Authority, tmp_path: Path
) -> None:
    asked: list[str] = []

    async def note(request: web.BaseRequest) -> web.Response:
        asked.append(request.path)
        return web.Response()

    other = authority.identity(of=x509.DNSName("other.example.com")).context(tmp_path)
    async with internet.receiver(other, note):
        outcome = await sender.send(OUTGOING)

    assert (outcome.failure, asked) == (Failure.TLS_FAILED, [])


async def test_a_certificate_by_an_authority_that_nobody_knows_is_sent_nothing(
    internet: Internet, sender: Sender, tmp_path: Path
) -> None:
    stranger = Authority("Nobody's").identity(of=x509.DNSName(NAME)).context(tmp_path)

    async with internet.receiver(stranger, answering()):
        outcome = await sender.send(OUTGOING)

    assert outcome.failure is Failure.TLS_FAILED


async def test_the_receiver_is_told_by_tls_which_name_is_meant(
    internet: Internet, sender: Sender, authority: Authority, tmp_path: Path
) -> None:
    named: list[str | None] = []
    context = authority.identity(of=x509.DNSName(NAME)).context(tmp_path)
    context.sni_callback = lambda _socket, name, _context: named.append(name)

    async with internet.receiver(context, answering()):
        await sender.send(Outgoing(DELIVERY, f"https://{NAME}./", b"{}", (SECRET,)))

    assert named == [NAME]


async def test_a_name_that_nobody_knows_is_not_resolved(internet: Internet, sender: Sender) -> None:
    internet.names = {}

    assert (await sender.send(OUTGOING)).failure is Failure.NAME_NOT_RESOLVED


async def test_a_receiver_with_addresses_of_both_kinds_is_reached_by_one_that_works(
    internet: Internet, sender: Sender, receiving: ssl.SSLContext
) -> None:
    internet.names = {NAME: [[PUBLIC_V6, PUBLIC]]}

    async with internet.receiver(receiving, answering()):
        outcome = await sender.send(OUTGOING)

    assert outcome.is_delivered
    assert set(internet.connected) <= {PUBLIC, PUBLIC_V6}


async def test_one_connection_serves_many_deliveries(
    internet: Internet, sender: Sender, receiving: ssl.SSLContext
) -> None:
    async with internet.receiver(receiving, answering()):
        for _ in range(5):
            await sender.send(OUTGOING)

    assert (internet.asked, internet.connected) == ([NAME], [PUBLIC])


async def test_cookies_are_not_kept(internet: Internet, sender: Sender, receiving: ssl.SSLContext) -> None:
    cookies: list[str | None] = []

    async def give(request: web.BaseRequest) -> web.Response:
        cookies.append(request.headers.get("cookie"))
        return web.Response(headers={"set-cookie": "who=you; Path=/"})

    async with internet.receiver(receiving, give):
        await sender.send(OUTGOING)
        await sender.send(OUTGOING)

    assert cookies == [None, None]


async def test_a_compressed_answer_is_not_unpacked(
    internet: Internet, sender: Sender, receiving: ssl.SSLContext
) -> None:
    bomb = gzip.compress(bytes(8 * 1024 * 1024))

    async with internet.receiver(receiving, answering(200, bomb, content_encoding="gzip")):
        outcome = await sender.send(OUTGOING)

    assert (outcome.is_delivered, outcome.head) == (True, None)


async def test_an_answer_without_end_is_cut_and_its_connection_is_not_used_again(
    internet: Internet, sender: Sender, receiving: ssl.SSLContext
) -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1000\r\n" + b"a " * 2048 + b"\r\n")
            await writer.drain()
            sent += 4096

    async with internet.talker(receiving, flood):
        first, second = await sender.send(OUTGOING), await sender.send(OUTGOING)

    assert (first.is_delivered, second.is_delivered) == (True, True)
    assert first.head == ("a " * 256)
    assert internet.connected == [PUBLIC, PUBLIC]
    assert sent < 64 * 1024 * 1024


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"\x00" * 64 + b"\r\n\r\n",
    ],
    ids=["not HTTP", "long header", "many headers", "no status", "two lengths", "negative length", "no colon", "zeros"],
)
async def test_what_is_not_an_answer_is_a_failure(
    internet: Internet, sender: Sender, receiving: ssl.SSLContext, answer: bytes
) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)
        await writer.drain()
        await reader.read()

    async with internet.talker(receiving, say):
        outcome = await sender.send(OUTGOING)

    assert (outcome.failure, outcome.status) == (Failure.INVALID_ANSWER, None)


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nx: y\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
async def test_a_receiver_that_does_not_finish_its_head_runs_out_of_time(
    internet: Internet, hasty: Sender, receiving: ssl.SSLContext, said: bytes
) -> None:
    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(said)
        await reader.read()

    async with internet.talker(receiving, stall):
        outcome = await hasty.send(OUTGOING)

    assert (outcome.failure, outcome.status) == (Failure.TIMEOUT, None)


async def test_a_name_server_that_hangs_runs_out_of_time(trusting: ssl.SSLContext) -> None:
    async def hang(_: str) -> list[Address]:
        await asyncio.Event().wait()
        return []

    sender = Sender(lookup=hang, tls=trusting, timeout_s=0.05)

    outcome = await sender.send(OUTGOING)

    await sender.close()
    assert outcome.failure is Failure.TIMEOUT


@pytest.mark.parametrize("stalls", [False, True])
async def test_the_head_of_the_answer_decides_whatever_becomes_of_its_body(
    internet: Internet, hasty: Sender, receiving: ssl.SSLContext, stalls: bool
) -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n\r\nhalf of")
        await writer.drain()
        if stalls:
            await reader.read()

    async with internet.talker(receiving, break_off):
        outcome = await hasty.send(OUTGOING)

    assert (outcome.failure, outcome.status, outcome.head) == (None, 200, "half of")


async def test_a_receiver_that_hangs_up_without_an_answer_is_a_failure(
    internet: Internet, sender: Sender, receiving: ssl.SSLContext
) -> None:
    heard = 0

    async def hang_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        nonlocal heard
        await read_request(reader)
        heard += 1

    async with internet.talker(receiving, hang_up):
        outcome = await sender.send(OUTGOING)

    assert (outcome.failure, heard) == (Failure.CONNECTION_LOST, 1)


async def test_a_kept_connection_that_was_closed_meanwhile_is_not_held_against_the_receiver(
    internet: Internet, sender: Sender, receiving: ssl.SSLContext
) -> None:
    heard = 0

    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        await read_request(reader)
        heard += 1
        writer.write(OK)
        await writer.drain()
        await read_request(reader)  # and hang up on it
        heard += 1

    async with internet.talker(receiving, answer_once):
        first, second = await sender.send(OUTGOING), await sender.send(OUTGOING)

    assert (first.failure, second.failure) == (None, None)
    assert (heard, internet.connected) == (3, [PUBLIC, PUBLIC])


async def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_ones(
    internet: Internet, sender: Sender, receiving: ssl.SSLContext
) -> None:
    """A connection on which a receiver says more than it was asked is given up."""

    async def say_more(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n" + OK)
        await writer.drain()
        await reader.read()

    async with internet.talker(receiving, say_more):
        outcomes = [await sender.send(OUTGOING), await sender.send(OUTGOING)]

    assert [outcome.status for outcome in outcomes] == [500, 500]


async def hung_up_on(flood: bytes, sender: Sender, internet: Internet, tls: ssl.SSLContext, *, first: bytes) -> Outcome:
    """What comes of a try at a receiver who says `first` and then `flood` without end, once it was hung up on."""
    hung_up = asyncio.Event()

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        try:
            writer.write(first)
            await writer.drain()
            while True:
                writer.write(flood)
                await writer.drain()
                await asyncio.sleep(0)  # draining what is lost already does not let anybody else run
        except ConnectionError:
            hung_up.set()

    async with internet.talker(tls, say):
        outcome = await sender.send(OUTGOING)
        await hung_up.wait()
    return outcome


@pytest.mark.parametrize(
    "flood",
    [
        b"HTTP/1.1 102 Processing\r\n\r\n" * 1000,
        b"HTTP/1.1 103 Early Hints\r\n" + b"x: " + b"y" * 4000 + b"\r\n\r\n",
        b"\r\n" * 1000,
    ],
    ids=["many_heads", "large_heads", "empty_lines"],
)
async def test_a_receiver_that_says_much_before_it_answers_is_hung_up_on(
    internet: Internet, sender: Sender, receiving: ssl.SSLContext, flood: bytes
) -> None:
    outcome = await hung_up_on(flood, sender, internet, receiving, first=b"")

    assert (outcome.failure, outcome.status) == (Failure.INVALID_ANSWER, None)


@pytest.mark.parametrize(
    "flood",
    [OK * 1000, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx: " + b"y" * 4000 + b"\r\n\r\n"],
    ids=["many_answers", "large_answers"],
)
async def test_a_receiver_that_goes_on_answering_on_a_kept_connection_is_hung_up_on(
    internet: Internet, sender: Sender, receiving: ssl.SSLContext, flood: bytes
) -> None:
    """Nobody reads what it says there, and it would be kept until somebody does."""
    outcome = await hung_up_on(flood, sender, internet, receiving, first=OK)

    assert outcome.is_delivered


async def test_what_comes_at_once_is_read_in_pieces_and_still_whole(
    internet: Internet, sender: Sender, receiving: ssl.SSLContext
) -> None:
    chunk = b"200\r\n" + b"a " * 256 + b"\r\n"

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            early = b"HTTP/1.1 103 Early Hints\r\nlink: " + b"x" * 4000 + b"\r\n\r\n"
            head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
            writer.write(early * 8 + head + chunk * 28 + b"0\r\n\r\n")
            await writer.drain()

    async with internet.talker(receiving, say):
        outcomes = [await sender.send(OUTGOING), await sender.send(OUTGOING)]

    assert [(outcome.status, outcome.head) for outcome in outcomes] == [(200, "a " * 256)] * 2
    assert internet.connected == [PUBLIC]


async def test_a_connection_is_not_given_up_for_all_that_was_answered_on_it_over_time(
    internet: Internet, sender: Sender, receiving: ssl.SSLContext
) -> None:
    async with internet.receiver(receiving, answering(200, b"a" * 15_000)):
        for _ in range(80):
            assert (await sender.send(OUTGOING)).is_delivered

    assert internet.connected == [PUBLIC]


def test_what_is_sent_shows_neither_url_nor_body_nor_key() -> None:
    shown = repr(OUTGOING)

    assert (DELIVERY in shown, NAME in shown, "body" in shown, "key" in shown) == (True, False, False, False)
