"""An Internet for one test: names, a receiver at one public address, and everything else, where nobody may go.

The event loop's own connects are led to sockets of the test, so that not a packet leaves this machine and every
connection is counted, whatever address it was meant for.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from cryptography import x509

from gateway.outside.addresses import Address
from tests.certificates import Authority

PUBLIC = "93.184.215.14"
PUBLIC_V6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
NAME = "hooks.example.com"

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Converse = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Internet:
    """`names` says what each lookup of a name is answered with, one after the other; the last answer stays."""

    def __init__(self) -> None:
        self.names: dict[str, list[list[str]]] = {NAME: [[PUBLIC]]}
        self.asked: list[str] = []
        self.connected: list[str] = []
        self.strays = 0
        """Connections that the listening socket of the private side accepted."""
        self._ports = {"private": 0}
        self._loop = asyncio.get_running_loop()
        self._connect = self._loop.sock_connect

    async def lookup(self, name: str) -> Sequence[Address]:
        self.asked.append(name)
        answers = self.names.get(name.removesuffix("."))
        if answers is None:
            raise OSError("no such name")
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return [ip_address(text) for text in answer]

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """In place of the loop's."""
        self.connected.append(address[0])
        side = "public" if address[0] in {PUBLIC, PUBLIC_V6} else "private"
        if side not in self._ports:
            raise ConnectionRefusedError
        host = ("127.0.0.1",) if sock.family == socket.AF_INET else ("::ffff:127.0.0.1",)
        await self._connect(sock, (*host, self._ports[side]))

    @asynccontextmanager
    async def private_side(self) -> AsyncGenerator[None]:
        async def count(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.strays += 1
            writer.close()

        server = await asyncio.start_server(count, "127.0.0.1", 0)
        async with server:
            self._ports["private"] = server.sockets[0].getsockname()[1]
            yield

    @asynccontextmanager
    async def receiver(self, tls: ssl.SSLContext, handle: Handle) -> AsyncGenerator[None]:
        """Answers at the public addresses."""
        runner = web.ServerRunner(web.Server(handle, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        self._ports["public"] = runner.addresses[0][1]
        try:
            yield
        finally:
            await runner.cleanup()

    @asynccontextmanager
    async def talker(self, tls: ssl.SSLContext, converse: Converse) -> AsyncGenerator[None]:
        """Says at the public addresses what no server would."""

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await converse(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.transport.abort()

        server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
        async with server:
            self._ports["public"] = server.sockets[0].getsockname()[1]
            yield

    async def strayed(self) -> int:
        """How many connections the private side has accepted; one of our own behind them makes sure of each."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._ports["private"])
        await reader.read()
        writer.close()
        self.connected.pop()
        return self.strays - 1

    def take_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(self._loop, "sock_connect", self.sock_connect)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """The head of a request, and its body behind it."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return head + await reader.readexactly(length)


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority("Everybody's")


@pytest.fixture(scope="session")
def trusting(authority: Authority) -> ssl.SSLContext:
    """TLS of a sender that knows `authority` and nobody else."""
    return ssl.create_default_context(cadata=authority.root.decode())


@pytest.fixture(scope="session")
def receiving(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """TLS of the receiver whose name is `NAME`."""
    return authority.identity(of=x509.DNSName(NAME)).context(_folder(tmp_path_factory))


@pytest_asyncio.fixture
async def internet(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Internet]:
    internet = Internet()
    internet.take_over(monkeypatch)
    async with internet.private_side():
        yield internet


def _folder(factory: pytest.TempPathFactory) -> Path:
    return factory.mktemp("receiver")
