"""Cascades: what one revocation takes along is marked page by page, waited for, and looked for a day later."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

import structlog
from temporalio import activity

from activities.starting import Start
from activities.surface import surfaced
from gateway.agents.cascade import CascadeState
from gateway.clock import Clock
from gateway.ids import CascadeId, CredentialId
from storage.agents import cascading
from storage.pool import Pool

log = structlog.get_logger()

_WOKEN_AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class Begun:
    """A cascade: ids only."""

    org: str
    id: str


@dataclass(frozen=True, slots=True)
class SweepWanted:
    cascade: Begun
    after: str = ""


@dataclass(frozen=True, slots=True)
class Swept:
    """`upto` ends the page; absent when no other follows."""

    upto: str | None = None


@dataclass(frozen=True, slots=True)
class CascadeStanding:
    is_done: bool
    is_pending: bool = False
    is_irrevocable: bool = False
    is_rechecked: bool = False
    rechecked_in_s: float = 0


@dataclass(frozen=True, slots=True)
class Rechecked:
    left: int


@dataclass(frozen=True, slots=True)
class CascadeCursor:
    after: str = ""


@dataclass(frozen=True, slots=True)
class CascadePage:
    """`next` is absent when there are no more."""

    started: int
    next: CascadeCursor | None = None


class CascadeWorkflows(Protocol):
    """Where cascades are carried out."""

    async def start(self, cascade: Begun) -> None:
        """Have it carried out. Safe to repeat: one that runs is left alone."""
        ...


class LifecycleWaker(Protocol):
    """Where lives of credentials are followed."""

    async def wake(self, credential: CredentialId) -> None:
        """Have its row looked at. Safe to repeat, and for one that nobody follows does nothing."""
        ...


def starts_cascade(workflows: CascadeWorkflows) -> Start:
    """Of `agent.cascade_begun`."""
    return lambda event: workflows.start(Begun(event.org, str(event.data["cascade_id"])))


class CredentialCascadeActivities:
    """Each is safe to run twice, also at once. All that they end was refused before they began."""

    def __init__(self, pool: Pool, clock: Clock, workflows: CascadeWorkflows, lifecycles: LifecycleWaker) -> None:
        self._pool = pool
        self._clock = clock
        self._workflows = workflows
        self._lifecycles = lifecycles

    @activity.defn(name="credential.cascade_sweep")
    @surfaced
    async def sweep(self, wanted: SweepWanted) -> Swept:
        """Mark and tell of a page of what is not done, and settle those with which no call runs."""
        now, cascade = self._clock.now(), CascadeId(wanted.cascade.id)
        page = await cascading.next_page(self._pool, cascade, after=wanted.after)
        if page is None:
            return Swept()
        marked = await cascading.mark(self._pool, page, now=now)
        await cascading.settle(self._pool, cascade, marked, now=now)
        return Swept(page.upto if page.is_full else None)

    @activity.defn(name="credential.cascade_wake")
    @surfaced
    async def wake(self, wanted: SweepWanted) -> Swept:
        """Have a page of the credentials' lives look at their rows, and end."""
        page = await cascading.taken(self._pool, CascadeId(wanted.cascade.id), after=wanted.after)
        await self._wake(page)
        return Swept(page[-1] if len(page) == cascading.PAGE else None)

    @activity.defn(name="credential.cascade_look")
    @surfaced
    async def look(self, cascade: Begun) -> CascadeStanding:
        """How it stands. One that is unknown is done with."""
        found = await cascading.progress(self._pool, CascadeId(cascade.id))
        if found is None:
            return CascadeStanding(is_done=True, is_rechecked=True)
        if found.finished_at is None:
            return CascadeStanding(
                is_done=False,
                is_pending=found.is_pending,
                is_irrevocable=found.is_irrevocable,
                is_rechecked=found.is_rechecked,
            )
        due = found.finished_at + cascading.RECHECKED_AFTER - self._clock.now()
        return CascadeStanding(
            is_done=found.state is CascadeState.DONE,
            is_rechecked=found.is_rechecked,
            rechecked_in_s=due.total_seconds(),
        )

    @activity.defn(name="credential.cascade_finish")
    @surfaced
    async def finish(self, cascade: Begun) -> None:
        """Note that it is done, unless something is left of it."""
        await cascading.finish(self._pool, CascadeId(cascade.id), now=self._clock.now())

    @activity.defn(name="credential.cascade_recheck")
    @surfaced
    async def recheck(self, cascade: Begun) -> Rechecked:
        """Look once, by another way than it went, whether anything is left, and take that along too."""
        left = await cascading.recheck(self._pool, CascadeId(cascade.id), now=self._clock.now())
        if left:
            log.error("cascade_left_credentials", cascade_id=cascade.id, count=left)
        return Rechecked(left)

    async def _wake(self, credentials: list[CredentialId]) -> None:
        room = asyncio.Semaphore(_WOKEN_AT_ONCE)

        async def wake(credential: CredentialId) -> None:
            async with room:
                await self._lifecycles.wake(credential)

        async with asyncio.TaskGroup() as group:
            for each in credentials:
                group.create_task(wake(each))

    @activity.defn(name="credential.cascade_start_page")
    @surfaced
    async def start_page(self, cursor: CascadeCursor) -> CascadePage:
        """Have a page of cascades carried out that nobody finished: whatever took their workflow away."""
        page = await cascading.running(self._pool, now=self._clock.now(), after=cursor.after)
        for each in page:
            await self._workflows.start(Begun(each.org, each.id))
        return CascadePage(len(page), CascadeCursor(page[-1].id) if len(page) == cascading.PAGE else None)
