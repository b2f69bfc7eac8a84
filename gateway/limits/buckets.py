"""Token buckets as both stores keep them, and what their levels mean.

A bucket's state is how much of it is used. Amounts are counted in grains, of
which a unit (a request, a token) has as many as a minute has microseconds:
then every microsecond gives back exactly `limit` grains, and integers are
all it takes, in SQL as in Lua.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gateway.ids import OrganizationId

GRAINS = 60_000_000
"""In one unit; also the microseconds of a minute."""
DAY_US = 86_400_000_000
LARGEST_LIMIT = 100_000_000
"""A full bucket's grains stay below 2**53, which Lua counts exactly."""
_SECOND_US = 1_000_000


class LimitName(StrEnum):
    """As `details.limit` names them."""

    KEY_RPM = "key_rpm"
    KEY_DAILY = "key_daily"
    ORG_RPM = "org_rpm"
    ORG_TPM = "org_tpm"


@dataclass(frozen=True, slots=True)
class Bucket:
    """So many units a minute, refilled all the time; `KEY_DAILY` is a day's, empty of use at 00:00 UTC."""

    name: LimitName
    org: OrganizationId
    owner: str
    """The organisation, or the first key of a line of successors."""
    limit: int

    @property
    def key(self) -> str:
        return f"{self.name}:{self.owner}"

    @property
    def is_daily(self) -> bool:
        return self.name is LimitName.KEY_DAILY

    @property
    def counts_requests(self) -> bool:
        return self.name is not LimitName.ORG_TPM


@dataclass(frozen=True, slots=True)
class Draw:
    """Units that one request takes from several buckets: from all of them, or from none.

    A negative cost gives units back. `forced` ones are taken whether or not there is room, so that a
    bucket may owe more than it holds. No bucket is ever fuller than full.
    """

    buckets: tuple[Bucket, ...]
    costs: tuple[int, ...]
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Drawn:
    """What came of a draw: `used` of each bucket, in grains, after it; `at` microseconds of Unix time."""

    admitted: bool
    at: int
    used: tuple[int, ...]


class Buckets(Protocol):
    """The state of all buckets, shared by all processes."""

    async def draw(self, draw: Draw) -> Drawn:
        """Raises `UnavailableError` when the store does not answer. Not safe to repeat: each counts."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Level:
    """A bucket as it was at one moment."""

    bucket: Bucket
    used: int
    at: int

    @property
    def remaining(self) -> int:
        """Whole units."""
        return max(0, self.bucket.limit - -(-self.used // GRAINS))

    @property
    def reset(self) -> int:
        """When it is full again: Unix time in seconds, rounded up."""
        return -(-(self.at + self._until_room(self.bucket.limit)) // _SECOND_US)

    def wait_s(self, cost: int) -> int:
        """Seconds until there is room for `cost` if nobody takes any meanwhile, rounded up; 0: there is now."""
        return -(-self._until_room(cost) // _SECOND_US)

    def _until_room(self, cost: int) -> int:
        lacking = self.used + cost * GRAINS - self.bucket.limit * GRAINS
        if lacking <= 0:
            return 0
        if self.bucket.is_daily:
            return DAY_US - self.at % DAY_US
        return -(-lacking // self.bucket.limit)


def levels(draw: Draw, drawn: Drawn) -> list[Level]:
    return [Level(bucket, used, drawn.at) for bucket, used in zip(draw.buckets, drawn.used, strict=True)]
