"""Asks an RFC 3161 authority for time-stamps, over HTTP (section 3.4)."""

import secrets
from pathlib import Path
from typing import Any, cast

import aiohttp
from asn1crypto.tsp import TimeStampReq

from gateway.errors import GatewayError, Kind
from gateway.settings import Settings
from gateway.timestamps.stamps import Authorities, TimeStamp, read_time_stamp

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
        self.url = url
        self.cacert_url = cacert_url
        self.roots = roots

    @classmethod
    def configured(cls, settings: Settings) -> "TimeStampAuthority | None":
        """None when none is. Raises `OSError` or `ValueError` for a file of roots that cannot be used."""
        if settings.tsa_url is None or settings.tsa_cacert_url is None:
            return None
        file: Path | None = settings.tsa_ca_file
        roots = Authorities.from_pem(file.read_bytes()) if file else None
        return cls(settings.tsa_url, settings.tsa_cacert_url, roots)

    async def stamp(self, sha256: bytes) -> TimeStamp:
        """The hash `sha256` as of now. Asked twice, it is stamped twice. Waits 15 seconds at most.

        Raises `NotStampedError`, also for a response by an authority that the configured roots do not vouch for.
        """
        nonce = secrets.randbits(63)
        response = await self._ask(_query(sha256, nonce))
        try:
            stamp = read_time_stamp(response)
        except ValueError:
            raise NotStampedError from None
        if not _answers(stamp, sha256, nonce) or not (self.roots is None or self.roots.vouch_for(stamp)):
            raise NotStampedError
        return stamp

    async def _ask(self, query: bytes) -> bytes:
        limit = aiohttp.ClientTimeout(total=_LIMIT_S)
        headers = {"content-type": _QUERY, "accept": _REPLY, "user-agent": "hasp"}
        try:
            async with (
                aiohttp.ClientSession(timeout=limit, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False) as session,
                session.post(self.url, data=query, headers=headers, allow_redirects=False) as answer,
            ):
                body = await answer.content.read(_LARGEST + 1) if answer.status == 200 else b""
                while 0 < len(body) <= _LARGEST and (more := await answer.content.read(_LARGEST)):
                    body += more
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            raise NotStampedError from None
        if not 0 < len(body) <= _LARGEST:
            raise NotStampedError
        return body


def _query(sha256: bytes, nonce: int) -> bytes:
    imprint = {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": sha256}
    query = TimeStampReq({"version": 1, "message_imprint": imprint, "nonce": nonce, "cert_req": True})
    return cast("Any", query).dump()


def _answers(stamp: TimeStamp, sha256: bytes, nonce: int) -> bool:
    """Whether it is this query's: the imprint and the nonce come back as they were sent (RFC 3161, 2.4.2)."""
    response = stamp.response
    return response.status == _GRANTED and stamp.is_of_sha256(sha256) and response.tst_info.nonce == nonce
