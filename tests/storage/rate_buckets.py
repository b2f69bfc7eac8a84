"""Buckets and draws as tests want them, and time that they own."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gateway.ids import OrganizationId
from gateway.limits.buckets import Bucket, Draw, LimitName

ORG = OrganizationId("01K00000000000000000000000")
KEY = "01K00000000000000000000001"


@dataclass(slots=True)
class Hands:
    """A clock that moves when it is told to."""

    at: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def forward(self, **span: float) -> None:
        self.at += timedelta(**span)


def per_minute(limit: int, *, cost: int = 1, owner: str = KEY, forced: bool = False) -> Draw:
    return Draw((Bucket(LimitName.KEY_RPM, ORG, owner, limit),), (cost,), forced=forced)


def tokens(limit: int, cost: int, *, forced: bool = False) -> Draw:
    return Draw((Bucket(LimitName.ORG_TPM, ORG, ORG, limit),), (cost,), forced=forced)


def day_of_key(org: OrganizationId, *, limit: int) -> Draw:
    return Draw((Bucket(LimitName.KEY_DAILY, org, KEY, limit),), (1,))


def both(first: Draw, second: Draw) -> Draw:
    return Draw((*first.buckets, *second.buckets), (*first.costs, *second.costs))
