"""Carries what was found in one text over to the texts after it.

A detector reports doubtful spans too: names it only half believes and bare
numbers. They count once the conversation has shown what they are. Knowledge
flows forward only, so a conversation that grows keeps the masks it had.
"""

import re
from collections.abc import Iterable, Sequence

from gateway.phi.detector import CERTAIN, LIKELY, Span
from gateway.phi.findings import CIRCUMSTANTIAL, Entity

_WORDS = re.compile(r"[^\W\d_]{3,}")
_SHORTEST_ID = 4


class Propagation:
    """What one request has shown so far. Feed it the texts in order, once each."""

    def __init__(self) -> None:
        self._known: dict[str, Entity] = {}
        self._personal = False

    def settle(self, text: str, spans: Sequence[Span]) -> tuple[Span, ...]:
        """The spans that count: certain ones, and doubtful ones that the conversation so far bears out."""
        if not spans:
            return ()
        for span in spans:
            if span.score_milli >= CERTAIN:
                self._learn(span.entity, text[span.start : span.end])
        return tuple(self._counting(text, spans))

    def _counting(self, text: str, spans: Sequence[Span]) -> Iterable[Span]:
        for span in spans:
            known = self._known.get(_key(text[span.start : span.end]))
            if known is not None:
                # One value, one kind: a record number stays one where it stands without its label.
                yield Span(span.start, span.end, known, max(span.score_milli, CERTAIN))
            elif span.score_milli >= CERTAIN or (span.score_milli >= LIKELY and self._personal):
                yield span

    def _learn(self, entity: Entity, value: str) -> None:
        if entity in CIRCUMSTANTIAL:
            return
        self._personal = True
        if entity is Entity.PERSON:
            for part in _WORDS.findall(value):
                self._known.setdefault(_key(part), entity)
        elif len(key := _key(value)) >= _SHORTEST_ID:
            self._known.setdefault(key, entity)


def _key(value: str) -> str:
    return "".join(filter(str.isalnum, value.casefold()))
