"""All rules over one text, in windows, so that the cost grows with the length and with nothing else."""

import re
from collections.abc import Iterable

from gateway.phi.detector import Span
from gateway.phi.ner.mentions import find_mentions
from gateway.phi.ner.recognizer import Recognizer
from gateway.phi.rules.ages import find_ages
from gateway.phi.rules.answers import find_answers
from gateway.phi.rules.assistants import without_assistants
from gateway.phi.rules.characters import without_escapes, without_hidden
from gateway.phi.rules.dates import find_dates
from gateway.phi.rules.document import Document
from gateway.phi.rules.echoes import echoes
from gateway.phi.rules.groups import find_groups
from gateway.phi.rules.identifiers import find_plates
from gateway.phi.rules.merge import merge
from gateway.phi.rules.names import find_names
from gateway.phi.rules.numbers import find_numbers
from gateway.phi.rules.organizations import find_organizations
from gateway.phi.rules.patterns import find_patterns
from gateway.phi.rules.places import find_places
from gateway.phi.rules.spoken import find_spoken
from gateway.phi.rules.structure import find_structured
from gateway.phi.rules.zips import find_zips
from gateway.phi.windows import join, windows

_PLACEHOLDER = re.compile(r"\[[A-Z]{2,9}_\d{1,6}\]")


def scan(text: str, recognizer: Recognizer | None = None) -> list[Span]:
    """Certain spans, and doubtful ones for the conversation to settle (`gateway.phi.detector`)."""
    bounds = list(windows(text))
    return list(join([start for start, _ in bounds], [_window(text[start:end], recognizer) for start, end in bounds]))


def _window(text: str, recognizer: Recognizer | None) -> list[Span]:
    """The text as a reader sees it, and once more decoded where it holds escapes: `Maria%20Lopez` is a name too."""
    shown = without_hidden(text)
    visible = shown.text if shown else text
    spans = _visible(visible, recognizer)
    if decoded := without_escapes(visible):
        spans = merge((*spans, *decoded.restore(_visible(decoded.text, recognizer))))
    return shown.restore(spans) if shown else spans


def _visible(text: str, recognizer: Recognizer | None) -> list[Span]:
    document = Document(text)
    places = [*find_places(document), *find_organizations(document)]
    spans = [
        *find_patterns(document),
        *find_numbers(document),
        *find_dates(document),
        *find_structured(document),
        *find_ages(document),
        *find_plates(document),
        *find_spoken(document),
        *find_answers(document),
        *find_groups(document),
        *find_zips(document, places),
        *places,
        *find_names(document, places),
    ]
    merged = merge(_outside_placeholders(document, without_assistants(document, spans)))
    if recognizer is not None:
        mentions = without_assistants(document, find_mentions(document, merged, recognizer))
        merged = merge((*merged, *_outside_placeholders(document, mentions)))
    echoed = _outside_placeholders(document, echoes(document, merged))
    return merge((*merged, *echoed)) if echoed else merged


def _outside_placeholders(document: Document, spans: Iterable[Span]) -> list[Span]:
    """Without what is only the inside of a placeholder of ours, which earlier turns may quote."""
    if "[" not in document.folded:
        return list(spans)
    inside = {index for match in _PLACEHOLDER.finditer(document.folded) for index in range(*match.span())}
    return [span for span in spans if span.start not in inside or span.end - 1 not in inside]
