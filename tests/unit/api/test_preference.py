"""`Prefer`: how long a request may be held."""

import pytest
from fastapi import Request

from api.preference import DEFAULT_WAIT_S, LONGEST_WAIT_S, preferred_wait_s


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ([], DEFAULT_WAIT_S),
        (["wait=0"], 0),
        (["wait=7"], 7),
        (['Wait = "7"'], 7),
        (["wait=61"], LONGEST_WAIT_S),
        (["wait=999999"], LONGEST_WAIT_S),
        (["respond-async"], 0),
        (["respond-async, wait=5"], 5),
        (["respond-async", "wait=5"], 5),
        (["return=minimal"], DEFAULT_WAIT_S),
        (["wait=-1"], DEFAULT_WAIT_S),
        (["wait=soon"], DEFAULT_WAIT_S),
        (["wait=1" + "0" * 400], DEFAULT_WAIT_S),
    ],
)
def test_a_preference_says_how_long_to_wait_and_what_is_none_says_nothing(lines: list[str], seconds: int) -> None:
    headers = [(b"prefer", line.encode()) for line in lines]

    assert preferred_wait_s(Request({"type": "http", "headers": headers})) == seconds
