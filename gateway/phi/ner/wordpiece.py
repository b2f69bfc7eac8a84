"""The tokenizer that Rampart was trained with: BERT's, without case and accents.

Written out because the library that has it, `tokenizers`, depends on a client
that downloads models, and a gateway for patients' data carries no such thing.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_UNKNOWN = "[UNK]"
_LONGEST_WORD = 100
_IDEOGRAPHS = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
_PIECE = re.compile(rf"[{_IDEOGRAPHS}]|[^\W_{_IDEOGRAPHS}]+|[^\w\s]|_")


class Token(NamedTuple):
    """A piece of a word, as an id of the vocabulary and string offsets. `is_first`: the word begins here."""

    id: int
    start: int
    end: int
    is_first: bool


class WordPiece:
    """Greedy longest match against a vocabulary, one entry a line in the order of ids."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._ids = {piece: number for number, piece in enumerate(vocabulary)}
        self.unknown, self.pad, self.begin, self.end = (
            self._ids[name] for name in (_UNKNOWN, "[PAD]", "[CLS]", "[SEP]")
        )

    def tokens(self, text: str) -> Iterator[Token]:
        """Pieces in order; white space is in none. A word of more than 100 letters is one unknown piece."""
        for match in _PIECE.finditer(text):
            word = _plain(match[0])
            if (known := self._ids.get(word)) is not None:
                yield Token(known, match.start(), match.end(), is_first=True)
            elif len(word) == len(match[0]):
                yield from self._pieces(word, match.start())
            else:  # letters that fall apart in two when their accent goes: too rare to keep offsets for
                yield Token(self.unknown, match.start(), match.end(), is_first=True)

    def _pieces(self, word: str, offset: int) -> Iterator[Token]:
        pieces: list[Token] = []
        at = 0
        while at < len(word) <= _LONGEST_WORD:
            end = self._longest(word, at)
            if end == at:
                break
            prefix = "##" if at else ""
            pieces.append(Token(self._ids[prefix + word[at:end]], offset + at, offset + end, is_first=at == 0))
            at = end
        if at < len(word):
            pieces = [Token(self.unknown, offset, offset + len(word), is_first=True)]
        yield from pieces

    def _longest(self, word: str, at: int) -> int:
        """Where the longest known piece from `at` ends; `at` when there is none."""
        prefix = "##" if at else ""
        return next((end for end in range(len(word), at, -1) if prefix + word[at:end] in self._ids), at)


def _plain(word: str) -> str:
    lower = word.lower()
    if lower.isascii():
        return lower
    return "".join(each for each in unicodedata.normalize("NFD", lower) if unicodedata.category(each) != "Mn")
