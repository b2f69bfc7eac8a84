"""What a signer is asked to affirm, and the token that proves which text was handed out to whom, and when.

The token is no secret and no state: a MAC (RFC 2104, SHA-256) over all that was shown. An acceptance that comes with
it is of that text, by the key that fetched it, within a day.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson

from gateway.baa.template import Template
from gateway.errors import AgreementRevisionError, AgreementTokenError
from gateway.ids import ApiKeyId, OrganizationId

TOKEN_LIFE = timedelta(hours=24)

AUTHORITY = (
    "I am authorized to enter into this agreement on behalf of the organization named in this acceptance, "
    "and to bind it."
)
CONSENT = (
    "I have read the agreement and accept it for the organization. By sending this acceptance I sign it: the name I "
    "typed is my signature. I consent to an electronic record and an electronic signature, and know that I can "
    "download a copy and keep it."
)
CONSENT_SHA256 = hashlib.sha256(f"{AUTHORITY}\n{CONSENT}".encode()).hexdigest()
"""Hex SHA-256 of both statements, a line feed between them: sent back, it says which wording was affirmed."""

_SKEW = timedelta(minutes=2)
_TOKEN = re.compile(r"baa1\.([0-9]{1,12})\.([0-9]{1,9})\.([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Offer:
    """What one key's holder is shown."""

    org: OrganizationId
    key: ApiKeyId
    template: Template
    covers: tuple[str, ...]

    def token(self, secrets: Mapping[int, bytes], now: datetime) -> str:
        """Made with the newest of `secrets`, by version."""
        issued, version = int(now.timestamp()), max(secrets)
        return f"baa1.{issued}.{version}.{self._mac(secrets[version], issued)}"

    def require(self, *, template_sha256: str, consent_sha256: str) -> None:
        """Raises `AgreementRevisionError` unless these are the texts on offer now."""
        offered = {"template_sha256": self.template.sha256, "consent_sha256": CONSENT_SHA256}
        sent = {"template_sha256": template_sha256, "consent_sha256": consent_sha256}
        for field, wanted in offered.items():
            if sent[field].lower() != wanted:
                raise AgreementRevisionError(param=field, details=offered)

    def fetched_at(self, token: str, secrets: Mapping[int, bytes], now: datetime) -> datetime:
        """When this offer was handed out with `token`.

        Raises `AgreementTokenError` for one of another offer, organisation or key, and for one that is a day old.
        """
        read = _TOKEN.fullmatch(token)
        if read is None:
            raise AgreementTokenError(param="token")
        issued, version, mac = int(read[1]), int(read[2]), read[3]
        secret = secrets.get(version)
        if secret is None or not hmac.compare_digest(mac, self._mac(secret, issued)):
            raise AgreementTokenError(param="token")
        # Only a MAC of ours gets here: no time that cannot be one.
        at = datetime.fromtimestamp(issued, UTC)
        if not at - _SKEW <= now < at + TOKEN_LIFE:
            raise AgreementTokenError(param="token")
        return min(at, now)

    def _mac(self, secret: bytes, issued: int) -> str:
        shown = ["baa.offer", self.org, self.key, self.template.sha256, CONSENT_SHA256, _sorted(self.covers), issued]
        return hmac.new(secret, orjson.dumps(shown), hashlib.sha256).hexdigest()


def _sorted(covers: Iterable[str]) -> list[str]:
    return sorted(map(str, covers))
