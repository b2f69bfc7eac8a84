"""Which findings count for one request of one organisation: its profile and lists, and what the conversation shows."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from gateway.phi.detector import CERTAIN, Span
from gateway.phi.findings import CIRCUMSTANTIAL, Entity
from gateway.phi.outcomes import Outcome
from gateway.phi.phrases import Phrases
from gateway.phi.propagation import Propagation
from gateway.phi.rules.merge import merge
from gateway.phi.screening import Screening

_LISTED_MILLI = 1000
_FULL_NAME = 2
_TITLE_REACH = 7
_TITLED = re.compile(r"\b(?:Dr|Mr|Mrs|Prof)\.? \Z")


class Selection:
    """One request's. Feed it the texts in order, once each."""

    def __init__(self, screening: Screening) -> None:
        self._masked = screening.masked
        self._denied = _terms(screening.deny_terms)
        self._allowed = _terms(screening.allow_terms)
        self._threshold = screening.threshold_milli
        self._propagation = Propagation(self._threshold)

    def of_content(self, text: str, spans: Sequence[Span], *, answered: bool = False) -> Outcome:
        """The spans to mask, in order and without overlaps; see `Propagation.settle` for `answered`."""
        wanted = self._wanted(text, spans)
        telling = tuple(span for span in wanted if span.score_milli >= self._threshold)
        self._propagation.hear(text, telling)
        counting = self._not_allowed(text, self._propagation.settle(text, wanted, answered=answered))
        denied = list(self._listed(text))
        return Outcome(tuple(merge((*counting, *denied)) if denied else counting), telling)

    def recall(self, text: str, outcome: Outcome) -> None:
        """Takes `text` as read: this is what became of it."""
        self._propagation.hear(text, outcome.telling)

    def of_fixed(self, text: str, spans: Sequence[Span], *, spelled_out: bool = False) -> Sequence[Span]:
        """Of a text that cannot be masked, what identifies someone by itself, whatever the profile and its threshold.

        An example city, date or URL in a tool's description does not; a name that the conversation has shown does.
        """
        certain = [span for span in spans if span.score_milli >= CERTAIN and span.entity not in CIRCUMSTANTIAL]
        known = self._propagation.known_in(text, spans, spelled_out=spelled_out)
        return merge((*self._not_allowed(text, [*certain, *known]), *self._listed(text)))

    def of_definition(self, text: str, spans: Sequence[Span], *, spelled_out: bool = False) -> Sequence[Span]:
        """As `of_fixed`, of what a programmer wrote: a lone word there is one of a program's, not Ms. Read's name."""
        named = [span for span in spans if not _is_lone_name(text, span)]
        return self.of_fixed(text, named, spelled_out=spelled_out)

    def _wanted(self, text: str, spans: Sequence[Span]) -> Sequence[Span]:
        if len(self._masked) < len(Entity):
            spans = [span for span in spans if span.entity in self._masked]
        return self._not_allowed(text, spans)

    def _not_allowed(self, text: str, spans: Sequence[Span]) -> Sequence[Span]:
        """Without what is part of an allowed term; a finding that goes beyond the term stays whole."""
        if not spans or not self._allowed:
            return spans
        allowed = [(start, end) for start, end, _ in self._allowed.find(text)]
        return list(_outside(spans, allowed))

    def _listed(self, text: str) -> Iterator[Span]:
        for start, end, _ in self._denied.find(text):
            yield Span(start, end, Entity.CUSTOM_TERM, _LISTED_MILLI)


def _is_lone_name(text: str, span: Span) -> bool:
    """`Read`, `a-z`, `Za Z`; not `Maria Lopez`, and not the surname in `Dr. Lopez`."""
    if span.entity is not Entity.PERSON or _TITLED.search(text, max(0, span.start - _TITLE_REACH), span.start):
        return False
    return sum(len(word) > 1 for word in text[span.start : span.end].split()) < _FULL_NAME


def _outside(spans: Sequence[Span], places: Sequence[tuple[int, int]]) -> Iterator[Span]:
    """Spans that are not wholly in one of `places`; those are in order of start, and the longest of a start first."""
    at = reach = 0
    for span in sorted(spans, key=lambda each: each.start):
        while at < len(places) and places[at][0] <= span.start:
            reach = max(reach, places[at][1])
            at += 1
        if span.end > reach:
            yield span


@lru_cache(maxsize=32)
def _terms(terms: tuple[str, ...]) -> Phrases[bool]:
    phrases: Phrases[bool] = Phrases()
    for term in terms:
        phrases.add(term, True)
    return phrases
