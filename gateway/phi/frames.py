"""What the API process and a scanner say to each other: length-prefixed JSON, one answer for each question.

A request is a list of texts. An answer is a list, for each text, of spans as
`[start, end, entity, score]`; an empty answer means that the scan failed.
"""

from collections.abc import Sequence

import orjson

from gateway.phi.detector import Span
from gateway.phi.findings import Entity

HEADER_BYTES = 4
_ENTITIES = tuple(Entity)
_NUMBERS = {entity: number for number, entity in enumerate(_ENTITIES)}


def frame(payload: bytes) -> bytes:
    return len(payload).to_bytes(HEADER_BYTES, "big") + payload


def encode_texts(texts: Sequence[str]) -> bytes:
    """Raises `ValueError` when a text holds a lone surrogate, which no encoding can carry."""
    try:
        return orjson.dumps(texts)
    except orjson.JSONEncodeError as invalid:
        raise ValueError("A text is not valid Unicode.") from invalid


def decode_texts(payload: bytes) -> list[str]:
    return orjson.loads(payload)


def encode_spans(texts: Sequence[Sequence[Span]]) -> bytes:
    return orjson.dumps([[(s.start, s.end, _NUMBERS[s.entity], s.score_milli) for s in spans] for spans in texts])


def decode_spans(payload: bytes) -> list[list[Span]]:
    rows: list[list[tuple[int, int, int, int]]] = orjson.loads(payload)
    return [[Span(start, end, _ENTITIES[entity], score) for start, end, entity, score in spans] for spans in rows]
