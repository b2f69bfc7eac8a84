"""Overlapping findings become one: their union, so that no remainder of a value shows."""

from collections.abc import Iterable, Sequence
from operator import attrgetter

from gateway.phi.detector import CERTAIN, LIKELY, Span
from gateway.phi.findings import Entity

_START, _END = attrgetter("start"), attrgetter("end")
_WHOLE = frozenset({Entity.OTHER_ID, Entity.URL, Entity.EMAIL_ADDRESS})
"""Kinds that are one token: what is found inside one is a part of it."""


def merge(spans: Iterable[Span]) -> list[Span]:
    """In order, without overlaps. The higher score names the union; doubtful spans give way to likelier ones.

    A doubtful token that something certain was found in is hidden whole: `lopez` in `lopez-clinic.example`.
    """
    ordered = _by_place([span for span in spans if span.start < span.end])
    certain = _joined([span for span in ordered if span.score_milli >= CERTAIN])
    doubtful = [span for span in ordered if span.score_milli < CERTAIN]
    if not doubtful:
        return certain
    if certain and (whole := _touching(certain, [span for span in doubtful if _is_whole(span)])):
        certain = _joined(_by_place([*certain, *whole]))
    free = _strongest(_clear_of(certain, doubtful))
    return sorted((*certain, *free), key=_START)


def _by_place(spans: list[Span]) -> list[Span]:
    """By start, the longer first; two plain sorts are faster than one by pairs."""
    spans.sort(key=_END, reverse=True)
    spans.sort(key=_START)
    return spans


def _is_whole(span: Span) -> bool:
    return span.score_milli >= LIKELY and span.entity in _WHOLE


def _joined(ordered: Sequence[Span]) -> list[Span]:
    joined: list[Span] = []
    for span in ordered:
        if joined and span.start < joined[-1].end:
            joined[-1] = _union(joined[-1], span)
        else:
            joined.append(span)
    return joined


def _strongest(ordered: Sequence[Span]) -> list[Span]:
    """Of doubtful spans that overlap the likeliest, or the union of two likely ones."""
    kept: list[Span] = []
    for span in ordered:
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
        elif min(span.score_milli, kept[-1].score_milli) >= LIKELY:
            kept[-1] = _union(kept[-1], span)
        else:
            kept[-1] = max(kept[-1], span, key=lambda s: s.score_milli)
    return kept


def _clear_of(taken: Sequence[Span], ordered: Sequence[Span]) -> list[Span]:
    cover = _Cover(taken)
    return [span for span in ordered if not cover.touches(span)]


def _touching(taken: Sequence[Span], ordered: Sequence[Span]) -> list[Span]:
    cover = _Cover(taken)
    return [span for span in ordered if cover.touches(span)]


class _Cover:
    """Whether a span touches any of some ordered ones; asked in order of start."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = spans
        self._at = 0

    def touches(self, span: Span) -> bool:
        while self._at < len(self._spans) and self._spans[self._at].end <= span.start:
            self._at += 1
        return self._at < len(self._spans) and self._spans[self._at].start < span.end


def _union(left: Span, right: Span) -> Span:
    best = left if left.score_milli >= right.score_milli else right
    return Span(left.start, max(left.end, right.end), best.entity, best.score_milli)
