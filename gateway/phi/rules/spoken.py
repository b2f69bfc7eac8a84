"""Numbers read out digit by digit: `six one seven five five five oh one nine nine`."""

import re
from collections.abc import Iterator

from gateway.phi.detector import Span
from gateway.phi.findings import Entity
from gateway.phi.rules.document import Document
from gateway.phi.rules.vocabulary import word_set

_DIGITS = word_set("zero oh one two three four five six seven eight nine")
_RUN = re.compile(
    r"\b(?:(?:double|triple)\s)?(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)"
    r"(?:[\s,.-]{1,3}(?:(?:double|triple|dash|hyphen|area\scode)\s)?(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)\b){5,24}",
    re.IGNORECASE,
)
_FEWEST_KINDS = 3
_PHONE_DIGITS = (7, 10, 11)


def find_spoken(document: Document) -> Iterator[Span]:
    if len(_DIGITS & document.vocabulary) < _FEWEST_KINDS:
        return
    for match in _RUN.finditer(document.flat):
        digits = sum(word.lower() in _DIGITS for word in re.findall(r"[A-Za-z]+", match[0]))
        entity = Entity.PHONE_NUMBER if digits in _PHONE_DIGITS else Entity.OTHER_ID
        yield Span(match.start(), match.end(), entity, 800)
