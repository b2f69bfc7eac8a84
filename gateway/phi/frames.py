"""What the API process and a scanner say to each other: length-prefixed JSON, one answer for each question.

A request is `["scan", texts]`, answered by a list, for each text, of spans as
`[start, end, entity, score]`; or `["mask", [[text, [[start, end, placeholder],
…]], …]]`, answered by the masked texts. An empty answer means that it failed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.phi.detector import Span
from gateway.phi.masking import Marked, Replacement
from gateway.phi.packing import ENTITIES, NUMBERS

HEADER_BYTES = 4


@dataclass(frozen=True, slots=True)
class ScanRequest:
    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class MaskRequest:
    texts: Sequence[Marked]


def frame(payload: bytes) -> bytes:
    return len(payload).to_bytes(HEADER_BYTES, "big") + payload


def encode_texts(texts: Sequence[str]) -> bytes:
    """Raises `ValueError` when a text holds a lone surrogate, which no encoding can carry."""
    return _encoded(["scan", texts])


def encode_marked(texts: Sequence[Marked]) -> bytes:
    """Raises `ValueError` as `encode_texts` does."""
    rows = [(each.text, [(r.start, r.end, r.placeholder) for r in each.replacements]) for each in texts]
    return _encoded(["mask", rows])


def decode_request(payload: bytes) -> ScanRequest | MaskRequest:
    verb, rows = orjson.loads(payload)
    if verb == "scan":
        return ScanRequest(rows)
    marked = [Marked(text, tuple(Replacement(*each) for each in replacements)) for text, replacements in rows]
    return MaskRequest(marked)


def encode_masked(texts: Sequence[str]) -> bytes:
    return orjson.dumps(texts)


def decode_masked(payload: bytes) -> list[str]:
    return orjson.loads(payload)


def encode_spans(texts: Sequence[Sequence[Span]]) -> bytes:
    return orjson.dumps([[(s.start, s.end, NUMBERS[s.entity], s.score_milli) for s in spans] for spans in texts])


def decode_spans(payload: bytes) -> list[list[Span]]:
    rows: list[list[tuple[int, int, int, int]]] = orjson.loads(payload)
    return [[Span(start, end, ENTITIES[entity], score) for start, end, entity, score in spans] for spans in rows]


def _encoded(request: list[Any]) -> bytes:
    try:
        return orjson.dumps(request)
    except orjson.JSONEncodeError as invalid:
        raise ValueError("A text is not valid Unicode.") from invalid
