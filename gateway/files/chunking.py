"""A text in pieces that can be found and read by themselves, and the words that they are found by."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

CHUNK_CHARACTERS: Final = 1_500
_LONGEST_WORD: Final = 40
_UNSPACED: Final = (
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]"
)
"""Of scripts that put no spaces between words: Thai and its neighbours, Chinese, Japanese."""
_WORD: Final = re.compile(rf"{_UNSPACED}+|(?:(?!{_UNSPACED})[\w\u0900-\u0dff])+")
"""Vowels of Indian scripts are no letters to Python."""
_PARTS_NOTHING: Final = re.compile(_UNSPACED)
_LAST_WITH_ACCENTS: Final = "\u06ff"
"""Marks of later scripts make other words."""
_BREAKS: Final = ("\n\n", "\n", ". ", "。", " ")
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


def tokens_in(pieces: Sequence[str]) -> int:
    """About as many as a model makes of them: a quarter of their bytes."""
    return sum(len(piece.encode()) for piece in pieces) // 4


def words(text: str) -> list[str]:
    """In their order, without case, accents and the commonest endings; pairs of letters where nothing parts words."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(each for each in plain if each > _LAST_WITH_ACCENTS or not unicodedata.combining(each))
    return [word for run in _WORD.findall(unicodedata.normalize("NFC", plain)) for word in _words_of(run)]


def _words_of(run: str) -> Sequence[str]:
    if _PARTS_NOTHING.match(run):
        return [run[at : at + 2] for at in range(max(1, len(run) - 1))]
    return [_stem(run)] if len(run) <= _LONGEST_WORD else []


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _STEM:
            return word[: -len(ending)]
    return word
