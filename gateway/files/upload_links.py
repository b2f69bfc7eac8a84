"""Links by which an announced file is uploaded without a key: for a quarter of an hour, as who announced it."""

import hmac
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson

from gateway.errors import GatewayError, Kind
from gateway.ids import ApiKeyId, CredentialId, FileId, OrganizationId
from gateway.tenancy import Caller

VALID: Final = timedelta(minutes=15)


class UploadLinkError(GatewayError):
    kind, code = Kind.FORBIDDEN, "UPLOAD_LINK_INVALID"
    message = "The link is not of this file, or older than 15 minutes. Ask for a new one."


def make_link(secret: bytes, file: FileId, caller: Caller, *, expires_at: datetime) -> str:
    """A token that says who uploads and until when (by the second), and proves that it was given out."""
    said = f"{int(expires_at.timestamp())}.{caller.org}.{caller.key or ''}.{caller.credential or ''}"
    return f"{said}.{_proof(secret, file, said)}"


def read_link(secret: bytes, file: FileId, token: str, *, now: datetime) -> Caller:
    """Whom `make_link` named in `token`. Raises `UploadLinkError` unless it is of this file and still good.

    What they may do by now is not said: `Standing.access_at` knows.
    """
    said, _, proof = token.rpartition(".")
    if not hmac.compare_digest(_proof(secret, file, said).encode(), proof.encode("utf-8", "surrogatepass")):
        raise UploadLinkError
    seconds, org, key, credential = said.split(".")
    if now >= datetime.fromtimestamp(int(seconds), UTC):
        raise UploadLinkError
    return Caller(OrganizationId(org), ApiKeyId(key) if key else None, CredentialId(credential) if credential else None)


def _proof(secret: bytes, file: FileId, said: str) -> str:
    return hmac.digest(secret, orjson.dumps(["file_upload_link", file, said]), "sha256").hex()
