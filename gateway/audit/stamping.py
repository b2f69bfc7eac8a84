"""Asks an RFC 3161 authority for time-stamps, over HTTP (section 3.4)."""

from pathlib import Path

import aiohttp
from rfc3161_client import HashAlgorithm, TimeStampRequest, TimestampRequestBuilder, TimeStampResponse

from gateway.audit.checkpoints import Anchor
from gateway.audit.timestamps import Authorities, TimeStamp, read_time_stamp
from gateway.errors import GatewayError, Kind
from gateway.settings import Settings

_LIMIT_S = 15.0
_LARGEST = 64 * 1024
_GRANTED = 0
_QUERY = "application/timestamp-query"
_REPLY = "application/timestamp-reply"


class NotStampedError(GatewayError):
    """The authority did not answer, refused, or stamped something else."""

    kind, code = Kind.UNAVAILABLE, "TIME_STAMP_UNAVAILABLE"
    message = "The time-stamp authority gave no time-stamp."
    retryable = True


class TimeStampAuthority:
    """`cacert_url` is where strangers find its root certificates; `roots` are those that this installation trusts."""

    def __init__(self, url: str, cacert_url: str, roots: Authorities | None) -> None:
        self._url = url
        self._cacert_url = cacert_url
        self._roots = roots

    @classmethod
    def configured(cls, settings: Settings) -> "TimeStampAuthority | None":
        """None when none is. Raises `OSError` or `ValueError` for a file of roots that cannot be used."""
        if settings.tsa_url is None or settings.tsa_cacert_url is None:
            return None
        file: Path | None = settings.tsa_ca_file
        roots = Authorities.from_pem(file.read_bytes()) if file else None
        return cls(settings.tsa_url, settings.tsa_cacert_url, roots)

    async def stamp(self, seq: int, digest: str) -> Anchor:
        """`digest`, the 64 characters of a hash, as of now. Asked twice, it is stamped twice.

        Raises `NotStampedError`, also for a response by an authority that the configured roots do not vouch for.
        """
        request = TimestampRequestBuilder().data(digest.encode()).hash_algorithm(HashAlgorithm.SHA256).build()
        response = await self._ask(request.as_bytes())
        try:
            stamp = read_time_stamp(response)
        except ValueError:
            raise NotStampedError from None
        if not (_answers(request, stamp.response) and self._trusted(stamp, digest)):
            raise NotStampedError
        return Anchor(seq, digest, response, stamp.at, self._url, self._cacert_url)

    async def _ask(self, query: bytes) -> bytes:
        limit = aiohttp.ClientTimeout(total=_LIMIT_S)
        headers = {"content-type": _QUERY, "accept": _REPLY, "user-agent": "hasp"}
        try:
            async with (
                aiohttp.ClientSession(timeout=limit, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False) as session,
                session.post(self._url, data=query, headers=headers, allow_redirects=False) as answer,
            ):
                body = await answer.content.read(_LARGEST + 1) if answer.status == 200 else b""
                while 0 < len(body) <= _LARGEST and (more := await answer.content.read(_LARGEST)):
                    body += more
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            raise NotStampedError from None
        if not 0 < len(body) <= _LARGEST:
            raise NotStampedError
        return body

    def _trusted(self, stamp: TimeStamp, digest: str) -> bool:
        return self._roots is None or self._roots.stamped(stamp, digest)


def _answers(request: TimeStampRequest, response: TimeStampResponse) -> bool:
    """Whether it is this request's: the imprint and the nonce come back as they were sent (RFC 3161, 2.4.2)."""
    info = response.tst_info
    return (
        response.status == _GRANTED
        and info.message_imprint.message == request.message_imprint.message
        and info.message_imprint.hash_algorithm == request.message_imprint.hash_algorithm
        and info.nonce == request.nonce
    )
