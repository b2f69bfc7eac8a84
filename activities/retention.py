"""Destroying content whose time is over, an organisation at a time."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from temporalio import activity

from activities.heartbeat import beating
from activities.surface import surfaced
from gateway.clock import Clock
from gateway.ids import OrganizationId
from storage.pool import Pool
from storage.retention import database_time, kept_after, purge_step

log = structlog.get_logger()

ACTOR = "system:retention_purge"
_ORGANIZATIONS = 100
_MOST_STEPS = 1_000
"""Some minutes: another worker may take it up from there."""


@dataclass(frozen=True, slots=True)
class Cursor:
    after_org: str = ""


@dataclass(frozen=True, slots=True)
class DuePage:
    """Organisations that have content to be destroyed; behind which one the next page begins."""

    orgs: list[str]
    next: Cursor | None = None


@dataclass(frozen=True, slots=True)
class PurgeOrder:
    org: str


@dataclass(frozen=True, slots=True)
class PurgeShift:
    is_over: bool


class RetentionActivities:
    """Whatever `clock` says, nothing is destroyed before `witness`, the database's own clock, says that it is due."""

    def __init__(
        self, pool: Pool, clock: Clock, witness: Callable[[Pool], Awaitable[datetime]] = database_time
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._witness = witness

    @activity.defn(name="retention.due_page")
    @surfaced
    async def due_page(self, cursor: Cursor) -> DuePage:
        """Look through the next organisations. Changes nothing."""
        now = await self._now()
        kept = await kept_after(self._pool, cursor.after_org, now=now, limit=_ORGANIZATIONS)
        is_last = len(kept) < _ORGANIZATIONS
        due = [str(each.org) for each in kept if each.work_at(now) is not None]
        return DuePage(due, None if is_last else Cursor(kept[-1].org))

    @activity.defn(name="retention.purge_organization")
    @surfaced
    async def purge_organization(self, order: PurgeOrder) -> PurgeShift:
        """Take step after step until nothing is due. Safe to run twice, also at once; what it did is in the rows."""
        org, records = OrganizationId(order.org), 0
        async with beating():
            for _ in range(_MOST_STEPS):
                if activity.is_worker_shutdown():
                    break
                step = await purge_step(self._pool, org, now=await self._now(), actor=ACTOR)
                records += step.records
                if step.is_idle:
                    log.info("content_purged", org_id=org, count=records)
                    return PurgeShift(is_over=True)
        return PurgeShift(is_over=False)

    async def _now(self) -> datetime:
        return min(self._clock.now(), await self._witness(self._pool))
