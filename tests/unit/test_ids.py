"""Ids tell when they were made."""

from datetime import UTC, datetime

import pytest
from ulid import ULID

from gateway.ids import day_of


@pytest.mark.parametrize(
    "made",
    [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2026, 3, 1, 23, 59, 59, 999_000, tzinfo=UTC),
        datetime(2026, 3, 2, tzinfo=UTC),
        datetime(2032, 2, 29, 12, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    ],
)
def test_an_id_names_the_utc_day_on_which_it_was_made(made: datetime) -> None:
    assert day_of(str(ULID.from_datetime(made))) == made.date()


def test_every_digit_of_an_id_is_read() -> None:
    for milliseconds in range(0, 250_000_000_000_000, 7_777_777_777_777):
        ulid = ULID.from_timestamp(milliseconds / 1000)
        assert day_of(str(ulid)) == ulid.datetime.date()
