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
_UNSEEN = ("script", "style", "noscript", "template", "svg", "math", "iframe", "object", "head")
_BLOCKS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "fieldset", "figcaption"),
        *("figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol"),
        *("p", "pre", "section", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul"),
    )
)
_SPACES = re.compile(r"[ \t\r\f\v\xa0]+")
_BREAKS = re.compile(r" ?\n\s*\n\s*")


# The library has no types.
_etree = cast("Any", lxml.etree)
_html = cast("Any", lxml.html)


@dataclass(frozen=True, slots=True)
class Prose:
    title: str
    text: str


def read_prose(page: Page) -> Prose:
    """What `page` says; takes some milliseconds a hundred kilobytes. Raises `UnreadError` for what is no text."""
    if page.media_type in _HTML:
        return _of_html(page)
    if not page.media_type or _PLAIN.match(page.media_type):
        return Prose("", _decoded(page).strip())
    raise UnreadError("What the server has there is not text.")


def _of_html(page: Page) -> Prose:
    parser = _html.HTMLParser(
        encoding=_codec(page.charset), no_network=True, remove_comments=True, remove_pis=True, huge_tree=False
    )
    try:
        root = _html.document_fromstring(page.body or b"<p></p>", parser=parser)
    except (_etree.ParserError, _etree.XMLSyntaxError, ValueError, LookupError):
        raise UnreadError("The page cannot be read.") from None
    title = str(root.findtext(".//title") or "").strip()
    for unseen in list(root.iter(*_UNSEEN)):
        unseen.drop_tree()
    pieces: list[str] = []
    for event, element in _etree.iterwalk(root, events=("start", "end")):
        is_block = element.tag in _BLOCKS
        if event == "start":
            pieces += ["\n"] if is_block else []
            pieces.append(element.text or "")
        else:
            pieces += ["\n"] if is_block else []
            pieces.append(element.tail or "")
    text = _SPACES.sub(" ", "".join(pieces))
    return Prose(_SPACES.sub(" ", title), _BREAKS.sub("\n\n", text).strip())


def _decoded(page: Page) -> str:
    return page.body.decode(_codec(page.charset) or "utf-8", "replace")


def _codec(charset: str | None) -> str | None:
    """The name of a codec for text; None for one that nobody knows, or that unpacks instead."""
    try:
        found = codecs.lookup(charset) if charset else None
    except (LookupError, ValueError):
        return None
    return found.name if found is not None and found._is_text_encoding else None  # noqa: SLF001 - no other way to ask
