"""Characters as a reader sees them: without accents and typographic signs, and without what cannot be seen at all."""

import html
import re
import unicodedata
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from gateway.phi.detector import Span

_PUNCTUATION = {
    **dict.fromkeys("\u2018\u2019\u201b\u02bc\u00b4\u0060", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-"),
    **dict.fromkeys("\u2024\u3002\u00b7\u2027", "."),
    "\u2044": "/",
    "\u2215": "/",
    "\u2236": ":",
}
_STROKED = dict(zip("łŁøØđĐßæÆœŒıħĦŧŦðÐþÞ", "lLoOdDsaAoOihHtTdDtT", strict=True))
_LOOKALIKES = dict(
    zip(
        "авекмнорстухіјѕԁһАВЕКМНОРСТУХІЈЅΑΒΕΖΗΙΚΜΝΟΡΤΥΧοανι",
        "abekmhopctyxijsdhABEKMHOPCTYXIJSABEZHIKMNOPTYXoavi",
        strict=True,
    )
)
_OTHER = re.compile(r"[^\x00-\x7f]+")
_MIXED = re.compile(rf"(?<=[A-Za-z0-9])[{''.join(_LOOKALIKES)}]+|[{''.join(_LOOKALIKES)}]+(?=[A-Za-z0-9])")
_HIDDEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u0300-\u036f\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u1ab0-\u1aff"
    "\u1dc0-\u1dff\u200b-\u200f\u202a-\u202e\u2060-\u206f\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e01ef]+"
)
_ESCAPED = re.compile(
    r"%(?:2[0-9A-Fa-f]|3[A-Fa-f]|40|5[BDFbdf]|7[Cc])|&(?:#\d{2,5}|#[xX][0-9A-Fa-f]{2,4}|amp|nbsp|quot|apos|lt|gt|commat);"
    r"|\\(?:u[0-9A-Fa-f]{4}|[\"'/]|[ntr](?![a-z]{2,}[\\:]))"
)
_MAYBE_ESCAPED = ("%", "&", "\\")
_MOST_FOLDS = 5000
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r"}


class _Folds(dict[int, str]):
    """For `str.translate`: one character for one, ASCII where there is an equivalent."""

    def __missing__(self, code: int) -> str:
        folded = _fold(chr(code))
        if len(self) < _MOST_FOLDS:
            self[code] = folded
        return folded


def _fold(character: str) -> str:
    if (plain := _PUNCTUATION.get(character)) is not None:
        return plain
    if character.isspace():
        return " "
    if (number := unicodedata.digit(character, None)) is not None:
        return str(number)
    base = unicodedata.normalize("NFKD", character)[0]
    return base if base.isascii() else _STROKED.get(character, character)


_FOLDS = _Folds()


def fold(text: str) -> str:
    """`text` with ASCII equivalents, of the same length."""
    folded = _OTHER.sub(lambda match: match[0].translate(_FOLDS), text)
    if folded.isascii():
        return folded
    return _MIXED.sub(lambda match: "".join(map(_LOOKALIKES.__getitem__, match[0])), folded)


@dataclass(frozen=True, slots=True)
class Revealed:
    """A text with some characters taken out or decoded, and where in the original each of its characters stood."""

    text: str
    starts: "array[int]"
    ends: "array[int]"

    def restore(self, spans: Iterable[Span]) -> list[Span]:
        """`spans` of `text` as spans of the original; what was taken out inside one belongs to it."""
        return [Span(self.starts[span.start], self.ends[span.end - 1], span.entity, span.score_milli) for span in spans]


def without_hidden(text: str) -> Revealed | None:
    """Without zero-width, control and combining characters; None when there are none."""
    return _revealed(text, _HIDDEN) if _HIDDEN.search(text) else None


def without_escapes(text: str) -> Revealed | None:
    """With `%20`, `&#64;`, `\\"` and `\\u00e9` decoded; None when there are none."""
    if not any(sign in text for sign in _MAYBE_ESCAPED) or not _ESCAPED.search(text):
        return None
    return _revealed(text, _ESCAPED)


def _revealed(text: str, pattern: re.Pattern[str]) -> Revealed:
    pieces: list[str] = []
    starts, ends = array("l"), array("l")
    at = 0
    for match in pattern.finditer(text):
        pieces.append(text[at : match.start()])
        starts.extend(range(at, match.start()))
        ends.extend(range(at + 1, match.start() + 1))
        if pattern is _ESCAPED:
            pieces.append(_decoded(match[0]))
            starts.append(match.start())
            ends.append(match.end())
        at = match.end()
    starts.extend(range(at, len(text)))
    ends.extend(range(at + 1, len(text) + 1))
    return Revealed("".join((*pieces, text[at:])), starts, ends)


def _decoded(escape: str) -> str:
    """Always one character, so that the offsets stay in step."""
    if escape[0] == "%":
        return unquote(escape, "latin-1")
    if escape[0] == "&":
        return html.unescape(escape)[:1]
    if escape[1] in "uU":
        return html.unescape(f"&#x{escape[2:]};")[:1]
    return _CONTROLS.get(escape[1], escape[1])
