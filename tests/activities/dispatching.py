"""A dispatcher that works for as long as a test wants it to."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from temporalio.testing import ActivityEnvironment

from activities.webhook_delivery import Retries
from activities.webhook_dispatch import ShardShift, WebhookDispatchActivities
from activities.webhook_tries import Sending, Tries
from gateway.clock import Clock
from gateway.settings import Settings
from gateway.webhooks.ladder import DEFAULT_WAITS_S
from storage import Storage


@dataclass(slots=True)
class Workflows:
    """`RetryWorkflows` that keeps what it is asked to start; `is_away`: as while Temporal is."""

    started: list[Retries] = field(default_factory=list[Retries])
    is_away: bool = False
    _heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self, retries: Retries) -> None:
        self._heard.set()
        if self.is_away:
            raise ConnectionError("no Temporal")
        self.started.append(retries)

    async def heard(self) -> None:
        await self._heard.wait()


@dataclass(slots=True)
class Dispatching:
    storage: Storage
    settings: Settings
    sender: Sending
    workflows: Workflows = field(default_factory=Workflows)

    @asynccontextmanager
    async def on(self, *, clock: Clock | None = None, shards: int = 1, shard: int = 0) -> AsyncGenerator[None]:
        """A dispatcher works for the length of the block, and drains at its end."""
        environment = ActivityEnvironment()
        clock = clock or self.storage.clock
        activities = WebhookDispatchActivities(
            self.storage.pool,
            self.storage.cipher,
            clock,
            Tries(self.sender, self.storage.cipher, clock),
            self.workflows,
            database_url=str(self.settings.database_url),
            waits_s=DEFAULT_WAITS_S,
            shards=shards,
        )
        task = asyncio.create_task(environment.run(activities.dispatch, ShardShift(shard, seconds=600)))
        try:
            yield
        finally:
            environment.worker_shutdown()
            await task
