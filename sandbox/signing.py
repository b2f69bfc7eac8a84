"""Signatures over reasoning, so that the sandbox can tell, as the vendors do, whether it came back unchanged."""

import hashlib
import hmac
from base64 import b64encode

# Not a secret: it signs only what the sandbox itself made up.
_KEY = b"sandbox"
_BYTES = 321
"""The vendors' are hundreds of bytes too; something much shorter could be taken for words."""


def sign(purpose: str, text: str) -> str:
    digest = hmac.digest(_KEY, f"{purpose}:{text}".encode(), hashlib.sha256)
    return b64encode(hashlib.shake_256(digest).digest(_BYTES)).decode()


def is_signed(purpose: str, text: str, signature: object) -> bool:
    return isinstance(signature, str) and hmac.compare_digest(sign(purpose, text).encode(), signature.encode())
