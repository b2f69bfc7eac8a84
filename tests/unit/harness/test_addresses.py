"""What addresses in a tool's input say, as words that the guard can read."""

from typing import Any

import pytest

from gateway.harness.addresses import words_of_addresses


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"url": "https://www.drugs.com/ibuprofen.html"}, "https www drugs com ibuprofen html"),
        ({"query": "dose drugs.com/ibuprofen"}, "drugs com ibuprofen"),
        ({"url": "https://a.com/Maria+Lopez?dob=1960-02-01"}, None),
        ({"url": "https://a.com/Maria+Lopez?born=1960-02-01"}, "https a com Maria Lopez born 1960-02-01"),
        ({"url": "https://a.com/Maria%20Lopez"}, "https a com Maria Lopez"),
        ({"url": "https://a.com/Maria%252520Lopez"}, "https a com Maria Lopez"),
        ({"url": "https://a.com/maria-lopez_md"}, "https a com maria lopez md"),
        ({"url": "https://a.com/?s=123%2D45%2D6789"}, "https a com s 123-45-6789"),
        ({"url": "https://a.com/2026/11/20/measles"}, "https a com measles"),
        ({"url": "https://a.com/1960/11/20/measles"}, "https a com 1960 11 20 measles"),
        ({"url": "https://a.org/patients/88231407"}, None),
        ({"url": "https://a.org/%70atients/88231407"}, None),
        (
            {"each": [{"url": "https://a.com/x"}, "b.com/y"], "https://c.com/z": 1},
            "https a com x\nb com y\nhttps c com z",
        ),
        ({"query": "two tablets, 3.5 ml"}, ""),
        ({"query": "\ud800 a.com"}, "a com"),
    ],
)
def test_an_address_is_read_as_its_words(given: dict[str, Any], words: str | None) -> None:
    assert words_of_addresses(given) == words
