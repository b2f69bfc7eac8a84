"""The text of a file. Run in a process of its own, with limits: what callers upload is hostile until it is read.

`python -m gateway.files.extraction KIND` reads the file's bytes from stdin, and writes what came of it to stdout: a
line that says which `Outcome`, and the text.
"""

import importlib
import io
import re
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any, Final, cast

import lxml.etree
import lxml.html

from gateway.files.confinement import confine
from gateway.files.file import FileKind

MOST_CHARACTERS: Final = 4_000_000
"""Of a file's text: a thousand pages of a dense book, and more than any model is given."""

_MOST_UNPACKED: Final = 100_000_000
_MOST_ENTRIES: Final = 5_000
_DOCUMENT: Final = "word/document.xml"
_BESIDE: Final = tuple(
    re.compile(rf"word/{name}\.xml") for name in (r"header\d*", "(footnotes|endnotes|comments)", r"footer\d*")
)
_COMPATIBLE: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_NOT_READ: Final = ("script", "style", "noscript", "template")


_LATE: Final = (
    "pypdfium2",
    *(f"encodings.{each}" for each in ("ascii", "cp437", "latin_1", "utf_16", "utf_16_be", "utf_16_le", "utf_8_sig")),
)
"""What would be imported as it is needed, when nothing can be imported any more."""


# The library has no types.
_etree = cast("Any", lxml.etree)
_lxml_html = cast("Any", lxml.html)


class Outcome(StrEnum):
    READ = "read"
    TOO_LARGE = "too_large"
    DAMAGED = "damaged"
    UNCONFINED = "unconfined"
    """Nobody looked: the system lets a process not give up what it could do."""


class TooMuchTextError(Exception):
    """Unpacked, or as text, it is more than is read."""


class DamagedFileError(Exception):
    """It is not what its name says, or nobody without its password can read it."""


def extracted(kind: FileKind, content: bytes) -> str:
    """Raises `TooMuchTextError` and `DamagedFileError`, and whatever a library does over a hostile file."""
    text = _READERS[kind](content)
    if len(text) > MOST_CHARACTERS:
        raise TooMuchTextError
    # Nothing that PostgreSQL, JSON or a model could not hold.
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _plain(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _decoded(content, "utf-16")
    if b"\x00" in content:
        raise DamagedFileError
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # What older office programs write; every byte is a character there.
        return content.decode("latin-1")


def _decoded(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        raise DamagedFileError from None


def _html(content: bytes) -> str:
    parser = _lxml_html.HTMLParser(
        encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=True
    )
    try:
        page = _lxml_html.document_fromstring(_plain(content).encode(), parser=parser)
    except (_etree.LxmlError, ValueError):
        raise DamagedFileError from None
    _etree.strip_elements(page, *_NOT_READ, with_tail=False)
    return "\n".join(line for each in page.itertext() if (line := " ".join(each.split())))


def _docx(content: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return "\n".join(line for part in _unpacked(archive) for line in _paragraphs(part))
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, EOFError, zlib.error):
        raise DamagedFileError from None


def _unpacked(archive: zipfile.ZipFile) -> Iterator[bytes]:
    """What of a document has text, in the order of a page: what stands above it, itself, its notes, what is below."""
    names = archive.namelist()
    if len(names) > _MOST_ENTRIES:
        raise TooMuchTextError
    above, notes, below = (sorted(filter(each.fullmatch, names)) for each in _BESIDE)
    left = _MOST_UNPACKED
    for name in (*above, _DOCUMENT, *notes, *below):
        with archive.open(name) as part:
            # What is announced may be a lie: no more than this is unpacked whatever it says.
            unpacked = part.read(left + 1)
        left -= len(unpacked)
        if left < 0:
            raise TooMuchTextError
        yield unpacked


def _paragraphs(part: bytes) -> Iterator[str]:
    parser = _etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        root = _etree.fromstring(part, parser)
    except _etree.XMLSyntaxError:
        raise DamagedFileError from None
    for alternatives in [*root.iter(f"{_COMPATIBLE}AlternateContent")]:
        # The same in several forms, for programs that know one or another of them.
        forms = [*alternatives.iterchildren(f"{_COMPATIBLE}Choice", f"{_COMPATIBLE}Fallback")]
        read = next((each for each in forms if next(each.iter("{*}t"), None) is not None), None)
        for each in forms:
            if each is not read:
                alternatives.remove(each)
    for each in root.iter("{*}p"):
        yield "".join(_words(each))


def _words(element: Any) -> Iterator[str]:  # noqa: ANN401 - the library has no types
    """Without those of paragraphs in it, as a text box has them: they are read by themselves."""
    for each in element.iterchildren("{*}*"):
        match _etree.QName(each).localname:
            case "t":
                yield each.text or ""
            case "tab" | "br" | "cr":
                yield " "
            case "p":
                continue
            case _:
                yield from _words(each)


def _pdf(content: bytes) -> str:
    import pypdfium2  # not in every process that knows kinds of files

    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError:
        raise DamagedFileError from None
    pages: list[str] = []
    length = unread = 0
    has_text = False
    for number in range(len(document)):
        try:
            page = document[number]
            text: str = cast("Any", page.get_textpage()).get_text_bounded()
            page.close()
            has_text = has_text or bool(text.strip())
        except pypdfium2.PdfiumError:
            unread += 1
            text = f"[Page {number + 1} could not be read.]"
        length += len(text)
        if length > MOST_CHARACTERS:
            raise TooMuchTextError
        pages.append(text.replace("\r\n", "\n"))
    if unread == len(pages):
        raise DamagedFileError
    # What says that a page is missing is no text of the file's.
    return "\n\n".join(pages) if has_text else ""


_READERS: Mapping[FileKind, Callable[[bytes], str]] = {
    FileKind.TEXT: _plain,
    FileKind.HTML: _html,
    FileKind.PDF: _pdf,
    FileKind.DOCX: _docx,
}


def main(kind: str) -> None:
    outcome, text = Outcome.READ, ""
    content = sys.stdin.buffer.read()
    for name in _LATE:
        importlib.import_module(name)
    try:
        confine()
    except (OSError, ValueError):
        sys.stdout.write(f"{Outcome.UNCONFINED}\n")
        return
    try:
        text = extracted(FileKind(kind), content)
    except (TooMuchTextError, MemoryError):
        outcome = Outcome.TOO_LARGE
    except Exception:  # noqa: BLE001 - whatever a library says of a hostile file, the file is what is wrong
        outcome = Outcome.DAMAGED
    sys.stdout.buffer.write(f"{outcome}\n{text}".encode())


if __name__ == "__main__":
    main(sys.argv[1])
