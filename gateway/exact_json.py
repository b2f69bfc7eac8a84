"""JSON whose long integers are not rounded: those beyond 64 bits, of which parsers make the nearest float."""

import json

import orjson
from pydantic import JsonValue

_TO_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)
_MANY_DIGITS = b"0" * 19
_LONGEST = len(str(-(2**63)))


def may_be_rounded(body: bytes) -> bool:
    """Whether `body` has so many digits in a row that it may hold such an integer. Costs a millisecond a megabyte."""
    return _MANY_DIGITS in body.translate(_TO_ZEROS)


def is_exact(digits: str) -> bool:
    """Whether the integer that `digits` write fits into 64 bits."""
    return len(digits) <= _LONGEST and -(2**63) <= int(digits) < 2**64


def loads(body: bytes) -> JsonValue:
    """`body` with integers that are not exact as text: their digits. Raises `orjson.JSONDecodeError`."""
    value: JsonValue = orjson.loads(body)
    if not may_be_rounded(body):
        return value
    try:
        return json.loads(body, parse_int=lambda digits: int(digits) if is_exact(digits) else digits)
    except RecursionError:
        return value  # which whoever asked finds too deep
