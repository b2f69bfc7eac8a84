"""A text as the rules read it. Every view keeps the length of the original, so offsets mean the same in all."""

import re
from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from operator import add
from string import ascii_lowercase, ascii_uppercase

from gateway.phi.lexicon.words import lexicon
from gateway.phi.rules.characters import fold

_SPACES = str.maketrans("\n\r\t\v\f\x1c\x1d\x1e\x1f\x85", " " * 10)
_WORD = re.compile(r"([A-Za-z]+(?:['-][A-Za-z]+)*+)")
_DIGIT = re.compile(r"[0-9]")
_CAPITALS, _SMALL = ascii_uppercase.encode(), ascii_lowercase.encode()
_POSSESSIVE = frozenset(["'s", "'S"])


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
        self.folded = text if text.isascii() else fold(text)
        self.flat = self.folded.translate(_SPACES)
        self.has_digit = _DIGIT.search(self.folded) is not None

    @cached_property
    def lower(self) -> str:
        """`flat` in small letters; folding has left no letter whose small form is longer."""
        return self.flat.lower()

    @cached_property
    def words(self) -> list[Word]:
        pieces = _WORD.split(self.folded)
        texts = pieces[1::2]
        if "'" in self.folded:
            texts = [text[:-2] if text[-2:] in _POSSESSIVE and len(text) > 2 else text for text in texts]
        lowers = list(map(str.lower, texts))
        kinds = lexicon()
        found = [
            bits if bits is not None else _compound(lower, kinds)
            for lower, bits in zip(lowers, map(kinds.get, lowers), strict=True)
        ]
        starts = list(accumulate(map(len, pieces)))[:-1:2]
        ends = map(add, starts, map(len, texts))
        return list(map(Word, starts, ends, texts, lowers, found, [text < "a" for text in texts]))

    @cached_property
    def starts(self) -> list[int]:
        """Where each of `words` starts."""
        return [word.start for word in self.words]

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """Every word of the text in small letters, to skip rules whose words do not occur."""
        return frozenset([word.lower for word in self.words])

    def mentions(self, words: Collection[str]) -> bool:
        """Whether any of `words`, a set, occurs."""
        return not self.vocabulary.isdisjoint(words)

    def word_before(self, offset: int) -> int:
        """Index of the last word that begins before `offset`, -1 when there is none."""
        return bisect_right(self.starts, offset - 1) - 1

    def adjacent(self, index: int) -> bool:
        """Whether only white space is between the word at `index` and the next one."""
        return not self.flat[self.words[index].end : self.words[index + 1].start].strip()

    @cached_property
    def is_caseless(self) -> bool:
        """Written all in one case, so that capitals say nothing."""
        signs = self.folded.encode("ascii", "ignore")
        upper = len(signs) - len(signs.translate(None, _CAPITALS))
        lower = len(signs) - len(signs.translate(None, _SMALL))
        return upper == 0 or lower * 10 < upper


def _compound(word: str, kinds: dict[str, int]) -> int:
    """What both halves of `smith-jones` may be; `o'brien` is listed without its mark."""
    if word.isalpha():
        return 0
    if (joined := kinds.get(word.replace("'", "").replace("-", ""))) is not None:
        return joined
    found = 0
    for part in re.split(r"['-]", word):
        found |= kinds.get(part, 0)
    return found
