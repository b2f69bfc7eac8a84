"""First tries: what waits is claimed, sent and settled, by a long activity for each shard of endpoints."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Final
from zlib import crc32

import structlog
from temporalio import activity

from activities.heartbeat import beating
from activities.surface import surfaced
from activities.webhook_delivery import Retries, RetryWorkflows, retries_of
from activities.webhook_tries import Tries
from gateway.clock import Clock
from gateway.errors import UnavailableError
from gateway.webhooks.deliveries import DeliveryState
from storage.encryption import ContentCipher
from storage.group_commit import GroupCommit
from storage.pool import Pool
from storage.webhooks import claims, retries, settling
from storage.webhooks.bell import Bell
from storage.webhooks.claims import LEASE, Due, Waiting
from storage.webhooks.settling import Settlement

log = structlog.get_logger()

_MOST_UNDER_WAY: Final = 256
_SHARE: Final = 4
"""An endpoint may have a quarter of what is free under way: however many are slow, there is room for one more."""
_PAGE: Final = 64
_LONGEST_WAIT_S: Final = 1.0
_OVERDUE_EVERY_S: Final = 5.0
_STARTS_AT_ONCE: Final = 8
_MOST_STARTS: Final = 500
_AGAIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class ShardShift:
    shard: int
    seconds: int


@dataclass(frozen=True, slots=True)
class ShiftDone:
    """`is_wanted` is false for a shard beyond those that there are now: its endpoints are others'."""

    tried: int
    is_wanted: bool = True


class WebhookDispatchActivities:
    def __init__(
        self,
        pool: Pool,
        cipher: ContentCipher,
        clock: Clock,
        tries: Tries,
        workflows: RetryWorkflows,
        *,
        database_url: str,
        waits_s: Sequence[float],
        shards: int,
    ) -> None:
        self._pool = pool
        self._cipher = cipher
        self._clock = clock
        self._tries = tries
        self._workflows = workflows
        self._database_url = database_url
        self._waits_s = list(waits_s)
        self._shards = shards

    @activity.defn(name="webhook.dispatch")
    @surfaced
    async def dispatch(self, shift: ShardShift) -> ShiftDone:
        """Deliver what waits for the endpoints of a shard until the shift ends or the worker stops.

        Any number may run at once, of the same shard too: each claims its own. What one that died had claimed
        comes round when its lease lapses.
        """
        if shift.shard >= self._shards:
            return ShiftDone(0, is_wanted=False)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(beating())
            bell = await stack.enter_async_context(Bell.listening(self._database_url))
            settled = GroupCommit[Settlement, bool](lambda group: settling.settle(self._pool, group), largest=256)
            stack.push_async_callback(settled.close)
            starts = await stack.enter_async_context(_Starts(self._workflows))
            work = _Work(self._pool, self._clock, self._tries, settled, starts, bell, self._waits_s)
            stack.push_async_callback(work.finish)
            await self._serve(shift, bell, work, starts)
        return ShiftDone(work.tried)

    async def _serve(self, shift: ShardShift, bell: Bell, work: "_Work", starts: "_Starts") -> None:
        ends = monotonic() + shift.seconds
        looked_at = -_OVERDUE_EVERY_S
        after = ""
        while (left := ends - monotonic()) > 0 and not activity.is_worker_shutdown():
            wait_s = _LONGEST_WAIT_S
            try:
                if monotonic() - looked_at >= _OVERDUE_EVERY_S:
                    looked_at = monotonic()
                    await self._start_overdue(starts)
                after, wait_s = await self._round(shift.shard, bell, work, after)
            except UnavailableError:
                log.warning("webhooks_not_claimed", shard=shift.shard)
            await bell.wait(at_most_s=min(wait_s, left))

    async def _round(self, shard: int, bell: Bell, work: "_Work", begun: str) -> tuple[str, float]:
        """Claim of every endpoint of the shard with something open, from `begun` on and round, while there is room.

        Returns where to begin next, so that all have their turn, and for how long nothing more can be, at most.
        """
        after, wait_s, is_round = begun, _LONGEST_WAIT_S, not begun
        while free := _MOST_UNDER_WAY - work.under_way:
            limit = min(_PAGE, free)
            page = await claims.waiting(self._pool, after=after, limit=limit)
            mine = [endpoint for endpoint in page if crc32(endpoint.id.encode()) % self._shards == shard]
            now = self._clock.now()
            await self._skip([endpoint for endpoint in mine if endpoint.is_over], bell, now)
            if rooms := _rooms(mine, free, now):
                for due in await claims.claim(self._pool, self._cipher, rooms, now=now):
                    work.begin(due)
            wait_s = min([wait_s, *(_until_s(endpoint, now) for endpoint in mine)])
            is_last = len(page) < limit
            if is_round and (is_last or page[-1].id >= begun > ""):
                return "", wait_s
            after, is_round = ("", True) if is_last else (page[-1].id, is_round)
        return after, wait_s

    async def _skip(self, ended: Sequence[Waiting], bell: Bell, now: datetime) -> None:
        if ended and await retries.skip(self._pool, [endpoint.id for endpoint in ended], now=now):
            bell.ring()

    async def _start_overdue(self, starts: "_Starts") -> None:
        """Bring back what has no workflow: a worker died between settling and starting, or Temporal was away."""
        for late in await retries.overdue(self._pool, now=self._clock.now()):
            due_at = late.next_at.isoformat()
            starts.add(
                Retries(
                    late.org,
                    late.id,
                    late.endpoint_id,
                    late.event_id,
                    late.attempts,
                    late.before,
                    due_at,
                    self._waits_s,
                )
            )


