"""A checker that shares no code with ours judges sealed agreements as ours does."""

import asyncio
import re
from datetime import timedelta

import pytest

from gateway.baa.verification import InvalidSealError, verify_seal
from tests.unit.baa.referee import RefusedError, judge
from tests.unit.baa.seals import NOW, issued, sealed, sealed_with, self_signed

SOON = NOW + timedelta(minutes=10)


def changed(at: int) -> bytes:
    document = bytearray(sealed())
    document[at] ^= 1 << at % 8
    return bytes(document)


def is_refused_by_both(document: bytes) -> bool:
    trusted = [self_signed().certificate]
    with pytest.raises(RefusedError):
        judge(document, trusted)
    with pytest.raises(InvalidSealError):
        asyncio.run(verify_seal(document, trusted, SOON))
    return True


def structure() -> list[int]:
    """Where the file says what it is, what is signed, and how it is to be read."""
    document = sealed()
    places = set(range(12)) | set(range(len(document) - 120, len(document)))
    for mark in (rb"/ByteRange ?\[[^]]*\]", rb"/Type ?/Sig\b", rb"/SubFilter ?/[\w.]+", rb"startxref", rb"/DocMDP"):
        found = list(re.finditer(mark, document))
        assert found, mark
        places |= {at for each in found for at in range(*each.span())}
    return sorted(places)


def test_it_accepts_what_was_sealed() -> None:
    assert judge(sealed(), [self_signed().certificate]) is False


def test_it_accepts_a_seal_under_an_authority() -> None:
    seal, root = issued()

    assert judge(asyncio.run(sealed_with(seal)), [root]) is False


def test_it_refuses_the_seal_of_another_operator() -> None:
    with pytest.raises(RefusedError, match="not trusted"):
        judge(sealed(), [self_signed("Another operator").certificate])


def test_a_change_anywhere_in_what_is_signed_is_found_by_both() -> None:
    start, end = re.search(rb"/Contents ?<[0-9A-F]+>", sealed()).span()  # pyright: ignore[reportOptionalMemberAccess]
    signed = [at for at in range(0, len(sealed()), len(sealed()) // 250) if not start <= at < end]

    assert all(is_refused_by_both(changed(at)) for at in signed)


def test_a_change_in_any_byte_of_the_structure_is_found_by_both() -> None:
    assert all(is_refused_by_both(changed(at)) for at in structure())
