"""Finds given phrases in texts as whole words: what an organisation lists, and what a conversation has shown."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Generic, TypeVar

T = TypeVar("T")

_SIGN = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
"""Scripts that put no space between words: each sign counts as one."""
_CAPITAL = "A-Z\u00c0-\u00d6\u00d8-\u00de"
_RUN = re.compile(rf"[{_SIGN}]|(?:(?![{_SIGN}])[^\W_])+")
_PART = re.compile(
    rf"\d+|[{_SIGN}]|[{_CAPITAL}]+(?![^\W\d_{_CAPITAL}])|[{_CAPITAL}]?(?:(?![{_SIGN}])[^\W\d_{_CAPITAL}])+"
)
_ASCII = {
    _RUN: re.compile(r"[A-Za-z0-9]+"),
    _PART: re.compile(r"[0-9]+|[A-Z]+(?![a-z])|[A-Z]?[a-z]+"),
}
"""The same for texts of ASCII alone, ten times as fast."""
_SEAM = re.compile(rf"[^\W\d_{_CAPITAL}][{_CAPITAL}]|[^\W\d_]\d|\d[^\W\d_]")
MOST_WORDS = 24
_WIDEST_GAP = 4
"""Characters between two words of one phrase: `917-44-8123` is `917 44 8123`, and `Maria,  Lopez` is `Maria Lopez`."""
_PIECE = 16_384
_AHEAD = 2_048
"""Characters: a long text is walked piece by piece, so that others get their turn; a phrase is never cut by that."""

words_of = _RUN.findall
"""The words of a text, as phrases are compared by them: runs of letters and digits."""
parts_of = _PART.findall
"""The same, and what was put together without a space: `lookupMariaLopez` is three, and so is `AB12CD`."""


def is_phrase(text: str) -> bool:
    """Whether `text` can be found: it has words, not too many, and none far from the next."""
    words = list(_RUN.finditer(text))
    apart = (after.start() - before.end() for before, after in pairwise(words))
    return 0 < len(words) <= MOST_WORDS and max(apart, default=0) <= _WIDEST_GAP


def vocabulary(text: str) -> set[str]:
    """Each word and part of `text` in small letters, and perhaps pieces of words: enough to tell what cannot stand."""
    found: set[str] = set()
    for offset in range(0, len(text), _PIECE):
        piece = text[offset : offset + _PIECE + _AHEAD]
        for pattern in (_RUN, _PART) if _SEAM.search(piece) else (_RUN,):
            fast = _ASCII[pattern] if piece.isascii() else pattern
            found.update(map(str.casefold, fast.findall(piece)))
    return found


class Phrases(Generic[T]):
    """What each phrase stands for. A walk or two over a text's words finds all, however many there are."""

    __slots__ = ("_by_parts", "_by_words")

    def __init__(self) -> None:
        self._by_words: _Tree[T] = _Tree(_RUN)
        self._by_parts: _Tree[T] = _Tree(_PART)

    def __bool__(self) -> bool:
        return bool(self._by_words)

    def add(self, phrase: str, meaning: T, *, as_spelled: bool = False) -> None:
        """The first meaning stays. A phrase of more than 24 words, or of none, is not kept."""
        self._by_words.add(words_of(phrase), meaning, as_spelled=as_spelled)
        self._by_parts.add(parts_of(phrase), meaning, as_spelled=as_spelled)

    def find(self, text: str) -> Iterator[tuple[int, int, T]]:
        """Where phrases stand and what they mean, in order of start. Places may overlap, or be given twice."""
        if not self:
            return
        found = [*_in_pieces(self._by_words, text), *_in_pieces(self._by_parts, text, _SEAM)]
        found.sort(key=lambda each: (each[0], -each[1]))
        yield from found


class _Node(Generic[T]):
    """The phrases that go on from here, and what ends here: in any case, or only as spelled."""

    __slots__ = ("any_case", "next", "spelled")

    def __init__(self) -> None:
        self.next: dict[str, _Node[T]] = {}
        self.any_case: T | None = None
        self.spelled: dict[str, T] | None = None


class _Tree(Generic[T]):
    """Phrases by their words, as `word` finds them."""

    __slots__ = ("_root", "_word")

    def __init__(self, word: re.Pattern[str]) -> None:
        self._root: _Node[T] = _Node()
        self._word = word

    def __bool__(self) -> bool:
        return bool(self._root.next)

    def add(self, words: Sequence[str], meaning: T, *, as_spelled: bool) -> None:
        if not 0 < len(words) <= MOST_WORDS:
            return
        node = self._root
        for word in words:
            folded = word.casefold()
            after = node.next.get(folded)
            if after is None:
                after = node.next[folded] = _Node()
            node = after
        if as_spelled:
            node.spelled = node.spelled or {}
            node.spelled.setdefault(" ".join(words), meaning)
        elif node.any_case is None:
            node.any_case = meaning

    def find(self, text: str, at_least: int) -> Iterator[tuple[int, int, T]]:
        """What begins at the character `at_least` or after it: the longest at each place, without overlaps."""
        pattern = _ASCII[self._word] if text.isascii() else self._word
        # A quick no, for most texts. Folding may cut a word that is not ASCII in two, so those are walked.
        if text.isascii() and self._root.next.keys().isdisjoint(map(str.lower, pattern.findall(text))):
            return
        words = [word for word in pattern.finditer(text) if word.start() >= at_least]
        begins = self._root.next
        at = 0
        while at < len(words):
            found = self._longest(words, at) if words[at][0].casefold() in begins else None
            if found is None:
                at += 1
                continue
            end, meaning = found
            yield words[at].start(), words[end - 1].end(), meaning
            at = end

    def _longest(self, words: Sequence[re.Match[str]], start: int) -> tuple[int, T] | None:
        node, at, found = self._root, start, None
        while at < len(words):
            if at > start and words[at].start() - words[at - 1].end() > _WIDEST_GAP:
                break
            after = node.next.get(words[at][0].casefold())
            if after is None:
                break
            node, at = after, at + 1
            meaning = node.any_case
            if meaning is None and node.spelled:
                meaning = node.spelled.get(" ".join(word[0] for word in words[start:at]))
            if meaning is not None:
                found = at, meaning
        return found


def _in_pieces(tree: _Tree[T], text: str, only_with: re.Pattern[str] | None = None) -> Iterator[tuple[int, int, T]]:
    floor = 0
    for offset in range(0, len(text), _PIECE):
        # Begun early, so that the end of a word is not taken for one.
        start = max(0, offset - _AHEAD)
        piece = text[start : offset + _PIECE + _AHEAD]
        if only_with and not only_with.search(piece):
            continue
        for begin, end, meaning in tree.find(piece, max(floor, offset) - start):
            if start + begin >= offset + _PIECE:
                break
            floor = start + end
            yield start + begin, floor, meaning
