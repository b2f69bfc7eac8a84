"""A text in pieces that can be found and read by themselves, and the words that they are found by."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

CHUNK_CHARACTERS: Final = 1_500
_LONGEST_WORD: Final = 40
_WORD: Final = re.compile(r"\w+")
_BREAKS: Final = ("\n\n", "\n", ". ", " ")
_ENDINGS: Final = ("ations", "ation", "ingly", "edly", "ings", "ing", "ies", "ied", "ed", "es", "ly", "s")
_STEM: Final = 3


def chunks(text: str) -> Sequence[str]:
    """Each ends with a paragraph, a line, a sentence or a word, where there is an end of one in its second half."""
    found: list[str] = []
    at = 0
    while at < len(text):
        end = _end(text, at)
        if piece := text[at:end].strip():
            found.append(piece)
        at = end
    return found


def _end(text: str, at: int) -> int:
    most = at + CHUNK_CHARACTERS
    if most >= len(text):
        return len(text)
    for mark in _BREAKS:
        found = text.rfind(mark, at + CHUNK_CHARACTERS // 2, most)
        if found != -1:
            return found + len(mark)
    return most


def words(text: str) -> list[str]:
    """In their order, without case, accents and the commonest endings."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(each for each in plain if not unicodedata.combining(each))
    return [_stem(word) for word in _WORD.findall(plain) if len(word) <= _LONGEST_WORD]


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _STEM:
            return word[: -len(ending)]
    return word
