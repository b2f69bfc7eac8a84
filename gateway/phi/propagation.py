"""Carries what was found in one text over to the texts after it.

A detector reports doubtful spans too: names it only half believes and bare
numbers. They count once the conversation has shown what they are; and a value
that was masked once is masked wherever it stands again. Knowledge flows
forward only, so a conversation that grows keeps the masks it had.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice

from gateway.phi.detector import CERTAIN, LIKELY, Span
from gateway.phi.findings import CIRCUMSTANTIAL, Entity
from gateway.phi.phrases import Phrases, parts_of, vocabulary, words_of
from gateway.phi.rules.merge import merge

_SHORTEST_ID = 4
_SHORTEST_NUMBER = 5
_SHORTEST_WORD = 3


class _Values:
    """Values to look for. Most never come again, so each waits until a text has its first word."""

    def __init__(self) -> None:
        self._phrases: Phrases[Entity] = Phrases()
        self._waiting: dict[str, list[tuple[str, Entity, bool]]] = defaultdict(list)

    def add(self, value: str, entity: Entity, *, as_spelled: bool) -> None:
        for first in {words[0].casefold() for words in (words_of(value), parts_of(value)) if words}:
            self._waiting[first].append((value, entity, as_spelled))

    def find(self, text: str, words: AbstractSet[str]) -> Iterator[tuple[int, int, Entity]]:
        for word in words & self._waiting.keys():
            for value, entity, as_spelled in self._waiting.pop(word):
                self._phrases.add(value, entity, as_spelled=as_spelled)
        return self._phrases.find(text)


class Propagation:
    """What one request has shown so far. Feed it the texts in order, once each."""

    def __init__(self, threshold_milli: int = CERTAIN) -> None:
        self._threshold = threshold_milli
        self._known: dict[str, Entity] = {}
        self._values = _Values()
        self._answered = _Values()
        self._heard: dict[tuple[Entity, str], None] = {}
        self._taken_in = 0
        self._personal = False

    def hear(self, text: str, telling: Iterable[Span]) -> None:
        """What later texts, and this one, are looked through for. It is taken in when there is a text to settle."""
        for span in telling:
            self._heard.setdefault((span.entity, text[span.start : span.end]))

    def settle(self, text: str, spans: Sequence[Span], *, answered: bool = False) -> Sequence[Span]:
        """The spans that count: certain ones, doubtful ones that the conversation so far bears out, known values.

        An `answered` text is the model's own as the caller got it, so every value in it may be one that was put
        back there, however short or common.
        """
        self._take_in()
        counting = list(self._counting(text, spans))
        again = list(self._repeated(text, answered=answered))
        return merge((*counting, *again)) if again else counting

    def known_in(self, text: str, spans: Sequence[Span], *, spelled_out: bool) -> Iterable[Span]:
        """What in `text` the conversation has shown to identify someone by itself.

        Of words that an identifier was made of, a lone one says nothing: `open_case` is about no Mr. Case.
        """
        self._take_in()
        for span in () if spelled_out else spans:
            if known := self._known.get(_key(text[span.start : span.end])):
                yield Span(span.start, span.end, known, max(span.score_milli, CERTAIN))
        yield from (span for span in self._repeated(text, answered=False) if span.entity not in CIRCUMSTANTIAL)

    def _counting(self, text: str, spans: Sequence[Span]) -> Iterable[Span]:
        for span in spans:
            known = self._known.get(_key(text[span.start : span.end])) if self._known else None
            if known is not None:
                # One value, one kind: a record number stays one where it stands without its label.
                yield Span(span.start, span.end, known, max(span.score_milli, CERTAIN))
            elif span.score_milli >= self._threshold:
                yield Span(span.start, span.end, span.entity, max(span.score_milli, CERTAIN))
            elif span.score_milli >= LIKELY and self._personal:
                yield Span(span.start, span.end, span.entity, CERTAIN)

    def _repeated(self, text: str, *, answered: bool) -> Iterable[Span]:
        if not self._heard:
            return
        words = vocabulary(text)
        for values in (self._values, self._answered) if answered else (self._values,):
            for start, end, entity in values.find(text, words):
                yield Span(start, end, entity, CERTAIN)

    def _take_in(self) -> None:
        for entity, value in islice(self._heard, self._taken_in, None):
            self._learn(entity, value)
        self._taken_in = len(self._heard)

    def _learn(self, entity: Entity, value: str) -> None:
        words = words_of(value)
        key = "".join(words).casefold()
        if _is_telling(entity, words, key):
            self._values.add(value, entity, as_spelled=value.isalpha())
            if len(words) > 1:  # `917-44-8123` may come back as `917448123`, and `Maria Lopez` as `marialopez`
                self._values.add(key, entity, as_spelled=False)
        else:
            self._answered.add(value, entity, as_spelled=True)
        if entity in CIRCUMSTANTIAL:
            return
        self._personal = True
        if entity is Entity.PERSON:
            for word in words:
                if len(word) >= _SHORTEST_WORD and word.isalpha():
                    self._known.setdefault(word.casefold(), entity)
        elif len(key) >= _SHORTEST_ID:
            self._known.setdefault(key, entity)


def _is_telling(entity: Entity, words: Sequence[str], key: str) -> bool:
    """Whether a value means the same wherever it stands: a number of some length, a word that is no mere name.

    A lone name may be a plain word or an eponym; which it is, the detector says by a doubtful span.
    """
    if key.isdigit():
        return len(key) >= _SHORTEST_NUMBER
    return len(key) >= _SHORTEST_WORD and (entity is not Entity.PERSON or len(words) > 1)


def _key(value: str) -> str:
    return "".join(words_of(value)).casefold()
