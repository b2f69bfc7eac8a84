"""Ed25519 signatures over what the audit log hashes, and the published keys that strangers check them with (spec B8).

A signature covers the 64 ASCII characters of a SHA-256 in lowercase hex, and is
written `ed25519:<base64>`.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

ALGORITHM = "ed25519"
SEED_BYTES = 32
_PREFIX = f"{ALGORITHM}:"
_SIGNATURE_BYTES = 64
_KEY_ID_HEX = 32


class KeyStatus(StrEnum):
    ACTIVE = "active"
    RETIRED = "retired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A public key as its owner published it."""

    key_id: str
    public_key_pem: str
    """SubjectPublicKeyInfo in PEM armour (RFC 8410)."""
    published_at: datetime
    status: KeyStatus
    retired_at: datetime | None = None
    """Since when it seals nothing."""


class SigningKey:
    """A private key. Its id is a fingerprint of the public half, so that one id cannot stand for two keys.

    libsodium signs and checks, because a log has millions of signatures: it takes half of OpenSSL's time and
    lets other threads run meanwhile.
    """

    def __init__(self, seed: bytes) -> None:
        """`seed`: 32 bytes, secret (RFC 8032, 5.1.5)."""
        raw, self._secret = crypto_sign_seed_keypair(seed)
        public = Ed25519PublicKey.from_public_bytes(raw)
        self.public_key_pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        self.key_id = hashlib.sha256(raw).hexdigest()[:_KEY_ID_HEX]

    def sign(self, digest: str) -> str:
        """`digest`: 64 hex characters. The same digest always gets the same signature."""
        return _PREFIX + base64.b64encode(crypto_sign(digest.encode(), self._secret)[:_SIGNATURE_BYTES]).decode()

    def __repr__(self) -> str:
        return f"SigningKey({self.key_id})"


def raw_public_key(pem: str) -> bytes:
    """The 32 bytes of an Ed25519 public key. Raises `ValueError` for any other text."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("not a public key in PEM form") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 key")  # noqa: TRY004 - the value is wrong, not the argument's type
    return key.public_bytes_raw()


def raw_signature(text: str) -> bytes | None:
    """The 64 bytes in `ed25519:<base64>`, None for any other spelling."""
    if not text.startswith(_PREFIX):
        return None
    encoded = text[len(_PREFIX) :]
    try:
        raw = binascii.a2b_base64(encoded, strict_mode=True)
    except ValueError:
        return None
    # Unused bits at the end of base64 would give one signature many spellings.
    return raw if len(raw) == _SIGNATURE_BYTES and base64.b64encode(raw).decode() == encoded else None


def is_signed(digest: str, signature: str, public_key: bytes) -> bool:
    """Whether the owner of `public_key` (32 raw bytes) signed `digest`."""
    raw = raw_signature(signature)
    if raw is None:
        return False
    try:
        crypto_sign_open(raw + digest.encode(), public_key)
    except BadSignatureError:
        return False
    return True
