"""Text where none is looked for: inside identifiers, and in place of what only machines read."""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections import Counter

_OPENING = 1024
"""Characters of a seal that show whether it is one: what a vendor encrypts does not decode to text."""
_WORDY = 0.72
"""The share of small letters, of capitals or of digits, with dashes, that says text: a cipher's is under half."""
_FEW_DASHES = 3
"""And one in twelve characters more: of a cipher in URL-safe base64 they are one in thirty-two."""
_SHORT = 400
_NUMBER = re.compile(r"[0-9]{9}")
"""Hardly ever in a cipher of so few characters."""
_PRINTABLE = frozenset(b"\t\n\r") | frozenset(range(32, 127))
_READABLE = 0.75
"""The share of decoded bytes that are ASCII text, or more: of a cipher's two in five are."""
_SEAMS = re.compile(r"[_\-./:]+|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_FEWEST_WORDS = 2
_BEGINNINGS = ("iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR", "JVBER")
"""How PNG, JPEG, GIF, WebP and PDF files begin, in base64."""


def spelled_out(identifier: str) -> str:
    """`lookup_Maria_Lopez` and `lookupMariaLopez` as words; nothing for what is one word, or no identifier."""
    if not identifier.isascii() or " " in identifier:
        return ""
    words = [word.capitalize() for word in _SEAMS.split(identifier) if word]
    return " ".join(words) if sum(map(str.isalpha, words)) >= _FEWEST_WORDS else ""


def is_text(seal: str) -> bool:
    """Whether someone only wrote or encoded a text of their own, as any caller can."""
    opening = seal[:_OPENING].rstrip("=")
    kinds = Counter("a" if c.islower() else "A" if c.isupper() else "0" if c.isdigit() else c for c in opening)
    dashes = kinds["-"] + kinds["_"]
    if dashes > _FEW_DASHES + len(opening) / 12 or (len(seal) <= _SHORT and _NUMBER.search(seal)):
        return True
    if max(kinds["a"], kinds["A"], kinds["0"]) + dashes > _WORDY * len(opening):
        return True
    standard = opening.replace("-", "+").replace("_", "/")
    try:
        decoded = b64decode(standard[: len(standard) // 4 * 4])
    except Base64Error:
        return False
    return sum(byte in _PRINTABLE for byte in decoded) > _READABLE * len(decoded)


def is_file(data: str) -> bool:
    """Whether base64 `data` begins as an image or a PDF does."""
    return data.startswith(_BEGINNINGS)