class _Work:
    """The tries that are under way."""

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        tries: Tries,
        settled: GroupCommit[Settlement, bool],
        starts: "_Starts",
        bell: Bell,
        waits_s: list[float],
    ) -> None:
        self.tried = 0
        self._pool = pool
        self._clock = clock
        self._tries = tries
        self._settled = settled
        self._starts = starts
        self._bell = bell
        self._waits_s = waits_s
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def under_way(self) -> int:
        return len(self._tasks)

    def begin(self, due: Due) -> None:
        task = asyncio.create_task(self._deliver(due))
        self._tasks.add(task)
        task.add_done_callback(self._over)

    async def finish(self) -> None:
        """Let what is under way come to its end; a try that is cut off would be made twice."""
        try:
            if self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            for task in self._tasks:
                task.cancel()

    async def _deliver(self, due: Due) -> None:
        settlement = await self._tries.make(due, self._waits_s)
        if await self._settle(settlement) and settlement.state is DeliveryState.RETRYING:
            assert settlement.next_at is not None  # noqa: S101 - it is given with that state
            self._starts.add(retries_of(due, settlement.next_at, self._waits_s))

    async def _settle(self, settlement: Settlement) -> bool:
        """While the database is away, until the lease is over: what is not settled by then is sent again."""
        given_up = settlement.began + LEASE
        while self._clock.now() < given_up:
            try:
                return await self._settled.submit(settlement)
            except UnavailableError:
                await asyncio.sleep(_AGAIN_S)
        log.warning("webhook_not_settled", delivery_id=settlement.due.id, attempt=settlement.due.number)
        return False

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._bell.ring()
        self.tried += 1
        if not task.cancelled() and (error := task.exception()):
            log.error("webhook_try_failed", error_type=type(error).__name__)


class _Starts:
    """Starts workflows beside the tries, a few at once. What is not started is overdue some day, and found then."""

    def __init__(self, workflows: RetryWorkflows) -> None:
        self._workflows = workflows
        self._waiting: asyncio.Queue[Retries] = asyncio.Queue(_MOST_STARTS)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "_Starts":
        self._tasks = [asyncio.create_task(self._start_forever()) for _ in range(_STARTS_AT_ONCE)]
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_AGAIN_S):
                await self._waiting.join()
        for task in self._tasks:
            task.cancel()

    def add(self, retries: Retries) -> None:
        with suppress(asyncio.QueueFull):
            self._waiting.put_nowait(retries)

    async def _start_forever(self) -> None:
        while True:
            retries = await self._waiting.get()
            try:
                await self._workflows.start(retries)
            except Exception as error:  # noqa: BLE001 - whatever it was, it is overdue some day
                log.warning("webhook_retries_not_started", delivery_id=retries.delivery, cause=type(error).__name__)
            finally:
                self._waiting.task_done()


def _rooms(endpoints: Sequence[Waiting], free: int, now: datetime) -> list[tuple[Waiting, int]]:
    """How many deliveries of each endpoint may be under way: each of those that may be tried gets at least one."""
    ready = [endpoint for endpoint in endpoints if endpoint.is_ready(now)]
    share = max(1, free // (_SHARE + len(ready) - 1)) if ready else 0
    return [(endpoint, endpoint.room(share)) for endpoint in ready]


def _until_s(endpoint: Waiting, now: datetime) -> float:
    if endpoint.until is None or endpoint.until <= now:
        return _LONGEST_WAIT_S
    return (endpoint.until - now) / timedelta(seconds=1)
