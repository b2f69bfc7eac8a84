"""What is read out of files, hostile ones among them."""

import io
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import GatewayError, UnavailableError
from gateway.files import extraction
from gateway.files.chunking import CHUNK_CHARACTERS, chunks, words
from gateway.files.extraction import DamagedFileError, TooMuchTextError, extracted
from gateway.files.file import FileKind, FileTypeError
from gateway.files.reading import NO_TEXT, TOO_LARGE, UNREADABLE, read_text

_PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>endobj\n"
    b"4 0 obj<</Length 44>>stream\nBT /F 12 Tf 20 200 Td (Night handover) Tj ET\nendstream endobj\n"
    b"5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
)
_WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def docx(document: str, **beside: str) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in {**beside, "document": document}.items():
            archive.writestr(f"word/{name}.xml", part)
    return written.getvalue()


def said(*paragraphs: str) -> str:
    return f"<w:d {_WORD}>" + "".join(f"<w:p><w:r><w:t>{each}</w:t></w:r></w:p>" for each in paragraphs) + "</w:d>"


def pdf(*pages: bytes) -> bytes:
    """Each page with a content of its own; one that is empty cannot be read."""
    objects = [b"<</Type/Catalog/Pages 2 0 R>>"]
    kids = b" ".join(b"%d 0 R" % (3 + 2 * number) for number in range(len(pages)))
    objects.append(b"<</Type/Pages/Kids[%b]/Count %d>>" % (kids, len(pages)))
    font = b"/Resources<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>"
    for number, written in enumerate(pages):
        drawn = b"BT /F 12 Tf 20 200 Td (%b) Tj ET" % written
        page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents %d 0 R%b>>" % (4 + 2 * number, font)
        objects += [page if written else b"null", b"<</Length %d>>stream\n%b\nendstream" % (len(drawn), drawn)]
    return (
        b"%PDF-1.4\n"
        + b"".join(b"%d 0 obj%b endobj\n" % each for each in enumerate(objects, 1))
        + b"trailer<</Root 1 0 R>>\n%%EOF"
    )


KINDS = pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.txt", "\ufeffNaïve".encode(), "Naïve"),
        ("a.csv", "dose;5 µg".encode("latin-1"), "dose;5 µg"),
        ("A.MD", "# Plan".encode("utf-16"), "# Plan"),
        ("a.json", b'{"a": 1}', '{"a": 1}'),
        ("a.html", b"<p>Ward <b>7</b></p><script>x()</script><!-- no -->", "Ward\n7"),
        ("a.pdf", _PDF, "Night handover"),
        ("a.docx", docx(f"<w:d {_WORD}><w:p><w:t>One</w:t></w:p><w:p><w:t>Two</w:t></w:p></w:d>"), "One\nTwo"),
    ],
    # What an archive holds says when it was made: names of tests have to be the same in every process.
    ids=["utf-8", "latin-1", "utf-16", "json", "html", "pdf", "docx"],
)


@KINDS
def test_each_kind_of_file_is_read_as_text(name: str, content: bytes, text: str) -> None:
    assert extracted(FileKind.of(name), content) == text


@pytest.mark.parametrize("name", ["a", "a.exe", "pdf", "a.zip", "a.pdf.exe", ""])
def test_other_kinds_are_refused_by_name(name: str) -> None:
    with pytest.raises(FileTypeError) as refused:
        FileKind.of(name)
    assert isinstance(refused.value, GatewayError)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (FileKind.TEXT, b"\x00\x01\x02"),
        (FileKind.PDF, b"%PDF-1.7 and no more"),
        (FileKind.DOCX, b"PK\x03\x04 and no more"),
        (FileKind.DOCX, docx("<unclosed>")),
    ],
    ids=["text", "pdf", "docx", "a part of it"],
)
def test_a_damaged_file_is_told_as_such(kind: FileKind, content: bytes) -> None:
    with pytest.raises(DamagedFileError):
        extracted(kind, content)


def test_what_stands_around_a_document_is_read_in_its_place() -> None:
    content = docx(
        said("Body"),
        footer1=said("Below"),
        footnotes=said("A note"),
        comments=said("A comment"),
        header2=said("Above, second"),
        header1=said("Above"),
        styles=said("no text"),
    )
    lines = ["Above", "Above, second", "Body", "A comment", "A note", "Below"]
    assert extracted(FileKind.DOCX, content).split("\n") == lines


def test_a_text_box_is_read_once() -> None:
    box = "<w:txbxContent><w:p><w:r><w:t>In a box</w:t></w:r></w:p></w:txbxContent>"
    content = docx(
        f'<w:d {_WORD} xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><w:p>'
        "<w:r><w:t>Before</w:t></w:r><w:r><mc:AlternateContent>"
        f'<mc:Choice Requires="wps"><w:drawing>{box}</w:drawing></mc:Choice><mc:Fallback><w:pict>{box}</w:pict>'
        "</mc:Fallback></mc:AlternateContent></w:r><w:r><w:tab/><w:t>after</w:t></w:r></w:p></w:d>"
    )
    assert extracted(FileKind.DOCX, content) == "Before after\nIn a box"


