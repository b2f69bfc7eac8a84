"""Phrases found as whole words, in texts of any length."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.phi.phrases import Phrases, is_phrase


def phrases_of(*phrases: str) -> Phrases[str]:
    made: Phrases[str] = Phrases()
    for phrase in phrases:
        made.add(phrase, phrase)
    return made


def found(text: str, *phrases: str) -> list[str]:
    places = dict.fromkeys((start, end) for start, end, _ in phrases_of(*phrases).find(text))
    return [text[start:end] for start, end in places]


@pytest.mark.parametrize(
    ("text", "phrase", "places"),
    [
        ("MARIA  lopez and Maria-Lopez", "Maria Lopez", ["MARIA  lopez", "Maria-Lopez"]),
        ("lookupMariaLopez, maria_lopez.pdf", "Maria Lopez", ["MariaLopez", "maria_lopez"]),
        ("Marial Lopez, Maria Lopezes", "Maria Lopez", []),
        ("Maria, and then Lopez", "Maria Lopez", []),
        ("MRN00153497 and 001534970", "00153497", ["00153497"]),
        ("患者张伟说", "张伟", ["张伟"]),
        ("MCDONALD, mcdonald and McDonald", "McDonald", ["MCDONALD", "mcdonald", "McDonald"]),
        ("McDonald", "mcdonald", ["McDonald"]),
        (
            "x a1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6",
            "A1B2C3D4E5F6A7B8C9D0A1B2C3D4E5F6",
            ["a1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6"],
        ),
        ("Straße und STRASSE", "Straße", ["Straße", "STRASSE"]),
    ],
)
def test_a_phrase_stands_as_whole_words_in_any_case(text: str, phrase: str, places: list[str]) -> None:
    assert found(text, phrase) == places


def test_the_longest_phrase_wins_and_none_overlap() -> None:
    assert found("Ana Maria Lopez Ruiz", "Maria", "Maria Lopez", "Lopez Ruiz") == ["Maria Lopez"]


@given(st.integers(0, 40_000), st.integers(1, 40))
def test_a_phrase_is_found_wherever_a_long_text_is_cut(at: int, gap: int) -> None:
    text = "a " * (at // 2) + "Maria Lopez " + "b" * gap + " Maria Lopez"
    assert found(text, "Maria Lopez", "a c") == ["Maria Lopez", "Maria Lopez"]


@pytest.mark.parametrize(
    ("text", "can_be"),
    [("Maria Lopez", True), ("a " * 24, True), ("a " * 25, False), ("a ----- b", False), ("--", False)],
)
def test_what_cannot_be_found_is_no_phrase(text: str, can_be: bool) -> None:
    assert is_phrase(text) is can_be
