"""Links by which an export is downloaded: for a quarter of an hour, and only with a key of the same organisation."""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson

from gateway.errors import GatewayError, Kind
from gateway.ids import OrganizationId

VALID: Final = timedelta(minutes=15)


class ExportLinkError(GatewayError):
    kind, code = Kind.FORBIDDEN, "EXPORT_LINK_INVALID"
    message = (
        "The link is not of this export and organization, or older than 15 minutes. Read the export for a new one."
    )


@dataclass(frozen=True, slots=True)
class Link:
    """`token` says until when it is good, and proves that it was given out."""

    token: str
    expires_at: datetime


def make_link(secret: bytes, org: OrganizationId, export_id: str, *, now: datetime, until: datetime) -> Link:
    """One that is good for a quarter of an hour, or `until` if that is sooner."""
    expires_at = min(now + VALID, until).replace(microsecond=0)
    seconds = int(expires_at.timestamp())
    return Link(f"{seconds}.{_proof(secret, org, export_id, seconds)}", expires_at)


def require_link(secret: bytes, org: OrganizationId, export_id: str, token: str, *, now: datetime) -> None:
    """Raises `ExportLinkError` unless `make_link` made `token` for this export and it is still good."""
    seconds, _, proof = token.partition(".")
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= 10):
        raise ExportLinkError
    expected = _proof(secret, org, export_id, int(seconds))
    is_ours = hmac.compare_digest(expected.encode(), proof.encode("utf-8", "surrogatepass"))
    if not is_ours or now >= datetime.fromtimestamp(int(seconds), UTC):
        raise ExportLinkError


def _proof(secret: bytes, org: OrganizationId, export_id: str, seconds: int) -> str:
    return hmac.digest(secret, orjson.dumps(["end_user_export_link", org, export_id, seconds]), "sha256").hex()
