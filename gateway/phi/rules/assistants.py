"""What an AI assistant is called: a program's name and nobody's. `Claude Code` is one, `Claude Martin` is somebody."""

import re
from collections.abc import Iterable

from gateway.phi.detector import Span
from gateway.phi.findings import Entity
from gateway.phi.rules.document import Document
from gateway.phi.rules.vocabulary import word_set

_GIVEN_TO_ASSISTANTS = "claude"
_VERSIONED = "haiku|sonnet|opus|fable|mythos"
_PRODUCT = re.compile(
    rf"claude(?:[ -](?:code|desktop|cowork|(?:agent )?sdk|api|{_VERSIONED}|sessions?|models?|\d+(?:[.-]\d+)?)"
    r"|\.(?:md|ai|com|json)|/[\w.])(?![A-Za-z])"
    r"|(?<=[./~@])claude(?=[/-])",
    re.IGNORECASE,
)
_TELLING = word_set("anthropic subagent subagents")
"""Who speaks of these speaks of the assistant."""


def without_assistants(document: Document, spans: Iterable[Span]) -> list[Span]:
    """Without what names the product, or calls the assistant by its lone name in a text that is about it."""
    if _GIVEN_TO_ASSISTANTS not in document.lower:
        return list(spans)
    products = [match.span() for match in _PRODUCT.finditer(document.flat)]
    told = bool(products) or document.mentions(_TELLING)
    return [span for span in spans if not (_is_name(span) and _is_assistant(document, span, products, told=told))]


def _is_name(span: Span) -> bool:
    return span.entity in {Entity.PERSON, Entity.LOCATION}


def _is_assistant(document: Document, span: Span, products: list[tuple[int, int]], *, told: bool) -> bool:
    if told and document.lower[span.start : span.end] == _GIVEN_TO_ASSISTANTS:
        return True
    return any(start <= span.start and span.end <= end for start, end in products)
