"""One symmetric key in memory: what values are sealed under, and what further keys are derived from."""

import os
from dataclasses import dataclass, field
from typing import Self

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_KEY_BYTES = 32
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class SymmetricKey:
    """AES-256-GCM. Its bytes are never shown."""

    secret: bytes = field(repr=False)
    cipher: AESGCM = field(repr=False, compare=False)

    @classmethod
    def of(cls, secret: bytes) -> Self:
        return cls(secret, AESGCM(secret))

    @classmethod
    def fresh(cls) -> Self:
        return cls.of(os.urandom(_KEY_BYTES))

    def derive(self, info: bytes, *, with_key: "SymmetricKey | None" = None) -> AESGCM:
        """What this key, together with `with_key`, gives for `info` (RFC 5869). Nobody makes it without both."""
        secret = self.secret + (with_key.secret if with_key else b"")
        return AESGCM(HKDF(SHA256(), _KEY_BYTES, salt=None, info=info).derive(secret))

    def seal(self, value: bytes, context: bytes) -> bytes:
        """A nonce and the ciphertext, bound to `context`."""
        return sealed_with(self.cipher, value, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Raises `cryptography.exceptions.InvalidTag`."""
        return self.cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)


def sealed_with(cipher: AESGCM, value: bytes, context: bytes, *, head: bytes = b"") -> bytes:
    """`head`, as it is, a nonce and the ciphertext. Values may be tens of megabytes, so that they are copied once."""
    nonce = os.urandom(_NONCE_BYTES)
    return b"".join((head, nonce, cipher.encrypt(nonce, value, context)))
