"""What the vendor would charge for, so that a ledger can be held against it."""

from collections import deque
from dataclasses import asdict, dataclass
from typing import Literal

LIMIT = 20_000

Ending = Literal["complete", "left"]


@dataclass(frozen=True, slots=True)
class Charge:
    """One answer's tokens by kind, the parts of its stated usage: `input` excludes what a cache served or stored."""

    id: str
    """The vendor's, as the answer states it."""
    model: str
    """As the request named it."""
    input: int
    output: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    streamed: bool
    ending: Ending = "complete"


class Bill:
    """The last `LIMIT` charges, oldest first."""

    def __init__(self, *, on: bool) -> None:
        self._on = on
        self._charges: deque[Charge] = deque(maxlen=LIMIT)

    def add(self, charge: Charge) -> None:
        if self._on:
            self._charges.append(charge)

    def listed(self) -> list[dict[str, object]]:
        return [asdict(charge) for charge in self._charges]

    def clear(self) -> None:
        self._charges.clear()
