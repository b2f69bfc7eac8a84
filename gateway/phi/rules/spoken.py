"""Numbers and dates read out: `six one seven five five five oh one nine nine`, `six slash ten slash forty eight`."""

import re
from collections.abc import Iterator

from gateway.phi.detector import Span
from gateway.phi.findings import Entity
from gateway.phi.rules.document import Document
from gateway.phi.rules.labels import entity_of_label, label_before
from gateway.phi.rules.vocabulary import word_set

_DIGITS = word_set("zero oh one two three four five six seven eight nine")
_RUN = re.compile(
    r"\b(?:(?:double|triple)\s)?(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)"
    r"(?:[\s,.-]{1,3}(?:(?:double|triple|dash|hyphen|area\scode)\s)?(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)\b){5,24}",
    re.IGNORECASE,
)
_DIGIT = r"(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)"
_SHORT_RUN = re.compile(
    rf"(?:\b[A-Za-z][\s,-]{{1,2}}){{0,3}}\b{_DIGIT}(?:[\s,-]{{1,3}}(?:(?:double|triple|dash|hyphen)\s)?(?:{_DIGIT}|[A-Za-z])\b(?!')){{3,14}}",
    re.IGNORECASE,
)
_SPELLED_LABEL = re.compile(
    rf"\b(?P<label>d\se\sa|n\sp\si|m\sr\sn|s\ss\sn)\s(?:(?:number|is|of)\s){{0,2}}"
    rf"(?P<value>(?:[a-z]\s){{0,3}}{_DIGIT}(?:[\s,-]{{1,3}}(?:(?:double|triple|dash)\s)?{_DIGIT}\b){{3,14}})",
    re.IGNORECASE,
)
"""Four digits and more, and letters between them: what a label says to be a number, as `F V six six one oh`."""

_TEENS = "ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
_UNITS = "one|two|three|four|five|six|seven|eight|nine"
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_TWO = rf"(?:{_TEENS}|(?:{_TENS})(?:[\s-](?:{_UNITS}))?|(?:oh[\s-])?(?:{_UNITS}))"
_DAY = rf"(?:{_TEENS}|(?:twenty|thirty)(?:[\s-](?:{_UNITS}))?|(?:oh[\s-])?(?:{_UNITS}))"
_YEAR = rf"(?:(?:nineteen|twenty|two\sthousand)(?:[\s-](?:hundred\s)?(?:and\s)?{_TWO})?|{_TWO})"
_MONTH = rf"(?:(?:oh[\s-])?(?:{_UNITS})|ten|eleven|twelve)"
_SLASHED = re.compile(rf"\b{_MONTH}\s(?:slash|dash)\s{_DAY}\s(?:slash|dash)\s{_YEAR}\b", re.IGNORECASE)
_BORN = re.compile(
    rf"\b(?:birth|birthday|birthdate|dob|d\.?o\.?b\.?|born(?:\son)?)[\s,:]{{1,3}}(?:(?:is|was|on|of|date|uh|um)[\s,]{{1,2}}){{0,2}}"
    rf"(?P<date>{_MONTH}[\s,]{{1,2}}{_DAY}[\s,]{{1,2}}{_YEAR})\b",
    re.IGNORECASE,
)
_FEWEST_KINDS = 3
_FEWEST_LABELLED = 4
_PHONE_DIGITS = (7, 10, 11)
_SIGNS = frozenset(["slash", "dash"])
_BIRTHS = word_set("birth birthday birthdate dob born d")
_WORDED = word_set(f"{_TEENS}|{_UNITS}".replace("|", " "))


def find_spoken(document: Document) -> Iterator[Span]:
    if not document.vocabulary.isdisjoint(_SIGNS):
        for match in _SLASHED.finditer(document.flat):
            yield Span(match.start(), match.end(), Entity.DATE_TIME, 900)
    if not document.vocabulary.isdisjoint(_BIRTHS) and not document.vocabulary.isdisjoint(_WORDED):
        for match in _BORN.finditer(document.flat):
            yield Span(match.start("date"), match.end("date"), Entity.DATE_TIME, 900)
    if len(_DIGITS & document.vocabulary) < _FEWEST_LABELLED - 2 or not _are_many(document):
        return
    yield from _labelled(document)
    if len(_DIGITS & document.vocabulary) < _FEWEST_KINDS:
        return
    for match in _RUN.finditer(document.flat):
        digits = sum(word.lower() in _DIGITS for word in re.findall(r"[A-Za-z]+", match[0]))
        entity = Entity.PHONE_NUMBER if digits in _PHONE_DIGITS else Entity.OTHER_ID
        yield Span(match.start(), match.end(), entity, 800)


def _are_many(document: Document) -> bool:
    """Whether three words in a row are figures."""
    said = "".join("d" if word.lower in _DIGITS else " " for word in document.words)
    return "ddd" in said


def _labelled(document: Document) -> Iterator[Span]:
    """Short numbers, and ones with letters, where a label says that they are one."""
    for match in _SPELLED_LABEL.finditer(document.flat):
        entity = entity_of_label("".join(match["label"].lower().split()))
        if entity is not None:
            yield Span(match.start("value"), match.end("value"), entity, 850)
    for match in _SHORT_RUN.finditer(document.flat):
        words = re.findall(r"[A-Za-z]+", match[0])
        if sum(word.lower() in _DIGITS for word in words) < _FEWEST_LABELLED:
            continue
        label = label_before(document, match.start(), document.word_before(match.start()))
        if label is not None and (label.announced or not label.weak or "record" in label.name):
            yield Span(match.start(), match.end(), label.entity, 800)
