"""OpenAI's reasoning items inside `Thinking`; what is not text of them travels in its signature, packed."""

from collections.abc import Sequence

from pydantic import JsonValue

from gateway.conversation import Thinking
from gateway.packed_reasoning import PackedReasoning, unpack
from gateway.packed_reasoning import pack as pack_signature
from gateway.providers.wire import WireObject, children, optional_text, text

_BETWEEN_PARTS = "\n\n"


def summary_of(item: WireObject) -> str:
    """The text of a reasoning item's summary."""
    return _BETWEEN_PARTS.join(text(part, "text") for part in children(item, "summary"))


def summary_gap(part: int) -> str:
    """What stands before the summary's part number `part` (from 0)."""
    return _BETWEEN_PARTS if part else ""


def pack(item: WireObject) -> str:
    """The signature for a finished reasoning item."""
    parts = tuple(len(text(part, "text")) for part in children(item, "summary"))
    return pack_signature(PackedReasoning(text(item, "id"), optional_text(item, "encrypted_content"), parts))


def encode(thinking: Thinking) -> dict[str, JsonValue] | None:
    """The reasoning item again; None when it is another vendor's, or holds nothing the vendor could read.

    Without its encrypted content an item means only the vendor's stored copy,
    and there is none: every request says `store: false`.
    """
    packed = unpack(thinking.signature)
    if packed is None or packed.encrypted_content is None:
        return None
    parts: list[JsonValue] = [
        {"type": "summary_text", "text": part} for part in _split(thinking.thinking, packed.parts)
    ]
    return {
        "type": "reasoning",
        "id": packed.id,
        "summary": parts,
        "encrypted_content": packed.encrypted_content,
    }


def _split(thinking: str, lengths: Sequence[int]) -> list[str]:
    """The summary's parts; one part when the text is not as long as it was."""
    parts: list[str] = []
    at = 0
    for length in lengths:
        at += len(_BETWEEN_PARTS) if parts else 0
        parts.append(thinking[at : at + length])
        at += length
    if _BETWEEN_PARTS.join(parts) == thinking:
        return parts
    return [thinking]
