"""A long text cut into overlapping windows, and what was found in them put together again.

Rules read one window at a time, so that their cost grows with the length and
with nothing else, and so that a scanner is never taken for longer than a few.
"""

from collections.abc import Iterator, Sequence

from gateway.phi.detector import Span
from gateway.phi.rules.merge import merge

_WINDOW = 8192
_OVERLAP = 256


def windows(text: str) -> Iterator[tuple[int, int]]:
    """Where each window starts and ends; a text of up to 8,192 characters is one. A window is its own only window."""
    start = 0
    while True:
        end = _break_before(text, start + _WINDOW)
        yield start, end
        if end >= len(text):
            return
        start = _break_before(text, end - _OVERLAP)


def join(starts: Sequence[int], found: Sequence[Sequence[Span]]) -> Sequence[Span]:
    """Spans of a whole text from those of its windows; what two windows saw is one."""
    if len(starts) == 1:
        return found[0]
    return merge(
        Span(span.start + start, span.end + start, span.entity, span.score_milli)
        for start, spans in zip(starts, found, strict=True)
        for span in spans
    )


def _break_before(text: str, at: int) -> int:
    """The last white space shortly before `at`, so that a window cuts no word unless the word is longer than that."""
    if at >= len(text):
        return len(text)
    for index in range(at, at - 64, -1):
        if text[index].isspace():
            return index
    return at
