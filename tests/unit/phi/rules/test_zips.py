"""ZIP codes without a state before them."""

import pytest

from tests.unit.phi.rules.marked import leaks, shaped


@pytest.mark.parametrize(
    "marked",
    [
        "parking lot in Kent, <<98032>>\nThanks.",
        "Arrived at 5391 Kiln St #19, Minot <<66092>> at 0930.",
        "Moved to Zanesville <<43701>> last week",
        "LAKE, BROOK (MOTHER)|9 SHEEP CAMP|BLANDING|UT|<<84511>>|",
        "mailing PO Box 12, Wilsall <<59086>>.",
    ],
)
def test_a_zip_code_after_a_town_a_street_or_a_state_is_hidden(marked: str) -> None:
    assert leaks(marked) == []


def test_a_crowd_in_a_city_is_no_zip_code() -> None:
    assert shaped("Phoenix 12000 people attended; Boston 26000 runners; Dayton 10000 beds") == []
