"""What a delivery is signed with, and the headers that show it.

Three schemes, in every request: Standard Webhooks 1.0 (`webhook-signature`,
https://www.standardwebhooks.com), the documented HMAC of the body
(`X-Hasp-Signature-256`), and one that a replay cannot pass
(`X-Hasp-Signature`, over time and body).
"""

import hashlib
import hmac
import secrets as randomness
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_KEY_BYTES = 32


class SecretKind(StrEnum):
    HMAC = "hmac"
    ED25519 = "ed25519"


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """`key` is 32 random bytes: of an HMAC, or the seed of an Ed25519 key."""

    kind: SecretKind
    key: bytes = field(repr=False)

    @classmethod
    def new(cls, kind: SecretKind) -> "SigningSecret":
        return cls(kind, randomness.token_bytes(_KEY_BYTES))

    @property
    def shown(self) -> str:
        """What the customer verifies with: the shared secret (`whsec_...`), or the public key (`whpk_...`)."""
        if self.kind is SecretKind.HMAC:
            return f"whsec_{b64encode(self.key).decode()}"
        return f"whpk_{b64encode(self._private_key().public_key().public_bytes_raw()).decode()}"

    def sign(self, content: bytes) -> str:
        """As Standard Webhooks writes it: version, comma, base64."""
        if self.kind is SecretKind.HMAC:
            return f"v1,{b64encode(hmac.digest(self.key, content, hashlib.sha256)).decode()}"
        return f"v1a,{b64encode(self._private_key().sign(content)).decode()}"

    def hex_hmac(self, content: bytes) -> str:
        """Keyed with the characters of `shown`, so that a receiver has nothing to decode."""
        return hmac.digest(self.shown.encode(), content, hashlib.sha256).hex()

    def _private_key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.key)


def signature_headers(
    delivery_id: str, body: bytes, secrets: Sequence[SigningSecret], signed_at: datetime
) -> dict[str, str]:
    """The headers of one try. `secrets` are those that are live, the newest first.

    `X-Hasp-Signature-256` has room for one: the oldest that lives. A receiver is given the new one while it still
    knows the old one only, and can be made to accept either before the old one ends.
    """
    seconds = str(int(signed_at.timestamp()))
    content = b".".join((delivery_id.encode(), seconds.encode(), body))
    headers = {
        "webhook-id": delivery_id,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(secret.sign(content) for secret in secrets),
        "X-Hasp-Webhook-Id": delivery_id,
    }
    if shared := [secret for secret in secrets if secret.kind is SecretKind.HMAC]:
        timed = [f"v1={secret.hex_hmac(seconds.encode() + b'.' + body)}" for secret in shared]
        headers["X-Hasp-Signature-256"] = f"sha256={shared[-1].hex_hmac(body)}"
        headers["X-Hasp-Signature"] = ",".join((f"t={seconds}", *timed))
    return headers
