"""Numbers that their own grouping gives away: dates, telephone and Social Security numbers, cards, IP addresses.

Every rule starts at a run of digits, so a text costs one pass and a look at each of its numbers.
A checksum or a range that fails never clears a number: test values must go too.
"""

import re
from collections.abc import Iterator

from gateway.phi.detector import CERTAIN, Span
from gateway.phi.findings import Entity
from gateway.phi.rules.document import Document
from gateway.phi.rules.identifiers import identifier_in, lead_before, token_at
from gateway.phi.rules.numeric_dates import (
    DASHED_SHAPES,
    PACKED_SHAPES,
    SLASHED_SHAPES,
    SPACED_SHAPES,
    YEAR_FIRST_SHAPES,
    date_at,
)
from gateway.phi.rules.phones import PHONE_SHAPES, phone_at

_RUN = re.compile(
    r"[0-9](?:[0-9]{2,}|[0-9]?(?![0-9])"
    r"(?=[-/_A-Za-z\\]|\.\w|\s?\s[-/(0-9IVX]|(?<=[-./A-Za-z_].)|(?<=[-./A-Za-z_]..)))"
)
"""One or two digits between spaces are no part of anything: doses, scores and list numbers are passed over at once."""

_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_IPV4 = (
    r"(?P<ipv4>(?<![\w.])(?:(?<!-)|(?<=[A-Za-z]-)(?=\d\d))"
    rf"(?:{_OCTET}\.){{3}}{_OCTET}(?:/\d{{1,2}}|:\d{{2,5}})?(?![\w]|\.\d))"
)
_SSN = r"(?P<ssn>(?<!\d[-.])\d{3}(?P<dash>\s?-\s?|[. /])\d{2}(?P=dash)\d{4}(?!\d|[-.]\d))"
_CARD = (
    r"(?P<card>(?<!\d[-. ])(?:\d{4}(?:[- .]{0,2}\d{4}){3}"
    r"|3[47]\d{2}[- .]{0,2}\d{6}[- .]{0,2}\d{5})(?![\d-]))"
)
_MBI = (
    r"(?P<mbi>(?<![A-Za-z0-9])[1-9][A-Za-z][A-Za-z0-9]\d[- ]?[A-Za-z][A-Za-z0-9]\d[- ]?"
    r"[A-Za-z][A-Za-z0-9]\d{2}(?![A-Za-z0-9]))"
)


def _any(*shapes: str) -> re.Pattern[str]:
    return re.compile("|".join(shapes))


_SLASHED, _YEAR_FIRST = _any(SLASHED_SHAPES), _any(YEAR_FIRST_SHAPES, _CARD, PHONE_SHAPES)
_DASHED, _SPACED = _any(DASHED_SHAPES), _any(SLASHED_SHAPES, SPACED_SHAPES, PHONE_SHAPES)
_DOTTED = _any(DASHED_SHAPES, _IPV4)
_THREE = _any(_SSN, PHONE_SHAPES)
_SHAPES: dict[tuple[int, str], re.Pattern[str]] = {
    (1, "/"): _SLASHED, (2, "/"): _SLASHED,
    (1, "-"): _any(DASHED_SHAPES, PHONE_SHAPES), (2, "-"): _DASHED,
    (1, "_"): _DASHED, (2, "_"): _DASHED,
    (1, "."): _any(DASHED_SHAPES, PHONE_SHAPES, _IPV4), (2, "."): _DOTTED,
    (1, " "): _SPACED, (2, " "): _any(SLASHED_SHAPES, SPACED_SHAPES),
    (3, "-"): _THREE, (3, " "): _THREE, (3, "/"): _THREE, (3, "."): _any(_SSN, PHONE_SHAPES, _IPV4),
    **{(4, sign): _YEAR_FIRST for sign in "-/._ "},
}  # fmt: skip
_LETTERED = re.compile(_MBI)
_LONG = _any(PACKED_SHAPES, _CARD, PHONE_SHAPES)
"""What a run of digits may begin, by its length and the sign after it."""

_LONGEST = 24
_VERSION_BEFORE = re.compile(
    r"(?:version|ver\.?|v|release|build|[=<>!~^]=|[<>~^]|\b(?:bump|upgrade|downgrade|update|pin|install)(?:ed|d|s)?\s[\w@/.-]{2,30}"
    r"(?:\s(?:from|to|\d+\.[\d.]+\sto))?)\s*\Z|(?-i:[A-Z]{2})\.\Z",
    re.IGNORECASE,
)
_VERSION_REACH = 56
_JOINTS = frozenset("-_")
_LIMITS = frozenset({"9007199254740991", "9007199254740992"})
"""The greatest whole numbers that JSON is sure to keep, which schemas name; their digits could be a card's."""

_PLAIN = {
    "ssn": (Entity.US_SSN, 970),
    "card": (Entity.CREDIT_CARD, 950),
    "mbi": (Entity.HEALTH_PLAN_ID, 950),
    "ipv4": (Entity.IP_ADDRESS, 900),
}


def find_numbers(document: Document) -> Iterator[Span]:
    text = document.flat
    done = judged = 0
    for run in _RUN.finditer(text):
        start, end = run.span()
        if start < done or end - start > _LONGEST:
            continue
        span = _shaped(document, start, end)
        if span is not None:
            yield span
            done = span.end
            if not _is_part(document, span):
                continue
        if start >= judged and (token := token_at(text, start, judged)) is not None:
            judged = token.end()
            if (whole := identifier_in(document, token)) is not None:
                yield whole
                if whole.score_milli >= CERTAIN:
                    done = judged = max(done, whole.end)


def _is_part(document: Document, span: Span) -> bool:
    """Whether a date or the like may only be a part of something longer, as in `INV-2024-03-14`."""
    text = document.flat
    before, after = text[max(0, span.start - 2) : span.start], text[span.end : span.end + 2]
    if span.entity is Entity.CREDIT_CARD and after[:1] == " " and after[1:].isdigit():
        return True
    if before[-1:].isalnum() or after[:1].isalnum() or lead_before(document, span.start):
        return True
    return (before[-1:] in _JOINTS and before[:1].isalnum()) or (after[:1] in _JOINTS and after[1:].isalnum())


def _is_no_host(text: str, match: re.Match[str]) -> bool:
    """A version, this very machine, or a whole network."""
    if match[0].startswith(("127.", "0.0.", "255.")) or "/" in match[0]:
        return not match[0].endswith("/32")
    return _VERSION_BEFORE.search(text, max(0, match.start() - 12), match.start()) is not None


def _shaped(document: Document, start: int, end: int) -> Span | None:
    text = document.flat
    if start and text[start - 1] in "(+" and (span := phone_at(document, start - 1)) is not None:
        return span
    sign = text[end : end + 1]
    pattern = (
        _LONG
        if end - start > 5
        else _LETTERED
        if end == start + 1 and sign.isalpha()
        else _SHAPES.get((end - start, sign))
    )
    match = pattern.match(text, start) if pattern else None
    if match is None:
        return None
    kind = match.lastgroup or ""
    if kind == "phone":
        return phone_at(document, start)
    if kind not in _PLAIN:
        is_version = sign == "." and _VERSION_BEFORE.search(text, max(0, start - _VERSION_REACH), start)
        return None if is_version else date_at(document, match)
    if (kind == "ipv4" and _is_no_host(text, match)) or match[0] in _LIMITS:
        return None
    entity, score = _PLAIN[kind]
    return Span(match.start(), match.end(), entity, score)
