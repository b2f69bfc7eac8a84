"""Answers in a conversation: what one speaker asks for, the next line says without its label."""

import re
from collections.abc import Iterator

from gateway.phi.detector import Span
from gateway.phi.findings import Entity
from gateway.phi.rules.document import Document
from gateway.phi.rules.labels import label_named

_TURN = re.compile(
    r"\n\s{0,4}(?:\[[^\]\n]{1,24}\]\s?)?(?:[A-Za-z][A-Za-z .'-]{0,24}:|>|-)\s{1,3}"
    r"(?:(?:uh|um|er|yes|yeah|yep|ok|okay|sure|it|its|it's|that|that's|is|so|well|hi|and|my|the|number)\b[\s,.]{1,3}){0,6}"
    r"(?P<value>[A-Za-z]{0,4}[ -]?\d[\dA-Za-z]{0,15}(?:[ -][A-Za-z]{0,3}\d[\dA-Za-z]{0,9}){0,6}"
    r"|(?:(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)\b[\s,-]{0,2}){4,12})(?=\s*[.,;!?\n]|\s*\Z)",
    re.IGNORECASE,
)
_ASKED = re.compile(r"[A-Za-z][A-Za-z '/-]*")
_LONGEST_QUESTION = 120
_MOST_WORDS = 12
_FEWEST_WORDS = 3
_FEWEST_SIGNS = 4
_DATED = frozenset(["birth", "dob", "birthday", "birthdate", "born"])
_SIGNS = re.compile(r"\d|\b(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)\b", re.IGNORECASE)


def find_answers(document: Document) -> Iterator[Span]:
    text = document.folded
    if "\n" not in text:
        return
    for turn in _TURN.finditer(text):
        start = turn.start("value")
        if len(_SIGNS.findall(turn["value"])) < _FEWEST_SIGNS:
            continue
        line = text[max(text.rfind("\n", 0, turn.start()) + 1, turn.start() - _LONGEST_QUESTION) : turn.start()]
        if entity := _asked_for(line):
            yield Span(start, start + len(turn["value"].rstrip(" ,-\n")), entity, 870)


def _asked_for(line: str) -> Entity | None:
    """What the end of a line asks for, read from its last word backwards; without a question mark its very end."""
    reach = _MOST_WORDS if line.rstrip(" \"'\u201d").endswith("?") else _FEWEST_WORDS
    words = [word.lower() for phrase in _ASKED.findall(line) for word in phrase.split()][-reach:]
    for at in range(len(words), 0, -1):
        if words[at - 1] in _DATED:
            return Entity.DATE_TIME
        for count in (3, 2, 1):
            if at >= count and (entity := label_named(" ".join(words[at - count : at]))) is not None:
                return entity
    return None
