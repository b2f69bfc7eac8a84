"""The agreement and its acceptance as a PDF: the same bytes for the same template, evidence and fonts.

Typeset by Typst (https://typst.app/docs/reference/pdf/) as PDF/A-3a and PDF/UA-1: tagged, fonts embedded, readable in
decades. It carries the agreement's text and the evidence as attachments, so that both can be checked without Hasp.
"""

import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

import typst

from gateway.baa.evidence import Evidence
from gateway.baa.pages import Pages, offered_pages, signed_pages
from gateway.baa.template import Template
from gateway.errors import ValidationFailedError

Standard = Literal["a-2u", "a-3a", "ua-1"]
_STANDARDS: list[Standard] = ["a-3a", "ua-1"]
_GLYPHS = b'#set document(title: "-")\n#text(font: "Libertinus Serif", sys.inputs.words)'

_NO_GLYPH = "could not be displayed"


class DocumentError(Exception):
    """The document cannot be made. The text is safe to log: it names what is wrong, and quotes no evidence."""


class _PanickedError(DocumentError):
    """The typesetter itself fell over what it was given."""


def typeset(template: Template, evidence: Evidence, fonts: Path | None = None) -> bytes:
    """The document that is to be sealed. Takes about 0.1 s of a core.

    `fonts` is a folder of further fonts, for scripts that the built-in ones lack. Raises `DocumentError` for evidence
    of another template, and for characters that no font can show: they would be boxes in a contract.
    """
    if evidence.template_sha256 != template.sha256:
        raise DocumentError("the evidence is of another template")
    return _set(signed_pages(template, evidence), fonts)


def offered(template: Template) -> bytes:
    """The text as it is offered: by nobody, to nobody. Raises `DocumentError`."""
    return _set(offered_pages(template), None)


def typeset_pages(source: bytes, inputs: dict[str, str], fonts: Path | None = None) -> bytes:
    """The document that `source` (Typst) makes of `inputs`, which it has as `sys.inputs`. Raises `DocumentError`."""
    try:
        return _compiled(source, inputs, _STANDARDS, fonts)
    except typst.TypstError:
        # From None: its message quotes the text it stumbled over.
        raise DocumentError("could not be typeset: is there a font for every name in it?") from None


def _set(pages: Pages, fonts: Path | None) -> bytes:
    source = files("gateway.baa").joinpath("agreement.typ").read_bytes()
    return typeset_pages(source, {"agreement": pages.json()}, fonts)


def _compiled(source: bytes, inputs: dict[str, str], standards: list[Standard], fonts: Path | None) -> bytes:
    """Raises `TypstError`, and `DocumentError` for all else that can go wrong."""
    try:
        return typst.compile(
            source,
            font_paths=_typefaces(fonts),
            sys_inputs=inputs,
            pdf_standards=[*standards],
            timestamp=0,  # of no bearing: the pages say their own date
        )
    except BaseException as failure:
        # A panic (of 0.15.1: some lines of mixed Hebrew and Arabic) is no `Exception`, and no module has its class.
        if type(failure).__name__ != "PanicException":
            raise
        raise _PanickedError("could not be typeset: the typesetter fell over a name in it") from None


def require_glyphs(words: Mapping[str, str], fonts: Path | None = None) -> None:
    """To refuse at the door what `typeset` could not show: Latin, Greek, Cyrillic, Hebrew and Arabic are built in.

    Raises `ValidationFailedError` that names the field, a key of `words`.
    """
    if _has_glyphs(" ".join(words.values()), fonts):
        return
    for field, text in words.items():
        if not _has_glyphs(text, fonts):
            raise ValidationFailedError(
                f"`{field}` is in a script that the document has no font for; use one that it has, "
                "or ask the operator to install a font.",
                param=field,
            )


def _has_glyphs(words: str, fonts: Path | None) -> bool:
    # In the spelling that is kept: some characters have a glyph, and the ones they are normalised to have none.
    kept = unicodedata.normalize("NFC", words)
    try:
        _compiled(_GLYPHS, {"words": kept}, ["a-2u"], fonts)
    except _PanickedError:
        return False
    except typst.TypstError as failure:
        if _NO_GLYPH not in failure.message:
            raise DocumentError("a name could not be tried out") from None
        return False
    return True


@cache
def _typefaces(further: Path | None) -> typst.Fonts:
    """Those within Typst, never the machine's own: they would make another document on another machine."""
    if further is not None and not further.is_dir():
        raise DocumentError(f"{further} is not a folder of fonts")
    return typst.Fonts(include_system_fonts=False, font_paths=[further] if further else [])
