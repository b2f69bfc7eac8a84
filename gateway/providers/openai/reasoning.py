"""OpenAI's reasoning items inside `Thinking`, whose signature carries what the vendor needs to have back."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from typing import cast

import orjson
from pydantic import JsonValue

from gateway.conversation import Thinking
from gateway.providers.wire import WireObject, children, object_or_none, optional_text, text

_PREFIX = "openai."
_BETWEEN_PARTS = "\n\n"


def is_openai_reasoning(signature: str) -> bool:
    """Whether `signature` was packed here, so that no other vendor can verify it."""
    return signature.startswith(_PREFIX)


def summary_of(item: WireObject) -> str:
    """The text of a reasoning item's summary."""
    return _BETWEEN_PARTS.join(text(part, "text") for part in children(item, "summary"))


def summary_gap(part: int) -> str:
    """What stands before the summary's part number `part` (from 0)."""
    return _BETWEEN_PARTS if part else ""


def pack(item: WireObject) -> str:
    """The signature for a finished reasoning item."""
    packed = {
        "id": text(item, "id"),
        "encrypted_content": optional_text(item, "encrypted_content"),
        "parts": [len(text(part, "text")) for part in children(item, "summary")],
    }
    return _PREFIX + urlsafe_b64encode(orjson.dumps(packed)).decode().rstrip("=")


def encode(thinking: Thinking) -> dict[str, JsonValue] | None:
    """The reasoning item again; None when it is another vendor's, or holds nothing the vendor could read.

    Without its encrypted content an item means only the vendor's stored copy,
    and there is none: every request says `store: false`.
    """
    packed = _unpack(thinking.signature)
    if packed is None or not isinstance(packed.get("encrypted_content"), str):
        return None
    parts: list[JsonValue] = [
        {"type": "summary_text", "text": part} for part in _split(thinking.thinking, packed.get("parts"))
    ]
    return {
        "type": "reasoning",
        "id": str(packed.get("id")),
        "summary": parts,
        "encrypted_content": packed["encrypted_content"],
    }


def _unpack(signature: str) -> WireObject | None:
    if not is_openai_reasoning(signature):
        return None
    encoded = signature.removeprefix(_PREFIX)
    try:
        return object_or_none(urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except (Base64Error, ValueError):
        return None


def _split(thinking: str, lengths: object) -> list[str]:
    """The summary's parts; one part when the text is no longer as long as it was (names restored in it, say)."""
    parts: list[str] = []
    at = 0
    for length in cast("list[object]", lengths) if isinstance(lengths, list) else ():
        if not isinstance(length, int):
            break
        at += len(_BETWEEN_PARTS) if parts else 0
        parts.append(thinking[at : at + length])
        at += length
    if _BETWEEN_PARTS.join(parts) == thinking:
        return parts
    return [thinking]