def test_of_several_forms_of_the_same_the_first_with_text_is_read() -> None:
    forms = [f"<mc:Choice>{each}</mc:Choice>" for each in ("", said("New"), said("Newer"))]
    content = docx(
        f'<w:d {_WORD} xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><mc:AlternateContent>'
        f"{''.join(forms)}<mc:Fallback>{said('Old')}</mc:Fallback></mc:AlternateContent></w:d>"
    )
    assert extracted(FileKind.DOCX, content) == "New"


def test_a_page_that_cannot_be_read_leaves_the_others() -> None:
    text = extracted(FileKind.PDF, pdf(b"Night handover", b"", b"Day handover"))
    assert text == "Night handover\n\n[Page 2 could not be read.]\n\nDay handover"


def test_a_file_of_pictures_has_no_text_whatever_is_wrong_with_a_page() -> None:
    assert extracted(FileKind.PDF, pdf(b" ", b"")) == ""


def test_a_file_of_which_no_page_can_be_read_is_damaged() -> None:
    with pytest.raises(DamagedFileError):
        extracted(FileKind.PDF, pdf(b"", b""))


def test_entities_of_a_document_are_not_followed() -> None:
    hostile = f'<!DOCTYPE d [<!ENTITY f SYSTEM "file:///etc/hostname">]><w:d {_WORD}><w:p><w:t>a&f;</w:t></w:p></w:d>'
    assert extracted(FileKind.DOCX, docx(hostile)) == "a"


def test_a_zip_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "_MOST_UNPACKED", 1_000_000)
    with pytest.raises(TooMuchTextError):
        extracted(FileKind.DOCX, docx("<a>" + " " * 2_000_000 + "</a>"))


@KINDS
async def test_each_kind_of_file_is_read_by_a_process_that_can_reach_nothing(
    name: str, content: bytes, text: str
) -> None:
    assert await read_text(FileKind.of(name), content) == text


async def test_a_document_of_an_old_program_is_read_too() -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("word/document.xml", said("Ward 7"))
        archive.writestr("m\u00f6we.xml", "")
    # Names in the code page of DOS, as programs write them that know no other.
    content = written.getvalue().replace("m\u00f6we".encode(), b"m\x94\x94we").replace(b"\x00\x08", b"\x00\x00")
    assert await read_text(FileKind.DOCX, content) == "Ward 7"


async def test_what_ends_its_reader_is_told_and_not_quoted() -> None:
    assert await read_text(FileKind.DOCX, b"no archive") == UNREADABLE
    assert await read_text(FileKind.TEXT, b" \n") == NO_TEXT
    assert await read_text(FileKind.TEXT, b"a" * (extraction.MOST_CHARACTERS + 1)) == TOO_LARGE


async def test_no_file_is_blamed_for_a_system_that_lets_no_reader_be_confined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a reader says there: see the test of confinement.
    monkeypatch.setattr(sys, "executable", reader(tmp_path, "echo unconfined"))

    with pytest.raises(UnavailableError):
        await read_text(FileKind.TEXT, b"Hello")


async def test_a_reader_has_no_variable_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HASP_DATABASE_URL", "secret")
    monkeypatch.setattr(sys, "executable", reader(tmp_path, "echo read; env"))
    told = await read_text(FileKind.TEXT, b"Hello")

    assert isinstance(told, str)
    assert "PYTHONPATH=" in told
    assert "HASP_" not in told


def reader(folder: Path, says: str) -> str:
    """A program in place of Python, which does as it is told."""
    program = folder / "python"
    program.write_text(f"#!/bin/sh\ncat > /dev/null; {says}\n")
    program.chmod(0o755)
    return str(program)


@given(st.text(alphabet="ab \n.", max_size=6_000))
def test_pieces_are_the_text_without_loss(text: str) -> None:
    pieces = chunks(text)
    assert all(0 < len(piece) <= CHUNK_CHARACTERS for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("夜班护士在十点开始工作。", "护士"),
        ("夜勤はガーゼの交換から始まります。", "ガーゼの交換"),
        ("受付は佐々木さんです。", "佐々木"),
        ("พยาบาลเวรดึกเริ่มงานสี่ทุ่ม", "เวรดึก"),
        ("रात की नर्स दस बजे आती है", "नर्स"),
        ("야간 간호사", "간호사"),
        ("Übergabe um 夜", "夜"),
    ],
)
def test_what_stands_in_a_text_is_found_in_any_script(text: str, asked: str) -> None:
    assert set(words(asked)) <= set(words(text))
    assert words(asked)


def test_a_name_with_a_sign_of_repetition_is_one_run() -> None:
    assert words("佐々木") == ["佐々", "々木"]


def test_marks_that_make_another_word_are_kept() -> None:
    assert words("ガーゼ") != words("カーゼ")
    assert words("क") != words("कि")


def test_words_are_found_in_any_case_accent_and_common_ending() -> None:
    assert words("Naïve HANDOVERS, dosing") == words("naive handover dosed")
