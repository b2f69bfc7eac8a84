"""Telephone, pager and fax numbers, in American and international forms."""

import re

from gateway.phi.detector import LIKELY, Span
from gateway.phi.findings import Entity
from gateway.phi.rules.document import Document
from gateway.phi.rules.vocabulary import word_set

_EXTENSION = r"(?:[,;]?\s*(?:\#|x|ext\.?|extn\.?|extension|option|opt)\s*\d{1,6}(?!\d))?"
_NANP = (
    r"(?:\+?1[-. ]{0,3}|001[-. ])?(?:\(\s?\d{3}\s?\)\s{0,2}[-./]?\s{0,2}|\d{3}(?:\s{0,2}[-./]\s{0,2}|\s{1,2}))"
    r"\d{3}(?:\s{0,2}[-.]\s{0,2}|\s{1,2}|(?<=\d/\d{3})/)\d{4}"
    rf"(?!\d|-\d|\.\d){_EXTENSION}"
)
_VANITY = (
    r"(?:\+?1[-. ])?\(?8(?:00|33|44|55|66|77|88)\)?[-. ]"
    r"(?=[A-Z0-9-]{0,8}[A-Z]{3})[A-Z0-9]{2,7}(?:-[A-Z0-9]{2,5})?(?![\w-])"
)
_WORLD = r"(?:\+\d{1,3}\)?|00[1-9]\d(?=\s)|011[-. ]\d{1,3})(?:[ .-]{0,2}\(?\d{1,5}\)?){2,6}(?![\w])"
_PACKED = rf"\+?1?\d{{3}}[-. ]?\d{{7}}(?!\d|[-.]\d){_EXTENSION}"
_LOCAL = rf"\d{{3}}[-. ]\d{{4}}(?!\d|[-./]\d){_EXTENSION}"
PHONE_SHAPES = rf"(?P<phone>(?<![\w.])(?<!\d[-/])(?i:{_NANP}|{_WORLD}|{_PACKED}|{_LOCAL})|{_VANITY})"
"""Everything that `phone_at` may find at a run of digits."""

_FULL = re.compile(rf"(?<![\w])(?<!\d[-./])(?i:{_NANP})|(?<![\w])(?:{_VANITY})")
_FOREIGN = re.compile(_WORLD)
_SHORT = re.compile(rf"(?<![\w])(?<!\d[-./])(?i:{_PACKED}|{_LOCAL})")
_PUBLIC_LINES = frozenset(["8002221222", "8002738255", "8006334227", "8007997233", "8006624357", "8002324636"])
"""Poison control, crisis and government lines, which are nobody's own."""

_FEWEST_WORLD_DIGITS = 8
_PHONE_WORDS = word_set(
    "tel telephone phone phones ph cell cellular cellphone mobile call calls calling called callback text texted "
    "pager page paged beeper contact contacts home work office desk direct reach reached reachable dial voicemail "
    "hotline line landline ext extension whatsapp sms mob ring p t c h m w o"
)
_FAX_WORDS = word_set("fax faxed faxes faxing facsimile efax telefax fx f")
_OTHER_LABELS = word_set(
    "mrn id npi dea ssn account acct member claim policy group order accession serial lot case rx record reference ref "
    "license licence invoice chart plan subscriber medicare medicaid dob date born"
)
_SINGLE = word_set("p t c h m w o f")
_FILLERS = 6
_REACH = 48
_AT_BEFORE = re.compile(
    r"\b(?:s?he|they|wife|husband|mom|dad|son|daughter|(?:s?he|they|who)'?s)\s(?:is\s|are\s)?at\s\Z", re.IGNORECASE
)
_FAX_AFTER = re.compile(r"\s?[(\[,-]?\s?(?:fax|facsimile)\b|\s?\(f\)", re.IGNORECASE)
_PHONE_AFTER = re.compile(r"\s?[(\[]\s?(?:cell|home|work|mobile|office|tel|phone|pager|h|c|w|m|o)\b", re.IGNORECASE)


def phone_at(document: Document, start: int) -> Span | None:
    """The number whose first sign is at `start`; short and packed ones only where a word says what they are."""
    text = document.flat
    match = _FULL.match(text, start)
    if match is None and (world := _FOREIGN.match(text, start)):
        match = world if sum(map(str.isdigit, world[0])) >= _FEWEST_WORLD_DIGITS else None
    said = None
    if match is None:
        match = _SHORT.match(text, start)
        said = _said(document, match.start(), match.end()) if match else None
        if said is None:
            apart = match and not match[0].isdigit() and _AT_BEFORE.search(text, max(0, start - 24), start)
            return Span(start, match.end(), Entity.PHONE_NUMBER, LIKELY) if match and apart else None
    if match is None:
        return None
    if "".join(filter(str.isdigit, match[0]))[-10:] in _PUBLIC_LINES:
        return None
    entity = said or _said(document, start, match.end()) or Entity.PHONE_NUMBER
    return Span(start, match.end(), entity, 930)


def _said(document: Document, start: int, end: int) -> Entity | None:
    """What the words around a number call it."""
    if _FAX_AFTER.match(document.flat, end):
        return Entity.FAX_NUMBER
    words = document.words
    last = document.word_before(start)
    for index in range(last, max(-1, last - _FILLERS), -1):
        word = words[index]
        gap = document.flat[word.end : words[index + 1].start if index < last else start]
        if start - word.end > _REACH or "; " in gap or word.lower in _OTHER_LABELS or _ends_sentence(word.lower, gap):
            break
        if word.lower in _SINGLE and gap[:1] not in {":", "."}:
            continue
        if word.lower in _FAX_WORDS:
            return Entity.FAX_NUMBER
        if word.lower in _PHONE_WORDS:
            return Entity.PHONE_NUMBER
    return Entity.PHONE_NUMBER if _PHONE_AFTER.match(document.flat, end) else None


def _ends_sentence(word: str, gap: str) -> bool:
    return ". " in gap and len(word) > 3 and word not in _FAX_WORDS and word not in _PHONE_WORDS
