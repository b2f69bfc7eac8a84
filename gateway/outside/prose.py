"""What there is to read on a page: its title and its text, without what is only for browsers."""

import codecs
import re
from dataclasses import dataclass
from typing import Any, cast

import lxml.etree
import lxml.html

from gateway.outside.reading import Page, UnreadError

_HTML = frozenset({"text/html", "application/xhtml+xml"})
_PLAIN = re.compile(r"text/|application/(?:[a-z.-]+\+)?(?:json|xml|yaml|javascript)\Z")
_UNSEEN = frozenset({"script", "style", "noscript", "template", "svg", "math", "iframe", "object", "head"})
_BLOCKS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "fieldset", "figcaption"),
        *("figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol"),
        *("p", "pre", "section", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul"),
    )
)
_MOST_CHARACTERS = 200_000
"""Of a page's text; each piece counts for one more, however small. Beyond what any model is given of it."""
_LONGEST_TITLE = 500
_ENCODINGS = frozenset(
    (
        *("ascii", "utf-8", "utf-16", "utf-16-be", "utf-16-le", "mac-roman", "mac-cyrillic", "tis-620", "kz1048"),
        *("big5", "big5hkscs", "gb2312", "gbk", "gb18030", "shift_jis", "cp437", "cp850", "cp852", "cp855", "cp866"),
        *("cp874", "cp932", "cp949"),
    )
)
_FAMILIES = ("iso8859-", "cp125", "koi8-", "euc_", "iso2022_")
_SPACES = re.compile(r"[ \t\r\f\v\xa0]+")
_BREAKS = re.compile(r" ?\n\s*\n\s*")


# The library has no types.
_etree = cast("Any", lxml.etree)
_html = cast("Any", lxml.html)


@dataclass(frozen=True, slots=True)
class Prose:
    title: str
    text: str
    is_cut: bool = False
    """Whether the page says more."""


def read_prose(page: Page) -> Prose:
    """What `page` says; takes some milliseconds a hundred kilobytes. Raises `UnreadError` for what is no text."""
    if page.media_type in _HTML:
        return _of_html(page)
    if not page.media_type or _PLAIN.match(page.media_type):
        text = _decoded(page).strip()
        return Prose("", text[:_MOST_CHARACTERS], is_cut=len(text) > _MOST_CHARACTERS)
    raise UnreadError("What the server has there is not text.")


def _of_html(page: Page) -> Prose:
    parser = _html.HTMLParser(
        encoding=_codec(page.charset), no_network=True, remove_comments=True, remove_pis=True, huge_tree=False
    )
    try:
        root = _html.document_fromstring(page.body or b"<p></p>", parser=parser)
    except (_etree.ParserError, _etree.XMLSyntaxError, ValueError, LookupError):
        raise UnreadError("The page cannot be read.") from None
    pieces: list[str] = []
    left = _MOST_CHARACTERS
    walk = _etree.iterwalk(root, events=("start", "end"))
    for event, element in walk:
        begins, is_unseen = event == "start", element.tag in _UNSEEN
        if begins and is_unseen:
            walk.skip_subtree()
        said = ("" if is_unseen else element.text) if begins else element.tail
        pieces += ("\n", said or "") if element.tag in _BLOCKS else (said or "",)
        left -= len(pieces[-1]) + 1
        if left < 0:
            break
    text = _BREAKS.sub("\n\n", _SPACES.sub(" ", "".join(pieces))).strip()
    title = _SPACES.sub(" ", str(root.findtext(".//title") or "")[:_LONGEST_TITLE]).strip()
    return Prose(title, text[:_MOST_CHARACTERS], is_cut=left < 0)


def _decoded(page: Page) -> str:
    return page.body.decode(_codec(page.charset) or "utf-8", "replace")


def _codec(charset: str | None) -> str | None:
    """The name of a codec that pages are in; None for any other.

    Some of Python's take minutes over a page of the wrong bytes (punycode), or make characters that are none (utf-7).
    """
    try:
        name = codecs.lookup(charset).name if charset else ""
    except (LookupError, ValueError):
        return None
    return name if name in _ENCODINGS or name.startswith(_FAMILIES) else None
