"""Billing periods: from one anchor day to the next, at midnight where the organisation is.

An anchor that a month lacks falls on the month's last day, and the month after
has it back (31 January, 28 February, 31 March): each start is counted from the
anchor itself, never from the start before.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from gateway.errors import ValidationFailedError

_SHORTEST = timedelta(days=27)
"""Every month is longer, also where clocks change: what is shorter comes of a change of cycle."""


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` up to but not including `end`, both in UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Cycle:
    """When periods begin: `anchor_day` (1 to 31) of every month, 00:00 in the IANA time zone `zone`."""

    zone: str = "UTC"
    anchor_day: int = 1


def period_of(at: datetime, cycle: Cycle = Cycle(), *, ended: datetime | None = None) -> Period:
    """The period that `at` falls in; `ended`, not after `at`, is where the last one known ended, on whatever cycle.

    What a change of cycle leaves between the two is no period of its own, or each change would bring an allotment:
    it belongs to the first of the new ones, which is thus 27 to 58 days long.
    """
    if ended is not None:
        first = Period(ended, _regular(ended + _SHORTEST, cycle).end)
        if at < first.end:
            return first
    return _regular(at, cycle)


def _regular(at: datetime, cycle: Cycle) -> Period:
    local = at.astimezone(ZoneInfo(cycle.zone))
    months = local.year * 12 + local.month - 1
    start, end = _starts(months, cycle), _starts(months + 1, cycle)
    if at < start:
        return Period(_starts(months - 1, cycle), start)
    if at >= end:  # a zone that turned its clock back over midnight
        return Period(end, _starts(months + 2, cycle))
    return Period(start, end)


def read_zone(field: str, name: str) -> str:
    """`name`, an IANA time zone. Raises `ValidationFailedError`, which does not quote it."""
    if name not in _zones():
        raise ValidationFailedError(f"`{field}` is not an IANA time zone such as America/New_York.", param=field)
    return name


@lru_cache(1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones()) - {"Factory", "localtime", "posixrules"}


def _starts(months: int, cycle: Cycle) -> datetime:
    """When the period of month number `months` (counted from year 0) starts.

    A midnight that a change of clocks skips is the moment of the change; of one that comes twice it is the first.
    """
    year, month = divmod(months, 12)
    _, last_day = monthrange(year, month + 1)
    local = datetime(year, month + 1, min(cycle.anchor_day, last_day), tzinfo=ZoneInfo(cycle.zone))
    return local.astimezone(UTC)
