"""Billing periods against a clock on the wall: one that is read every quarter of an hour for ten years."""

import itertools
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.credits.period import Cycle, Period, period_of, read_zone
from gateway.errors import ValidationFailedError

# Both edges of daylight saving, some at midnight; the ends of the earth; half hours; a day that never was.
ZONES = {
    "UTC": 2020,
    "America/New_York": 2020,
    "America/Havana": 2020,
    "America/Santiago": 2020,
    "Africa/Cairo": 2020,
    "Asia/Kolkata": 2020,
    "Australia/Lord_Howe": 2020,
    "Pacific/Chatham": 2020,
    "Pacific/Kiritimati": 2020,
    "Pacific/Pago_Pago": 2020,
    "America/St_Johns": 2020,
    "Pacific/Apia": 2006,
}
ANCHORS = range(1, 32)
QUARTER = timedelta(minutes=15)


@cache
def first_moments(zone: str) -> Mapping[date, datetime]:
    """When the wall clock of `zone` first showed each day, or a later one, over ten years."""
    there, at = ZoneInfo(zone), datetime(ZONES[zone] - 1, 12, 1, tzinfo=UTC)
    newest, end, moments = date.min, at + timedelta(days=3720), dict[date, datetime]()
    while at < end:
        today = at.astimezone(there).date()
        while newest < today:
            newest = today if newest == date.min else newest + timedelta(days=1)
            moments[newest] = at
        at += QUARTER
    return moments


def wall_starts(zone: str, anchor: int) -> list[datetime]:
    """The periods' starts by that clock: the last day of each month that is not after the anchor."""
    last: dict[tuple[int, int], date] = {}
    for day in first_moments(zone):
        if day.day <= anchor and day.year < ZONES[zone] + 10:
            last[day.year, day.month] = day
    return [moment for day, moment in first_moments(zone).items() if day in set(last.values())]


@pytest.mark.parametrize("zone", ZONES)
def test_over_ten_years_every_period_is_what_the_wall_clock_says(zone: str) -> None:
    for anchor in ANCHORS:
        cycle, starts = Cycle(zone, anchor), wall_starts(zone, anchor)[1:]
        expected = [Period(*pair) for pair in itertools.pairwise(starts)]

        assert len(expected) >= 119
        for period in expected:
            assert period_of(period.start, cycle) == period, (zone, anchor)
            assert period_of(period.end - timedelta(microseconds=1), cycle) == period, (zone, anchor)


@given(
    at=st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1)),  # noqa: DTZ001 - made aware below
    zone=st.sampled_from([*ZONES]),
    anchor=st.integers(1, 31),
)
def test_periods_cover_time_without_gap_or_overlap(at: datetime, zone: str, anchor: int) -> None:
    moment, cycle = at.replace(tzinfo=UTC), Cycle(zone, anchor)

    period = period_of(moment, cycle)

    assert period.start <= moment < period.end
    assert period_of(period.end, cycle).start == period.end
    assert period_of(period.start - timedelta(microseconds=1), cycle).end == period.start
    assert timedelta(days=27) < period.end - period.start < timedelta(days=32)


@given(
    at=st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1)),  # noqa: DTZ001
    zone=st.sampled_from([*ZONES]),
    anchor=st.integers(1, 31),
)
def test_a_period_begins_at_midnight_of_its_anchor_day_or_where_the_clock_skips_it(
    at: datetime, zone: str, anchor: int
) -> None:
    there = ZoneInfo(zone)

    start = period_of(at.replace(tzinfo=UTC), Cycle(zone, anchor)).start

    local = start.astimezone(there)
    just_before = (start - timedelta(microseconds=1)).astimezone(there)
    skipped = local.utcoffset() != just_before.utcoffset()
    tomorrow = local.date() + timedelta(days=1)
    assert local.time() == time() or skipped
    assert local.day == anchor or (local.day < anchor and tomorrow.day == 1) or skipped


@pytest.mark.parametrize(
    ("cycle", "starts"),
    [
        (Cycle("UTC", 31), ["2027-12-31", "2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30", "2028-05-31"]),
        (Cycle("UTC", 29), ["2026-12-29", "2027-01-29", "2027-02-28", "2027-03-29"]),
        (Cycle("America/New_York", 8), ["2026-02-08T05", "2026-03-08T05", "2026-04-08T04"]),
        (Cycle("America/Santiago", 6), ["2026-08-06T04", "2026-09-06T04", "2026-10-06T03"]),  # 00:00 is 01:00
        (Cycle("America/Havana", 1), ["2026-10-01T04", "2026-11-01T04", "2026-12-01T05"]),  # 00:00 comes twice
        (Cycle("Pacific/Apia", 30), ["2011-11-30T10", "2011-12-30T10", "2012-01-29T10"]),  # there was no 30th
        (Cycle("Pacific/Apia", 31), ["2011-11-30T10", "2011-12-30T10", "2012-01-30T10"]),
        (Cycle("Pacific/Kiritimati", 1), ["2026-01-31T10", "2026-02-28T10", "2026-03-31T10"]),
    ],
    ids=lambda value: f"{value.zone} {value.anchor_day}" if isinstance(value, Cycle) else "",
)
def test_months_without_the_day_and_nights_without_midnight(cycle: Cycle, starts: list[str]) -> None:
    moments = [datetime.fromisoformat(each if "T" not in each else f"{each}:00").replace(tzinfo=UTC) for each in starts]

    for start, end in itertools.pairwise(moments):
        assert period_of(start, cycle) == Period(start, end)


@given(
    ended=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001
    zone=st.sampled_from([*ZONES]),
    anchor=st.integers(1, 31),
    later=st.integers(0, 10**8),
)
def test_after_a_change_of_cycle_a_period_begins_where_the_last_one_ended_and_is_no_gift(
    ended: datetime, zone: str, anchor: int, later: int
) -> None:
    end, cycle = ended.replace(tzinfo=UTC), Cycle(zone, anchor)

    first = period_of(end, cycle, ended=end)
    second = period_of(first.end, cycle, ended=first.end)
    found = period_of(end + timedelta(seconds=later), cycle, ended=end)

    assert first.start == end
    assert timedelta(days=27) < first.end - first.start < timedelta(days=60)
    assert second == period_of(first.end, cycle)
    assert found == (first if end + timedelta(seconds=later) < first.end else period_of(found.start, cycle))


@pytest.mark.parametrize(
    "name", ["", "Factory", "localtime", "America/new_york", "+02:00", "../etc/passwd", "EST5\x00"]
)
def test_what_is_no_zone_is_refused_without_being_quoted(name: str) -> None:
    with pytest.raises(ValidationFailedError) as refused:
        read_zone("time_zone", name)

    assert refused.value.param == "time_zone"
    assert not name or name not in refused.value.text


@pytest.mark.parametrize("name", [*ZONES])
def test_a_zone_is_taken_by_its_name(name: str) -> None:
    assert read_zone("time_zone", name) == name
