"""A text as the rules read it. Every view keeps the length of the original, so offsets mean the same in all."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property

from gateway.phi.lexicon.words import lexicon

_PUNCTUATION = {
    **dict.fromkeys("\u2018\u2019\u201b\u02bc\u00b4\u0060", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d", "-"),
    **dict.fromkeys("\u00a0\u2007\u202f\u2009\u200a\u3000", " "),
}
_SPACES = str.maketrans("\n\r\t", "   ")
_WORD = re.compile(r"[A-Za-z]+(?:['-][A-Za-z]+)*")


@dataclass(slots=True)
class Word:
    """One word without a possessive ending. `kinds` are bits of `lexicon.words.Kind`."""

    start: int
    end: int
    text: str
    lower: str
    kinds: int
    is_capital: bool


class Document:
    """Views of one window of text: `folded` without accents and typographic signs, `flat` also without line ends."""

    def __init__(self, text: str) -> None:
        self.folded = text if text.isascii() else "".join(map(_fold, text))
        self.flat = self.folded.translate(_SPACES)
        self.has_digit = any(map(str.isdigit, self.folded))

    @cached_property
    def words(self) -> list[Word]:
        kinds = lexicon()
        words: list[Word] = []
        for match in _WORD.finditer(self.folded):
            text = match[0]
            if len(text) > 2 and text[-2:] in {"'s", "'S"}:
                text = text[:-2]
            lower = text.lower()
            found = kinds.get(lower)
            if found is None:
                found = _compound(lower, kinds) if "-" in lower or "'" in lower else 0
            words.append(Word(match.start(), match.start() + len(text), text, lower, found, text[0].isupper()))
        return words

    def adjacent(self, index: int) -> bool:
        """Whether only white space is between the word at `index` and the next one."""
        return not self.flat[self.words[index].end : self.words[index + 1].start].strip()

    @cached_property
    def is_caseless(self) -> bool:
        """Written all in one case, so that capitals say nothing."""
        upper = sum(map(str.isupper, self.folded))
        lower = sum(map(str.islower, self.folded))
        return upper == 0 or lower * 10 < upper


def _compound(word: str, kinds: dict[str, int]) -> int:
    """What both halves of `smith-jones` may be; `o'brien` is listed without its mark."""
    if (joined := kinds.get(word.replace("'", "").replace("-", ""))) is not None:
        return joined
    found = 0
    for part in re.split(r"['-]", word):
        found |= kinds.get(part, 0)
    return found


def _fold(character: str) -> str:
    """One character for one: ASCII where there is an equivalent, otherwise the character itself."""
    if character.isascii():
        return character
    if (plain := _PUNCTUATION.get(character)) is not None:
        return plain
    base = unicodedata.normalize("NFKD", character)[0]
    return base if base.isascii() else _STROKED.get(character, character)


_STROKED = {
    "ł": "l",
    "Ł": "L",
    "ø": "o",
    "Ø": "O",
    "đ": "d",
    "Đ": "D",
    "ß": "s",
    "æ": "a",
    "Æ": "A",
    "œ": "o",
    "\u0131": "i",
}
