"""What an upstream must show before a call is sent to it: real handshakes with certificates of every kind."""

import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from yarl import URL

from gateway.errors import UpstreamUnreachableError
from gateway.providers.anthropic.errors import error_of_answer
from gateway.providers.transport import Transport, Vendor
from tests.certificates import Authority, Identity
from tests.unit.providers.cases import settings

VENDOR = Vendor("anthropic", "request-id", error_of_answer, {"x-api-key": "sk-secret"})

Serve = Callable[["Identity"], AbstractAsyncContextManager["Upstream"]]


@dataclass(slots=True)
class Upstream:
    url: URL
    requests: int = 0


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """The one that this installation trusts, as an operator names it."""
    authority = Authority("Trusted by the operator")
    (tmp_path / "roots.pem").write_bytes(authority.root)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "roots.pem"))
    return authority


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    @asynccontextmanager
    async def served(identity: Identity) -> AsyncGenerator[Upstream]:
        upstream = Upstream(URL())

        async def answer(_: web.BaseRequest) -> web.Response:
            upstream.requests += 1
            return web.Response(body=b"answered")

        runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=identity.context(tmp_path)).start()
        upstream.url = URL(f"https://127.0.0.1:{runner.addresses[0][1]}/")
        try:
            yield upstream
        finally:
            await runner.cleanup()

    return served


async def ask(upstream: Upstream) -> bytes:
    transport = Transport(settings())
    await transport.open()
    try:
        return await transport.fetch(VENDOR, upstream.url, b"a patient")
    finally:
        await transport.close()


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_an_upstream_of_a_trusted_authority_is_asked(
    authority: Authority, serve: Serve, newest: ssl.TLSVersion
) -> None:
    async with serve(authority.identity(newest=newest)) as upstream:
        assert await ask(upstream) == b"answered"


@pytest.mark.usefixtures("authority")
async def test_an_upstream_of_an_authority_that_nobody_trusts_is_sent_nothing(serve: Serve) -> None:
    await _refused(serve, Authority("Trusted by nobody").identity())


async def test_an_upstream_whose_certificate_has_ended_is_sent_nothing(authority: Authority, serve: Serve) -> None:
    await _refused(serve, authority.identity(ended_ago=timedelta(hours=1)))


async def test_an_upstream_with_the_certificate_of_another_is_sent_nothing(authority: Authority, serve: Serve) -> None:
    await _refused(serve, authority.identity(of=x509.DNSName("another.example")))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
async def test_an_upstream_that_speaks_nothing_newer_than_tls_1_1_is_sent_nothing(
    authority: Authority, serve: Serve
) -> None:
    await _refused(serve, authority.identity(newest=ssl.TLSVersion.TLSv1_1))


async def _refused(serve: Serve, identity: Identity) -> None:
    async with serve(identity) as upstream:
        with pytest.raises(UpstreamUnreachableError):
            await ask(upstream)
        assert upstream.requests == 0
