"""How long content is kept: what was chosen, what still bears, and which days are due to be destroyed.

Only whole days of UTC are destroyed, each with its own key. Whatever would have content destroyed sooner than it was
promised bears only after a delay, so that neither a stolen key nor a slip of the hand destroys anything at once.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from ulid import ULID

RETENTION_DAYS = (1, 36_500)
"""The shortest and the longest that content may be kept: a century is as good as for ever."""

MINIMUM_RETENTION_DAYS = (0, RETENTION_DAYS[1])
"""The shortest and the longest that content may have to be kept before a person may have it erased; 0: not at all."""

DELAY = timedelta(days=7)
"""How long a shorter time, or the end of a hold, waits until it bears."""

_DAY = timedelta(days=1)


class PurgeReason(StrEnum):
    RETENTION = "retention"
    TERMINATION = "termination"
    """The agreement was terminated and the time to export has passed: all content is destroyed."""


@dataclass(frozen=True, slots=True)
class Retention:
    """An organisation's choice, and what of an earlier one still bears."""

    days: int = 2555
    legal_hold: bool = False
    """While it is set nothing is destroyed."""
    floor_days: int | None = None
    """What was promised before: counts until `floor_until`."""
    floor_until: datetime | None = None
    hold_until: datetime | None = None
    """A hold that was lifted counts until then."""

    def changed(self, *, days: int, legal_hold: bool, now: datetime) -> "Retention":
        """With that choice. What keeps content longer bears at once and takes back what was pending; less, after
        `DELAY`.
        """
        after = replace(self, days=days, legal_hold=legal_hold)
        if legal_hold != self.legal_hold:
            after = replace(after, hold_until=None if legal_hold else now + DELAY)
        promised = self.effective_days(now)
        if days == self.days:
            return after
        if days >= promised:
            return replace(after, floor_days=None, floor_until=None)
        # A step back from a shorter time that is pending, but not all the way, bears when that would have.
        return replace(after, floor_days=promised, floor_until=now + DELAY if days < self.days else self.floor_until)

    def effective_days(self, now: datetime) -> int:
        """For how many days content is kept at `now`."""
        if self.floor_days is None or self.floor_until is None or now >= self.floor_until:
            return self.days
        return max(self.days, self.floor_days)

    def is_held(self, now: datetime) -> bool:
        return self.legal_hold or (self.hold_until is not None and now < self.hold_until)

    def bears_from(self, now: datetime) -> datetime | None:
        """When all that was chosen will bear; None: it does."""
        pending = (self.floor_until, None if self.legal_hold else self.hold_until)
        return max((each for each in pending if each is not None and each > now), default=None)

    def due_through(self, now: datetime) -> date | None:
        """The last day whose content is no longer kept; None while nothing may be destroyed."""
        if self.is_held(now):
            return None
        return _days_before(now, 1 + self.effective_days(now))


@dataclass(frozen=True, slots=True)
class Due:
    """Content through that day is to be destroyed."""

    through: date
    reason: PurgeReason


def due(
    retention: Retention, *, closed_from: datetime | None, now: datetime, held_from: date | None = None
) -> Due | None:
    """What is to be destroyed at `now`; None: nothing may be.

    `closed_from` is when an organisation whose agreement was terminated could no longer read its records. `held_from`
    is the day of the first record of anybody who is held: a day has one key, so it and what follows stay.
    """
    through = retention.due_through(now)
    if through is None:
        return None
    is_closed = closed_from is not None and now >= closed_from
    last = _days_before(now, 1) if is_closed else through
    if held_from is not None and held_from <= last:
        last = held_from - _DAY
    return Due(last, PurgeReason.TERMINATION if is_closed else PurgeReason.RETENTION)


def first_id_after(day: date) -> str:
    """The least ULID that can be made after that day of UTC: all of the day, and before it, sort below."""
    milliseconds = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000) + 86_400_000
    return str(ULID.from_bytes(max(milliseconds, 0).to_bytes(6, "big") + bytes(10)))


def _days_before(now: datetime, days: int) -> date:
    today = now.astimezone(UTC).date()
    return max(today, date.min + days * _DAY) - days * _DAY
