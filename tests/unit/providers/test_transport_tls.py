"""What an upstream must show before a call is sent to it: real handshakes with certificates of every kind."""

import ipaddress
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from yarl import URL

from gateway.errors import UpstreamUnreachableError
from gateway.providers.anthropic.errors import error_of_answer
from gateway.providers.transport import Transport, Vendor
from tests.unit.providers.cases import settings

VENDOR = Vendor("anthropic", "request-id", error_of_answer, {"x-api-key": "sk-secret"})
LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))

Serve = Callable[["Identity"], AbstractAsyncContextManager["Upstream"]]


class Authority:
    """Signs what it is asked to."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        lifetime = (now - timedelta(days=1), now + timedelta(days=1))
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        self.root = self._sign(self._name, self._key.public_key(), lifetime, constraints)

    def identity(
        self,
        *,
        of: x509.GeneralName = LOOPBACK,
        ended_ago: timedelta = timedelta(days=-1),
        newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    ) -> "Identity":
        key = ec.generate_private_key(ec.SECP256R1())
        end = datetime.now(UTC) - ended_ago
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "upstream")])
        names = x509.SubjectAlternativeName([of])
        certificate = self._sign(name, key.public_key(), (end - timedelta(days=2), end), names)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Identity(certificate + private, newest)

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        lifetime: tuple[datetime, datetime],
        extension: x509.ExtensionType,
    ) -> bytes:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key)
        builder = builder.serial_number(x509.random_serial_number()).add_extension(extension, critical=False)
        builder = builder.not_valid_before(lifetime[0]).not_valid_after(lifetime[1])
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate with its key, and the newest version of TLS that its server speaks."""

    pem: bytes
    newest: ssl.TLSVersion


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
        (tmp_path / "upstream.pem").write_bytes(identity.pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "upstream.pem")
        context.set_ciphers("ALL:@SECLEVEL=0")  # else OpenSSL itself would not speak what is old
        context.minimum_version = min(identity.newest, ssl.TLSVersion.TLSv1_2)
        context.maximum_version = identity.newest
        upstream = Upstream(URL())

        async def answer(_: web.BaseRequest) -> web.Response:
            upstream.requests += 1
            return web.Response(body=b"answered")

        runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
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
