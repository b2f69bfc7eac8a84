"""Finds given phrases in texts as whole words: what an organisation lists, and what a conversation has shown."""

import re
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

_CAPITAL = "A-Z\u00c0-\u00d6\u00d8-\u00de"
_WORD = re.compile(rf"\d+|[{_CAPITAL}]+(?![^\W\d_{_CAPITAL}])|[{_CAPITAL}]?[^\W\d_{_CAPITAL}]+")
words_of = _WORD.findall
"""The words of a text, as phrases are compared by them: `lookupMariaLopez` is three, and so is `AB12CD`."""
_MOST_WORDS = 24
_WIDEST_GAP = 4
"""Characters between two words of one phrase: `917-44-8123` is `917 44 8123`, and `Maria,  Lopez` is `Maria Lopez`."""


class _Node(Generic[T]):
    """The phrases that go on from here, and what ends here: in any case, or only as spelled."""

    __slots__ = ("any_case", "next", "spelled")

    def __init__(self) -> None:
        self.next: dict[str, _Node[T]] = {}
        self.any_case: T | None = None
        self.spelled: dict[str, T] | None = None


class Phrases(Generic[T]):
    """What each phrase stands for. One walk over a text's words finds all, however many there are."""

    __slots__ = ("_root",)

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def __bool__(self) -> bool:
        return bool(self._root.next)

    def add(self, words: Sequence[str], meaning: T, *, as_spelled: bool = False) -> None:
        """The first meaning stays. A phrase of more than 24 words, or of none, is not kept."""
        if not 0 < len(words) <= _MOST_WORDS:
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

    def find(self, text: str) -> Iterator[tuple[int, int, T]]:
        """Where phrases stand and what they mean: in order, the longest at each place, without overlaps."""
        if not self or self._has_none(text):
            return
        words = list(_WORD.finditer(text))
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

    def _has_none(self, text: str) -> bool:
        """A quick no. Case folding may cut a word that is not ASCII in two, so those texts get none."""
        return text.isascii() and self._root.next.keys().isdisjoint(map(str.lower, words_of(text)))

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
