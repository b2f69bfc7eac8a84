"""Answers in a conversation, and numbers read out."""

import pytest

from tests.unit.phi.rules.marked import kinds, leaks, shaped


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("AGENT: Your account number?\nCALLER: Uh, 55 80 31 29.", ("55 80 31 29", "ACCOUNT_NUMBER")),
        ("AGENT: Last four of the social?\nCALLER: 7731.", ("7731", "US_SSN")),
        (
            "bot: can I get the last four of the social\ncaller: uh eight eight oh three",
            ("eight eight oh three", "US_SSN"),
        ),
        ("[09:02] Bot: Date of birth?\n[09:03] Patient: 2 dec 97\n[09:03] Bot: ok", ("2 dec 97", "DATE_TIME")),
        ("And the zip code?\nPatient: 45402", ("45402", "US_ZIP")),
    ],
)
def test_an_answer_is_what_the_line_before_it_asks_for(text: str, found: tuple[str, str]) -> None:
    assert kinds(text) == [found]


@pytest.mark.parametrize(
    "text",
    [
        "question: what is the dose?\nA: 500 1000 1500 mg",
        "Pt reports help at home with exercises.\nO: AROM 4-108, quad lag 5 deg",
    ],
)
def test_an_answer_to_no_question_about_a_person_stays(text: str) -> None:
    assert shaped(text) == []


@pytest.mark.parametrize(
    "marked",
    [
        "date of birth <<six slash nineteen slash forty eight>>. He is seventy six.",
        "birthday <<ten twelve ninety four>>. nitrofurantoin one hundred b i d",
        "medical record <<one one seven dash four four>> period she is well",
        "D E A <<F V six six one oh two three nine>>. her callback is later",
    ],
)
def test_numbers_and_dates_read_out_are_hidden(marked: str) -> None:
    assert leaks(marked) == []


def test_counting_in_words_is_no_number_of_anybody() -> None:
    assert shaped("one two three four five steps; ten twelve hour shifts; six slash two") == []
