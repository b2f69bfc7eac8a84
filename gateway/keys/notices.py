"""What is told of a key's end: some days before, and when it has come."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.keys.api_key import ApiKey


class NoticeKind(StrEnum):
    EXPIRING_30 = "expiring:30"
    EXPIRING_7 = "expiring:7"
    EXPIRING_1 = "expiring:1"
    EXPIRED = "expired"
    """Its own end has come."""
    RETIRED = "retired"
    """Its grace is over: that it would be was known when its successor was made, so nobody is reminded."""


AHEAD = {
    NoticeKind.EXPIRING_30: timedelta(days=30),
    NoticeKind.EXPIRING_7: timedelta(days=7),
    NoticeKind.EXPIRING_1: timedelta(days=1),
}


@dataclass(frozen=True, slots=True)
class Notice:
    kind: NoticeKind
    due_at: datetime


def notices_of(key: ApiKey, *, now: datetime) -> tuple[Notice, ...]:
    """What is still to be told of the key's end, given what it is `now`: a reminder whose day has passed is not."""
    end = key.ends_at
    if end is None:
        return ()
    if end == key.retires_at:
        return (Notice(NoticeKind.RETIRED, end),)
    reminders = (Notice(kind, end - ahead) for kind, ahead in AHEAD.items())
    return (*(each for each in reminders if each.due_at > now), Notice(NoticeKind.EXPIRED, end))
