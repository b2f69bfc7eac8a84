"""What the pages say, read back out of the PDF by another library (PDFium)."""

# Its own signatures are half typed.
# pyright: reportUnknownMemberType=false

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import cast

import pypdfium2
import pytest

from gateway.baa.document import DocumentError, offered, require_glyphs, typeset
from gateway.baa.evidence import LONGEST_NAME, Signatory
from gateway.baa.template import Template, current_template, templates
from gateway.errors import ValidationFailedError
from tests.unit.baa.acceptances import evidence, named

NAMES = [
    "Łukasz Ångström-Nguyễn",
    "Ελένη Παπαδοπούλου",
    "Дмитрий Щукин",
    "#eval(panic()) *bold* _it_ $x$ `raw` <a> @b \\",
]


PANICKING = (
    " ".join(map(chr, [*range(0x5D9, 0x5EB), *range(0x5EF, 0x5F3)]))
    + "  "
    + " ".join(map(chr, [0x5F4, *range(0x606, 0x616)]))
    + " ".join(map(chr, range(0x616, 0x61C)))
    + "\u061d"
)
"""Wraps where the typesetter of today takes a slice of what is not there."""


def pages_of(document: bytes) -> list[str]:
    return [page.get_textpage().get_text_bounded() for page in pypdfium2.PdfDocument(document)]


def words_of(document: bytes) -> str:
    return " ".join(" ".join(pages_of(document)).split())


def attachments_of(document: bytes) -> dict[str, bytes]:
    opened = pypdfium2.PdfDocument(document)
    files = [opened.get_attachment(number) for number in range(opened.count_attachments())]
    return {file.get_name(): bytes(file.get_data()) for file in files}


def test_the_same_evidence_makes_the_same_bytes() -> None:
    assert typeset(current_template(), evidence()) == typeset(current_template(), evidence())


@pytest.mark.parametrize("template", templates(), ids=lambda template: template.version)
def test_every_word_of_the_agreement_is_on_the_pages(template: Template) -> None:
    running = r"Business Associate Agreement Document \S+|Template \S+, SHA-256 \S+ Page \d+ of \d+"
    said = re.sub(running, "", words_of(typeset(template, evidence(template))))
    squeezed = re.sub(r"\s", "", said)

    _, _, *lines = template.text.splitlines()
    assert re.sub(r"\s", "", "".join(lines)) in squeezed


def test_every_page_says_which_it_is_and_of_which_document() -> None:
    pages = pages_of(typeset(current_template(), evidence()))

    marks = [
        (f"Page {number} of {len(pages)}" in page, evidence().document in page) for number, page in enumerate(pages, 1)
    ]
    assert marks == [(True, True)] * len(pages)


def test_the_pages_name_both_parties_and_the_evidence() -> None:
    words = words_of(typeset(current_template(), evidence()))

    accepted = evidence()
    expected = [
        accepted.organization_name,
        accepted.organization,
        accepted.operator.name,
        accepted.operator.countersigner,
        accepted.signatory.title,
        accepted.signatory.email,
        accepted.signatory.authority,
        accepted.acceptance_text,
        "203.0.113.7",
        "curl/8",
        "2026-11-22 11:49:00 UTC",
        "2026-11-22 12:00:00 UTC",
        accepted.template_sha256,
        accepted.seal.fingerprint,
        "self-signed",
    ]
    assert [fact for fact in expected if fact not in words] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_signer_is_named_as_typed(name: str) -> None:
    assert name in words_of(typeset(current_template(), named(name)))


def test_nothing_runs_off_a_page_however_long_a_name_is() -> None:
    widest = "W" * LONGEST_NAME
    signatory = Signatory(widest, widest, widest, evidence().signatory.authority)
    document = typeset(current_template(), replace(evidence(signatory=signatory), organization_name=widest))

    for page in pypdfium2.PdfDocument(document):
        text, (width, height) = page.get_textpage(), page.get_size()
        for at in range(text.count_chars()):
            left, bottom, right, top = cast("tuple[float, float, float, float]", text.get_charbox(at))
            assert 0 <= left <= right <= width
            assert 0 <= bottom <= top <= height


def test_the_agreement_and_the_evidence_are_attached_byte_for_byte() -> None:
    attached = attachments_of(typeset(current_template(), evidence()))

    assert hashlib.sha256(attached["2026-11.txt"]).hexdigest() == current_template().sha256
    assert attached["evidence.json"] == evidence().json()


def test_the_document_is_tagged_and_made_to_be_archived() -> None:
    document = pypdfium2.PdfDocument(typeset(current_template(), evidence()))

    metadata = document.get_metadata_dict()
    assert document.is_tagged()
    assert (metadata["Title"], metadata["Author"]) == (
        f"Business Associate Agreement, document {evidence().document}",
        "Example Health Cloud, Inc.",
    )


def test_evidence_of_another_text_makes_no_document() -> None:
    older, _ = templates()

    with pytest.raises(DocumentError):
        typeset(current_template(), evidence(older))


@pytest.mark.parametrize("field", ["name", "title", "email"])
def test_a_script_without_a_font_is_refused_by_field(field: str) -> None:
    words = {"name": "Anna", "title": "Officer", "email": "anna@mercy.example", field: "山田太郎"}

    with pytest.raises(ValidationFailedError) as refusal:
        require_glyphs(words)

    assert refusal.value.param == field
    assert "山" not in str(refusal.value)


def test_a_document_never_shows_boxes_for_letters() -> None:
    with pytest.raises(DocumentError) as failure:
        typeset(current_template(), named("山田太郎"))

    assert "山" not in str(failure.value)


@pytest.mark.parametrize("name", [*NAMES, "שרה כהן", "فاطمة الزهراء"])
def test_a_script_with_a_font_is_let_in(name: str) -> None:
    require_glyphs({"name": name})


@pytest.mark.parametrize("bracket", ["\u2329", "\u232a"])
def test_a_name_is_tried_out_in_the_spelling_that_is_kept(bracket: str) -> None:
    with pytest.raises(ValidationFailedError):
        require_glyphs({"name": f"Mercy {bracket}North"})


def test_a_name_that_the_typesetter_falls_over_is_refused_by_field(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValidationFailedError) as refusal:
        require_glyphs({"name": "Anna", "organization_name": PANICKING})

    assert refusal.value.param == "organization_name"
    assert PANICKING[:9] not in capfd.readouterr().err


def test_an_offer_has_the_text_and_no_party() -> None:
    words = words_of(offered(current_template()))

    assert "Offered for acceptance; not signed" in words
    assert "Signatures" not in words
    assert attachments_of(offered(current_template())).keys() == {"2026-11.txt"}


def test_a_folder_of_fonts_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="missing"):
        typeset(current_template(), evidence(), tmp_path / "missing")
