"""An estimate of input tokens, made here, so that it costs no call and never fails.

Text counts one token for four bytes of UTF-8, rounded up; every message,
call, output and tool four more for its framing; every image a flat 1,100, what
a megapixel costs at full detail; a file one token for four of its bytes.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from gateway.conversation import Conversation
from gateway.providers.openai.encode import encode_told

BYTES_PER_TOKEN = 4
TOKENS_PER_ITEM = 4
TOKENS_PER_IMAGE = 1_100


def estimate_tokens(conversation: Conversation) -> int:
    """Input tokens, near enough for limit checks; billed only for a stream that was left before the vendor's count."""
    return _of_told(encode_told(conversation))


def _of_told(told: Mapping[str, Any]) -> int:
    tools = sum(TOKENS_PER_ITEM + _of_text(orjson.dumps(tool)) for tool in told.get("tools", ()))
    items = sum(TOKENS_PER_ITEM + _of_item(item) for item in told["input"])
    return _of_text(told.get("instructions", "")) + tools + items


def _of_item(item: Mapping[str, Any]) -> int:
    said = (item.get(field, "") for field in ("content", "output", "name", "arguments"))
    return sum(_of_text(part) if isinstance(part, str) else _of_parts(part) for part in said)


def _of_parts(parts: Iterable[Mapping[str, Any]]) -> int:
    return sum(_of_part(part) for part in parts)


def _of_part(part: Mapping[str, Any]) -> int:
    if part["type"] == "input_image":
        return TOKENS_PER_IMAGE
    if part["type"] == "input_file":
        # Base64 writes three bytes as four characters.
        return len(part.get("file_data", "")) * 3 // 4 // BYTES_PER_TOKEN
    return _of_text(part["text"])


def _of_text(text: str | bytes) -> int:
    size = len(text.encode() if isinstance(text, str) else text)
    return -(-size // BYTES_PER_TOKEN)
