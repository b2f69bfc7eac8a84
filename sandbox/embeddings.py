"""`POST /v1/embeddings` in OpenAI's format: texts are near each other that are spelled alike."""

import base64
import hashlib
import struct
from collections.abc import Mapping, Sequence
from typing import cast

from sandbox import openai
from sandbox.wire import Json, as_list

_FIELDS = frozenset({"model", "input", "encoding_format", "dimensions", "user"})
_SIZE = 256
_MOST_TEXTS = 2_048
_MOST_BYTES = 8_192 * 4
_LETTERS = 4


def embeddings(headers: Mapping[str, str], body: bytes) -> Json:
    """Raises `RefusedError` for what the vendor would refuse."""
    request = openai.parse(headers, body, _FIELDS, ("model", "input"))
    texts, size = _texts(request["input"]), request.get("dimensions", _SIZE)
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= _SIZE:
        raise openai.refusal(400, "Invalid value for 'dimensions'.", param="dimensions", code="invalid_value")
    encoding = request.get("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise openai.refusal(400, "Invalid value for 'encoding_format'.", param="encoding_format", code="invalid_value")
    vectors = [_vector(text, size) for text in texts]
    tokens = sum(len(text.encode()) for text in texts) // 4 + 1
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": vector if encoding == "float" else _packed(vector)}
            for index, vector in enumerate(vectors)
        ],
        "model": request["model"],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _texts(given: object) -> Sequence[str]:
    """Of one text, or of a list of them; lists of tokens are not read."""
    texts = [given] if isinstance(given, str) else as_list(given)
    if not texts or len(texts) > _MOST_TEXTS or not all(isinstance(text, str) and text for text in texts):
        raise openai.refusal(400, "'$.input' is invalid.", param="input", code="invalid_type")
    read = cast("list[str]", texts)
    if any(len(text.encode()) > _MOST_BYTES for text in read):
        message = "This model's maximum context length is 8192 tokens."
        raise openai.refusal(400, message, param="input", code="context_length_exceeded")
    return read


def _vector(text: str, size: int) -> list[float]:
    """How often there are which letters in a row, words apart; of length 1."""
    counts = [0.0] * size
    for word in text.casefold().split():
        padded = f" {word} "
        for at in range(max(1, len(padded) - _LETTERS + 1)):
            digest = hashlib.blake2b(padded[at : at + _LETTERS].encode(), digest_size=4).digest()
            counts[int.from_bytes(digest) % size] += 1.0
    length = sum(count * count for count in counts) ** 0.5 or 1.0
    return [count / length for count in counts]


def _packed(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
