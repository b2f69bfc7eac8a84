"""How OpenAI's reasoning travels in the signature of a `Thinking` block: what the vendor needs to have back.

Kept apart from the vendor's dialect because the PHI guard must look inside: a
caller can write a signature of its own.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from typing import Any, cast

import orjson

_PREFIX = "openai."
_ID = re.compile(r"rs_(?:[0-9a-f]{1,4}|(?=[0-9]*[a-f])[0-9a-f]{5,128})")
"""Hexadecimal, as the vendor writes it: no room for a name, and none for a number of any length."""
_MADE_ID = re.compile(r"rs_(?=(?:[0-9]*[a-f]){4})[0-9a-f]{24,128}")
"""As long and as mixed as the vendor's are, to which detectors see dates and card numbers at random."""


@dataclass(frozen=True, slots=True)
class PackedReasoning:
    """A reasoning item without its text. `parts` are the lengths of the summary's parts, in characters."""

    id: str
    encrypted_content: str | None
    parts: tuple[int, ...]

    @property
    def has_made_id(self) -> bool:
        """Whether the id is a machine's by its looks, so that it says nothing."""
        return _MADE_ID.fullmatch(self.id) is not None


def is_openai_reasoning(signature: str) -> bool:
    """Whether `signature` is of the form packed here, so that no other vendor can verify it."""
    return signature.startswith(_PREFIX)


def pack(reasoning: PackedReasoning) -> str:
    packed = {
        "id": reasoning.id,
        "encrypted_content": reasoning.encrypted_content,
        "parts": reasoning.parts,
    }
    return _PREFIX + urlsafe_b64encode(orjson.dumps(packed)).decode().rstrip("=")


def unpack(signature: str) -> PackedReasoning | None:
    """None when `pack` cannot have made it. The id is then of the vendor's form; the rest is as the caller sent it."""
    if not is_openai_reasoning(signature):
        return None
    encoded = signature.removeprefix(_PREFIX)
    try:
        packed: object = orjson.loads(urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except (Base64Error, ValueError):
        return None
    return _checked(cast("dict[str, Any]", packed)) if isinstance(packed, dict) else None


def _checked(packed: dict[str, Any]) -> PackedReasoning | None:
    item_id, encrypted, parts = packed.get("id"), packed.get("encrypted_content"), packed.get("parts")
    if not isinstance(item_id, str) or not _ID.fullmatch(item_id):
        return None
    if encrypted is not None and not isinstance(encrypted, str):
        return None
    lengths = cast("list[object]", parts) if isinstance(parts, list) else []
    # Lengths that are none make one part of the text, which is always right.
    known = all(isinstance(length, int) for length in lengths)
    return PackedReasoning(item_id, encrypted, tuple(cast("list[int]", lengths)) if known else ())
