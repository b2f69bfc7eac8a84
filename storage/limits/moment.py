"""A clock's time as buckets keep it."""

from datetime import UTC, datetime, timedelta

from gateway.clock import Clock

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(clock: Clock) -> int:
    """Of Unix time."""
    return (clock.now() - _EPOCH) // timedelta(microseconds=1)
