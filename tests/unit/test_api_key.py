"""What a key looks like and what is kept of it."""

import hashlib
import hmac

import pytest

from gateway.keys import api_key
from gateway.tenancy import KeyMode

UNAMBIGUOUS = set("23456789ABCDEFGHJKMNPQRSTVWXYZ")


@pytest.mark.parametrize("mode", KeyMode)
def test_a_new_key_says_its_mode_and_avoids_ambiguous_letters(mode: KeyMode) -> None:
    token = api_key.mint(mode)

    assert token.startswith(f"hasp_key_{mode}_")
    assert len(token) == len(f"hasp_key_{mode}_") + 32
    assert set(token[-32:]) <= UNAMBIGUOUS
    assert api_key.is_well_formed(token)


def test_two_keys_differ() -> None:
    assert api_key.mint(KeyMode.LIVE) != api_key.mint(KeyMode.LIVE)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "hasp_key_live_" + "A" * 31,
        "hasp_key_live_" + "A" * 33,
        "hasp_key_prod_" + "A" * 32,
        "hasp_key_live_" + "A" * 31 + "-",
        "hasp_key_live_" + "A" * 31 + "Å",
        "hasp_key_live_" + "A" * 32 + "\n",
        " hasp_key_live_" + "A" * 32,
    ],
)
def test_what_cannot_be_a_key_is_told_without_a_look_up(token: str) -> None:
    assert not api_key.is_well_formed(token)


def test_any_ascii_letters_and_digits_may_be_a_key() -> None:
    assert api_key.is_well_formed("hasp_key_live_" + "abcdefghijklmnopqrstuvwxyz012345")


def test_the_digest_is_keyed() -> None:
    token = "hasp_key_live_" + "A" * 32

    assert api_key.digest(token, b"pepper") == hmac.new(b"pepper", token.encode(), hashlib.sha256).digest()
    assert api_key.digests(token, {1: b"old", 2: b"new"}) == [
        api_key.digest(token, b"old"),
        api_key.digest(token, b"new"),
    ]
