"""Seals with a time-stamp (PAdES B-T) of an authority of our own: OpenSSL's, asked over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509

from gateway.baa.pades import SealingError
from gateway.baa.verification import InvalidSealError, verify_seal
from gateway.timestamps.authority import TimeStampAuthority
from gateway.timestamps.stamps import Authorities
from tests.timestamp_authority import TimestampAuthority
from tests.unit.baa.referee import judge
from tests.unit.baa.seals import NOW, sealed_with, self_signed

SOON = NOW + timedelta(minutes=10)


@pytest.fixture
def authority(tmp_path: Path) -> TimestampAuthority:
    return TimestampAuthority(tmp_path, since=NOW - timedelta(days=1), until=NOW + timedelta(days=1))


@pytest.fixture
async def url(authority: TimestampAuthority) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        reply = await asyncio.to_thread(authority.answer, await request.read())
        return web.Response(body=reply, content_type="application/timestamp-reply")

    async with serving(answer) as server:
        yield str(server.make_url("/"))


def serving(answer: "web.RequestHandler | object") -> TestServer:
    app = web.Application()
    app.router.add_post("/", answer)  # pyright: ignore[reportArgumentType]
    return TestServer(app)


def root_of(authority: TimestampAuthority) -> x509.Certificate:
    return x509.load_pem_x509_certificate(authority.ca_file.read_bytes())


async def sealed_at(url: str, roots: Authorities | None = None) -> bytes:
    return await sealed_with(self_signed(), TimeStampAuthority(url, "https://tsa.example/root.pem", roots))


async def test_a_stamped_seal_is_accepted_with_both_certificates(url: str, authority: TimestampAuthority) -> None:
    verdict = await verify_seal(await sealed_at(url), [self_signed().certificate, root_of(authority)], SOON)

    assert verdict.is_stamped


async def test_the_referee_accepts_a_stamped_seal_too(url: str, authority: TimestampAuthority) -> None:
    assert judge(await sealed_at(url), [self_signed().certificate, root_of(authority)]) is True


async def test_a_stamp_of_an_authority_that_is_not_trusted_is_not_accepted(url: str) -> None:
    with pytest.raises(InvalidSealError, match="time-stamp"):
        await verify_seal(await sealed_at(url), [self_signed().certificate], SOON)


async def test_a_stamp_that_the_roots_vouch_for_is_kept(url: str, authority: TimestampAuthority) -> None:
    roots = Authorities.from_pem(authority.ca_file.read_bytes())

    assert (await sealed_at(url, roots)).startswith(b"%PDF-")


async def test_a_stamp_that_the_roots_do_not_vouch_for_leaves_no_document(url: str, tmp_path: Path) -> None:
    (tmp_path / "stranger").mkdir()
    stranger = TimestampAuthority(tmp_path / "stranger", since=NOW - timedelta(days=1), until=NOW + timedelta(days=1))

    with pytest.raises(SealingError, match="gave no stamp"):
        await sealed_at(url, Authorities.from_pem(stranger.ca_file.read_bytes()))


async def test_an_authority_whose_stamps_would_not_verify_leaves_no_document(
    url: str, authority: TimestampAuthority
) -> None:
    """It sends a certificate that belongs to nothing: no signature covers it, so our verification refuses it."""
    authority.bring(self_signed().certificate)

    with pytest.raises(SealingError, match="would not verify"):
        await sealed_at(url, Authorities.from_pem(authority.ca_file.read_bytes()))


async def test_no_byte_of_the_stamp_is_free(url: str, authority: TimestampAuthority) -> None:
    document = await sealed_at(url)
    trusted = [self_signed().certificate, root_of(authority)]
    start, end = document.index(b"<3082"), document.index(b">", document.index(b"<3082"))
    accepted: list[int] = []

    for at in range(start, end + 1, 37):
        changed = bytearray(document)
        changed[at] ^= 1
        try:
            await verify_seal(bytes(changed), trusted, SOON)
            accepted.append(at - start)
        except InvalidSealError:
            pass

    assert accepted == []


async def test_an_authority_that_fails_leaves_no_document() -> None:
    async def fail(_: web.Request) -> web.Response:
        return web.Response(status=503)

    async with serving(fail) as server:
        with pytest.raises(SealingError, match="time-stamp authority"):
            await sealed_at(str(server.make_url("/")))


async def test_an_authority_that_talks_nonsense_leaves_no_document() -> None:
    async def chatter(_: web.Request) -> web.Response:
        return web.Response(body=b"hello", content_type="application/timestamp-reply")

    async with serving(chatter) as server:
        with pytest.raises(SealingError, match="time-stamp authority"):
            await sealed_at(str(server.make_url("/")))


async def test_an_authority_that_is_not_there_leaves_no_document(unused_tcp_port: int) -> None:
    with pytest.raises(SealingError, match="time-stamp authority"):
        await sealed_at(f"http://127.0.0.1:{unused_tcp_port}/")
