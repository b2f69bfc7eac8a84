"""Overlapping findings become one: their union, so that no remainder of a value shows."""

from collections.abc import Iterable

from gateway.phi.detector import CERTAIN, Span


def merge(spans: Iterable[Span]) -> list[Span]:
    """In order, without overlaps. The higher score names the union; doubtful spans give way to likelier ones."""
    merged: list[Span] = []
    ordered = sorted((span for span in spans if span.start < span.end), key=lambda s: (s.start, -s.end))
    for span in (s for s in ordered if s.score_milli >= CERTAIN):
        if merged and span.start < merged[-1].end:
            merged[-1] = _union(merged[-1], span)
        else:
            merged.append(span)
    covered = _Cover(merged)
    doubtful: list[Span] = []
    for span in (s for s in ordered if s.score_milli < CERTAIN):
        if covered.touches(span):
            continue
        if doubtful and span.start < doubtful[-1].end:
            doubtful[-1] = max(doubtful[-1], span, key=lambda s: s.score_milli)
            continue
        doubtful.append(span)
    return sorted((*merged, *doubtful), key=lambda s: s.start)


class _Cover:
    """Whether a span touches any of some ordered ones; asked in order of start."""

    def __init__(self, spans: list[Span]) -> None:
        self._spans = spans
        self._at = 0

    def touches(self, span: Span) -> bool:
        while self._at < len(self._spans) and self._spans[self._at].end <= span.start:
            self._at += 1
        return self._at < len(self._spans) and self._spans[self._at].start < span.end


def _union(left: Span, right: Span) -> Span:
    best = left if left.score_milli >= right.score_milli else right
    return Span(left.start, max(left.end, right.end), best.entity, best.score_milli)
