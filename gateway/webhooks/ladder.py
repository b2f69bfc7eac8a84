"""When a delivery that failed is tried again: the waits between tries, as the workflow and the row both reckon them.

Pure, and without randomness: the same delivery at the same try waits the same, whoever asks and however often.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from gateway.webhooks.attempts import Failure, Outcome

DEFAULT_WAITS_S: Final = (10, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Some 75 hours in all: the documented five, then on to about three days."""
LONGEST_WAIT_S: Final = 7 * 86_400
MOST_WAITS: Final = 30

_JITTER: Final = 0.2
_SLOW_DOWN_S: Final = 60.0
_STRETCH: Final = 2.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What a failed try says of the next one. `is_slow`: it timed out, or was told to slow down."""

    retry_after_s: float | None = None
    is_slow: bool = False


def wish_of(outcome: Outcome) -> Wish:
    return Wish(outcome.retry_after_s, outcome.failure in (Failure.TIMEOUT, Failure.THROTTLED))


def wait_s(waits_s: Sequence[float], delivery: str, number: int, wish: Wish, *, before: int = 0) -> float | None:
    """Seconds from the end of try `number` (from 1 on, of which `before` were of earlier chains) to the next one.

    None when there is none: the chain is over. A fifth more or less than the ladder says, so that what failed
    together does not come back together; up to twice that where the receiver asked for it, and never less than
    a minute for one that is slow.
    """
    step = number - before - 1
    if step >= len(waits_s):
        return None
    wait = waits_s[step] * (1 + _JITTER * _share(delivery, number))
    asked = wish.retry_after_s
    wait = wait if asked is None else min(max(wait, asked), _STRETCH * wait)
    return max(wait, _SLOW_DOWN_S) if wish.is_slow else wait


def check_waits(waits_s: Sequence[float]) -> None:
    """Raises `ValueError` for a ladder that is empty, too long, falls, or waits no time or over a week."""
    if not 1 <= len(waits_s) <= MOST_WAITS:
        raise ValueError(f"must name 1 to {MOST_WAITS} waits")
    if not all(1 <= wait <= LONGEST_WAIT_S for wait in waits_s):
        raise ValueError(f"waits are 1 to {LONGEST_WAIT_S} seconds")
    if any(later < earlier for earlier, later in pairwise(waits_s)):
        raise ValueError("a wait must not be shorter than the one before")


def _share(delivery: str, number: int) -> float:
    """A number from -1 to 1 that looks random."""
    digest = hashlib.sha256(f"{delivery}/{number}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**63 - 1
