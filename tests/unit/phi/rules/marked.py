"""Texts in which double angle brackets mark what has to be masked. All people and numbers are invented."""

from itertools import pairwise

from gateway.phi.detector import CERTAIN, LIKELY, Span
from gateway.phi.findings import Entity
from gateway.phi.rules.scan import scan


def leaks(marked: str) -> list[str]:
    """Marked values of which a letter or digit shows, in a conversation known to be about a person."""
    text, values = _unmarked(marked)
    hidden = {at for span in scan(text) if span.score_milli >= LIKELY for at in range(span.start, span.end)}
    return [
        text[start:end]
        for start, end in values
        if any(text[at].isalnum() and at not in hidden for at in range(start, end))
    ]


_SOUGHT_BY_LISTS = frozenset({Entity.PERSON, Entity.LOCATION, Entity.FACILITY, Entity.EMPLOYER})


def shaped(text: str) -> list[str]:
    """Certain findings that figures or signs gave away, not lists of names and places."""
    return [text[span.start : span.end] for span in certain(text) if span.entity not in _SOUGHT_BY_LISTS]


def kinds(text: str) -> list[tuple[str, str]]:
    """Certain findings as text and entity."""
    return [(text[span.start : span.end], span.entity.value) for span in certain(text)]


def certain(text: str) -> list[Span]:
    return [span for span in scan(text) if span.score_milli >= CERTAIN]


def _unmarked(marked: str) -> tuple[str, list[tuple[int, int]]]:
    text = ""
    values: list[tuple[int, int]] = []
    for piece in marked.split("<<"):
        value, closed, rest = piece.partition(">>")
        if closed:
            values.append((len(text), len(text) + len(value)))
        text += value + rest
    assert all(left[1] <= right[0] for left, right in pairwise(values))
    return text, values
