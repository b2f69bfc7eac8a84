"""Employers without a word of their kind: unions by number, public schools, partners by name, whom a letter is for."""

import re
from collections.abc import Iterator

from gateway.phi.detector import Span
from gateway.phi.findings import Entity
from gateway.phi.lexicon.words import Kind, lexicon
from gateway.phi.rules.document import Document
from gateway.phi.rules.vocabulary import FUNCTION_WORDS, GENERIC_PLACE_WORDS, NOT_NAMES, ROLES, TITLES, word_set

_UNION = re.compile(r"(?<![\w'])(?:[A-Z][\w'-]*\s){0,4}(?:Local|LOCAL)\s(?:No\.?\s)?\d{1,4}\b(?:\s[A-Z][a-z]{4,})?")
_PUBLIC_SCHOOL = re.compile(r"\b(?:P\.?S\.?|I\.S\.)\s?\d{1,3}\b(?!\s?(?:/|cm|mm|over|on|above))")
_SCHOOLING = word_set("school student grade teacher attends kid aide liaison class grader pupil classroom principal")
_PARTNERS = re.compile(r"\b(?:Law\s(?:Offices?|Firm)|Offices)\sof\s(?:[A-Z][\w'.-]*,?\s)+(?:(?:&|and)\s[A-Z][\w'-]+)?")
_ACCOMMODATES = re.compile(
    r"\b(?:should|must|can|will|could|does)\s((?:[A-Z][\w'&.-]*,?\s|(?:and|of|&)\s){1,6})accommodate\b"
)
_ADDRESSED = re.compile(
    r"\b(?:note|letter|memo|email|fax)\sto\s(?P<name>(?:the\s)?[a-z][\w'&.-]*(?:,?\s(?:and\s|&\s)?[a-z][\w'&-]*){0,4}):\s",
    re.IGNORECASE,
)
_LETTERS = frozenset(["note", "letter", "memo", "email", "fax"])
_RULES = (
    (frozenset(["local"]), True, _UNION),
    (_SCHOOLING, True, _PUBLIC_SCHOOL),
    (frozenset(["offices", "office", "firm"]), False, _PARTNERS),
    (frozenset(["accommodate"]), False, _ACCOMMODATES),
    (_LETTERS, False, _ADDRESSED),
)
_NOBODY = (
    TITLES
    | ROLES
    | (NOT_NAMES - GENERIC_PLACE_WORDS)
    | word_set("hr insurance insurer school employer work team whom it may concern")
)


def find_firms(document: Document) -> Iterator[Span]:
    for marks, needs_digit, pattern in _RULES:
        if document.mentions(marks) and (document.has_digit or not needs_digit) and _may_match(document, pattern):
            for match in pattern.finditer(document.flat):
                group = match.lastindex or 0
                if pattern is not _ADDRESSED or _is_firm(match["name"].lower()):
                    start, stop = match.span(group)
                    yield Span(start, start + len(document.flat[start:stop].rstrip(" ,")), Entity.EMPLOYER, 600)


def _may_match(document: Document, pattern: re.Pattern[str]) -> bool:
    """Notes are many, and few are addressed."""
    return pattern is not _ADDRESSED or any(f"{kind} to " in document.lower for kind in _LETTERS)


def _is_firm(name: str) -> bool:
    """`morris group`, `horn-harrell`: with a word that is no plain one, and nobody by their role."""
    words = re.findall(r"[a-z'-]+", name)
    if any(word in _NOBODY or (word in FUNCTION_WORDS and word not in {"and", "the"}) for word in words):
        return False
    kinds = [lexicon().get(word, 0) for word in words if word not in GENERIC_PLACE_WORDS and word not in FUNCTION_WORDS]
    return any(not bits & (Kind.WORD | Kind.MEDICAL) or bits & Kind.COMMON_LAST for bits in kinds)
