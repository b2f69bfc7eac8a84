"""A sealed document is accepted by three independent validators, and by none of ours once a byte of it is another."""

import asyncio
import io
import re
import shutil
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from gateway.baa.document import typeset
from gateway.baa.pades import SealingError, seal_document
from gateway.baa.template import current_template
from gateway.baa.verification import InvalidSealError, Verdict, verify_seal
from tests.unit.baa.seals import NOW, evidence_for, issued, sealed, sealed_with, self_signed

SOON = NOW + timedelta(minutes=10)


def verify(document: bytes, *trusted: x509.Certificate, at: datetime = SOON) -> Verdict:
    return asyncio.run(verify_seal(document, trusted or (self_signed().certificate,), at))


def is_accepted(document: bytes) -> bool:
    try:
        verify(document)
    except InvalidSealError:
        return False
    return True


def ranges_of(document: bytes) -> tuple[bytes, bytes]:
    """What is signed and the signature, found without a PDF library."""
    found = re.search(rb"/ByteRange ?\[(\d+) (\d+) (\d+) (\d+) ?\]", document)
    assert found is not None
    a, b, c, d = map(int, found.groups())
    return document[a : a + b] + document[c : c + d], bytes.fromhex(document[a + b + 1 : c - 1].decode())


def test_a_sealed_document_is_accepted() -> None:
    verdict = verify(sealed())

    assert verdict.fingerprint == self_signed().fingerprint
    assert not verdict.is_stamped


def test_openssl_finds_the_signature_good_over_the_whole_file(tmp_path: Path) -> None:
    signed, signature = ranges_of(sealed())
    (tmp_path / "signed").write_bytes(signed)
    (tmp_path / "signature").write_bytes(signature)
    (tmp_path / "operator.pem").write_bytes(self_signed().certificate.public_bytes(Encoding.PEM))
    command = "openssl cms -verify -binary -inform DER -in signature -content signed -CAfile operator.pem -purpose any"

    ran = subprocess.run([*command.split(), "-out", "copy"], cwd=tmp_path, capture_output=True, text=True)

    assert (ran.returncode, len(signed) + 2 * len(signature) + 2) == (0, len(sealed())), ran.stderr


@pytest.mark.skipif(shutil.which("pdfsig") is None, reason="poppler-utils are not installed")
def test_poppler_finds_the_signature_good_over_the_whole_file(tmp_path: Path) -> None:
    (tmp_path / "agreement.pdf").write_bytes(sealed())

    said = subprocess.run(["pdfsig", "-nocert", "agreement.pdf"], cwd=tmp_path, capture_output=True, text=True).stdout

    assert "Signature is Valid." in said
    assert "Total document signed" in said


def test_a_seal_under_an_authority_is_accepted_by_its_root() -> None:
    seal, root = issued()

    assert verify(asyncio.run(sealed_with(seal)), root).fingerprint == seal.fingerprint


@settings(max_examples=150, deadline=None)
@given(st.floats(0, 1, exclude_max=True), st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_found(where: float, bit: int) -> None:
    changed = bytearray(sealed())
    changed[int(where * len(changed))] ^= 1 << bit

    assert not is_accepted(bytes(changed))


@settings(max_examples=150, deadline=None)
@given(st.floats(0, 1, exclude_max=True), st.integers(0, 7))
def test_a_flipped_bit_in_what_no_signature_covers_is_found(where: float, bit: int) -> None:
    """The signature's own place in the file: most of it is read by nobody, and padding by none at all."""
    _, signature = ranges_of(sealed())
    start = sealed().index(b"<" + signature[:8].hex().upper().encode())
    changed = bytearray(sealed())
    changed[start + int(where * (2 * len(signature) + 2))] ^= 1 << bit

    assert not is_accepted(bytes(changed))


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 1, exclude_max=True))
def test_a_document_cut_off_is_found(where: float) -> None:
    assert not is_accepted(sealed()[: int(where * len(sealed()))])


@pytest.mark.parametrize("addition", [b"\n", b"%%EOF\n", b"\0" * 100])
def test_bytes_after_the_end_are_found(addition: bytes) -> None:
    assert not is_accepted(sealed() + addition)


def test_a_later_revision_is_found() -> None:
    writer = IncrementalPdfFileWriter(io.BytesIO(sealed()))
    writer.root["/Lang"] = writer.root["/Lang"]
    writer.update_root()
    revised = io.BytesIO()
    writer.write(revised)  # pyright: ignore[reportUnknownMemberType]

    with pytest.raises(InvalidSealError):
        verify(revised.getvalue())


def test_a_document_is_sealed_once() -> None:
    with pytest.raises(SealingError, match="sealed already"):
        asyncio.run(seal_document(sealed(), evidence_for(self_signed()), self_signed(), None, NOW))


def test_a_document_without_a_seal_is_found() -> None:
    with pytest.raises(InvalidSealError, match="0 signatures"):
        verify(typeset(current_template(), evidence_for(self_signed())))


@pytest.mark.parametrize("file", [b"", b"%PDF-1.7", b"<html></html>", b"\xff" * 1000])
def test_a_file_that_is_no_document_is_found(file: bytes) -> None:
    with pytest.raises(InvalidSealError, match="not a document"):
        verify(file)


def test_the_seal_of_another_operator_is_not_accepted() -> None:
    with pytest.raises(InvalidSealError, match="not trusted"):
        verify(sealed(), self_signed("Example Health Cloud, Inc. ").certificate)


def test_a_seal_is_not_accepted_when_its_certificate_is_not_in_force() -> None:
    with pytest.raises(InvalidSealError, match="not in force"):
        verify(sealed(), at=NOW + timedelta(days=4000))


def test_a_document_is_not_sealed_with_another_certificate_than_it_names() -> None:
    accepted = evidence_for(self_signed())
    seal, _ = issued()

    with pytest.raises(SealingError, match="another certificate"):
        asyncio.run(seal_document(typeset(current_template(), accepted), accepted, seal, None, NOW))
