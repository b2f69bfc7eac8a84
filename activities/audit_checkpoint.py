"""Checkpoints of the audit chains: verified, signed, told of, and time-stamped."""

import hashlib
from dataclasses import dataclass

import structlog
from temporalio import activity

from activities.heartbeat import beating
from activities.surface import surfaced
from gateway.audit.checkpoints import Anchor
from gateway.audit.signing import SigningKey
from gateway.clock import Clock
from gateway.ids import OrganizationId
from gateway.timestamps.authority import TimeStampAuthority
from storage import audit_checkpoints
from storage.audit_checkpoints import STRETCH
from storage.pool import Pool

log = structlog.get_logger()

_ORGANIZATIONS = 200


@dataclass(frozen=True, slots=True)
class CheckpointPage:
    """Organisations behind one of this id."""

    after_org: str = ""


@dataclass(frozen=True, slots=True)
class CheckedPage:
    """How many checkpoints were made and how many chains do not hold, and behind which id the next page begins."""

    after_org: str
    checkpoints: int = 0
    broken: int = 0
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class StampedPage:
    after_org: str
    stamped: int = 0
    is_last: bool = False


class AuditCheckpointActivities:
    """`authority` None: nothing is time-stamped."""

    def __init__(self, pool: Pool, clock: Clock, key: SigningKey, authority: TimeStampAuthority | None) -> None:
        self._pool = pool
        self._clock = clock
        self._key = key
        self._authority = authority

    @activity.defn(name="audit.checkpoint_page")
    @surfaced
    async def checkpoint_page(self, page: CheckpointPage) -> CheckedPage:
        """Make the checkpoints of a page of organisations. A second run finds those made and goes on behind them.

        A worker that stops hands on what is left.
        """
        orgs = await audit_checkpoints.due(self._pool, after=page.after_org, limit=_ORGANIZATIONS)
        after, made, broken = page.after_org, 0, 0
        for org in orgs:
            if activity.is_worker_shutdown():
                return CheckedPage(after, made, broken)
            async with beating():
                checkpoints, holds = await self._catch_up(org)
            after, made, broken = org, made + checkpoints, broken + (not holds)
        return CheckedPage(after, made, broken, is_last=len(orgs) < _ORGANIZATIONS)

    @activity.defn(name="audit.stamp_page")
    @surfaced
    async def stamp_page(self, page: CheckpointPage) -> StampedPage:
        """Have the last checkpoints of a page of organisations time-stamped, where they are not yet."""
        if self._authority is None:
            return StampedPage(page.after_org, is_last=True)
        waiting = await audit_checkpoints.unstamped(self._pool, after=page.after_org, limit=_ORGANIZATIONS)
        after, stamped = page.after_org, 0
        for each in waiting:
            if activity.is_worker_shutdown():
                return StampedPage(after, stamped)
            activity.heartbeat()
            stamp = await self._authority.stamp(hashlib.sha256(each.hash.encode()).digest())
            anchor = Anchor(
                each.seq, each.hash, stamp.encoded, stamp.at, self._authority.url, self._authority.cacert_url
            )
            await audit_checkpoints.keep_anchor(self._pool, each.org, anchor)
            after, stamped = each.org, stamped + 1
        return StampedPage(after, stamped, is_last=len(waiting) < _ORGANIZATIONS)

    async def _catch_up(self, org: OrganizationId) -> tuple[int, bool]:
        """Checkpoints made until one is at the chain's end, and whether the chain holds up to there."""
        made, verified = 0, STRETCH
        while verified == STRETCH:
            verdict, verified = await audit_checkpoints.advance(self._pool, org, self._key, self._clock)
            if verdict.flaw is not None:
                log.error("audit_chain_broken", org_id=org, check=verdict.flaw.value, count=verdict.length)
                await audit_checkpoints.raise_alarm(self._pool, verdict, at=self._clock.now())
                return made, False
            made += bool(verified)
        return made, True
