"""Erasing a person: the steps of `gdpr.erasure`. Only ids come and go; whom they are of nobody here knows."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from temporalio import activity

from activities.cursor import Cursor
from activities.erasure_certificate import ErasureCertificates
from activities.heartbeat import beating
from activities.starting import Start
from activities.surface import surfaced
from gateway.end_users.certificate import keys_gone_on
from gateway.end_users.erasure import Erasure, ErasureState
from gateway.ids import ErasureId, OrganizationId
from storage import Storage
from storage.end_users import erasing
from storage.end_users.erasures import PAGE, Certified, unfinished
from storage.end_users.removing import Removing
from storage.end_users.scanning import Scanning
from storage.pool import Pool
from storage.retention import database_time

_RUNNING_S = 30.0
"""Between two looks whether calls have come to their end. They last some minutes at most."""


@dataclass(frozen=True, slots=True)
class ErasureWanted:
    org: str
    id: str


@dataclass(frozen=True, slots=True)
class ErasureStep:
    """How far it is. `wait_s`: the step is not done, and may be tried again then."""

    state: str
    wait_s: float = 0
    found: int = 0
    """Records that a scan found and that should not be there."""


@dataclass(frozen=True, slots=True)
class ErasurePage:
    """`next` is absent when there are no more."""

    seen: int
    next: Cursor | None = None


class ErasureRuns(Protocol):
    """What erases."""

    async def start(self, wanted: ErasureWanted) -> None:
        """Have it done. Asked twice, it is done once."""
        ...


def starts_erasure(runs: ErasureRuns) -> Start:
    """Of `end_user.erasure_requested`."""
    return lambda event: runs.start(ErasureWanted(event.org, str(event.data["erasure_id"])))


class EndUserErasureActivities:
    """Each is safe to run twice, also at once: it looks at what is done already, under a lock.

    Whatever the clock says, nothing is destroyed before `witness`, the database's own clock, says that it is due.
    """

    def __init__(
        self,
        storage: Storage,
        certificates: ErasureCertificates,
        runs: ErasureRuns,
        *,
        backup_keep_days: int,
        witness: Callable[[Pool], Awaitable[datetime]] = database_time,
    ) -> None:
        self._storage = storage
        self._certificates = certificates
        self._runs = runs
        self._backup_keep_days = backup_keep_days
        self._witness = witness

    @activity.defn(name="gdpr.erasure_restrict")
    @surfaced
    async def restrict(self, wanted: ErasureWanted) -> ErasureStep:
        """Have nothing of the person read any more, unless something holds it. Waits for what must be kept so long."""
        now = await self._now()
        erasure = await erasing.restrict(self._storage, OrganizationId(wanted.org), ErasureId(wanted.id), now=now)
        return _step(erasure, wait_s=_until_due(erasure, now))

    @activity.defn(name="gdpr.erasure_shred")
    @surfaced
    async def shred(self, wanted: ErasureWanted) -> ErasureStep:
        """Destroy the person's key and name, unless something holds it by now."""
        now = await self._now()
        erasure = await erasing.decide(self._storage, OrganizationId(wanted.org), ErasureId(wanted.id), now=now)
        gone_on = keys_gone_on(now, self._backup_keep_days)
        shredded = await erasing.shred(self._storage, self._storage.tombstones, erasure, keys_gone_on=gone_on, at=now)
        return _step(shredded, wait_s=_until_due(shredded, now))

    @activity.defn(name="gdpr.erasure_remove")
    @surfaced
    async def remove(self, wanted: ErasureWanted) -> ErasureStep:
        """Take away what does not open any more: content, findings, answers under idempotency keys, exports."""
        erasure = await self._current(wanted)
        removing = Removing(self._storage.pool, self._storage.clock, erasure)
        async with beating():
            if await removing.is_anything_running():
                return _step(erasure, wait_s=_RUNNING_S)
            after: str | None = ""
            while after is not None:
                after = await removing.records(after)
            digest: bytes | None = b""
            while digest is not None:
                digest = await removing.answers(digest)
            while await removing.export_parts():
                pass
        return _step(erasure)

    @activity.defn(name="gdpr.erasure_scan")
    @surfaced
    async def scan(self, wanted: ErasureWanted) -> ErasureStep:
        """Look whether anything is left, and say so."""
        erasure = await self._current(wanted)
        async with beating():
            scanning = Scanning(self._storage.pool, self._storage.end_users.digests, erasure)
            scan, kept = await scanning.run(now=self._storage.clock.now())
        noted = await erasing.note_scan(self._storage, erasure, scan, kept, now=self._storage.clock.now())
        return _step(noted, found=sum(scan.found.values()))

    @activity.defn(name="gdpr.erasure_certify")
    @surfaced
    async def certify(self, wanted: ErasureWanted) -> ErasureStep:
        """Make the certificate, and be done. Asks the time-stamp authority, if there is one."""
        erasure = await self._current(wanted)
        if erasure.state is not ErasureState.SHREDDED:
            return _step(erasure)
        issued = await self._certificates.make(erasure)
        certified = Certified(issued.document, issued.pdf)
        return _step(await erasing.finish(self._storage, erasure, certified, at=self._storage.clock.now()))

    @activity.defn(name="gdpr.erasure_start_page")
    @surfaced
    async def start_page(self, cursor: Cursor) -> ErasurePage:
        """Have a page of erasures gone on with that are not done."""
        page = await unfinished(self._storage.pool, after=cursor.after)
        for org, erasure in page:
            await self._runs.start(ErasureWanted(org, erasure))
        return ErasurePage(len(page), Cursor(page[-1][1]) if len(page) == PAGE else None)

    async def _current(self, wanted: ErasureWanted) -> Erasure:
        return await erasing.current(self._storage, OrganizationId(wanted.org), ErasureId(wanted.id))

    async def _now(self) -> datetime:
        return min(self._storage.clock.now(), await self._witness(self._storage.pool))


def _until_due(erasure: Erasure, now: datetime) -> float:
    is_waiting = erasure.state is ErasureState.WAITING and erasure.due_at is not None
    return (erasure.due_at - now).total_seconds() if is_waiting and erasure.due_at else 0


def _step(erasure: Erasure, *, wait_s: float = 0, found: int = 0) -> ErasureStep:
    return ErasureStep(erasure.state.value, wait_s, found)
