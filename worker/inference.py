"""What a worker makes calls with: opened by the first that needs it, so that one without such work pays nothing."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import Worker, WorkerDeploymentConfig

from gateway.catalog import Catalog
from gateway.clock import Clock
from gateway.errors import UnavailableError
from gateway.files.meaning import Meanings, open_meanings
from gateway.harness.toolbox import Toolbox
from gateway.harness.tools.knowledge_search import KnowledgeSearch
from gateway.harness.tools.opening import open_toolbox
from gateway.harness.tools.terms import terms_of
from gateway.inference.composing import Inference, composed
from gateway.inference.shielding import everything_settled
from gateway.outside.lookup import SystemLookup
from gateway.phi.detector import DetectorError
from gateway.phi.guard import Guard
from gateway.phi.pool import ScannerPool
from gateway.providers.registry import Providers
from gateway.settings import Settings
from storage import Storage
from storage.files.search import FileSearching
from workflows.queues import TaskQueue


@dataclass(frozen=True, slots=True)
class _Parts:
    inference: Inference
    toolbox: Toolbox
    meanings: Meanings | None


class WorkerInference:
    """Scanners, providers, the pipeline over them and the tools, for the activities of one worker."""

    def __init__(self, settings: Settings, storage: Storage, catalog: Catalog, clock: Clock) -> None:
        self._settings = settings
        self._storage = storage
        self._catalog = catalog
        self._clock = clock
        self._opening = asyncio.Lock()
        self._opened = AsyncExitStack()
        self._parts: _Parts | None = None

    async def __call__(self) -> Inference:
        """The same for everybody who asks. Raises `UnavailableError` when scanners do not come up: asked again later.

        What was opened by then is closed again.
        """
        return (await self._all()).inference

    async def toolbox(self) -> Toolbox:
        """The same for everybody who asks. Raises as a call of this does."""
        return (await self._all()).toolbox

    async def guard(self) -> Guard:
        """The same for everybody who asks. Raises as a call of this does."""
        return (await self._all()).inference.guard

    async def meanings(self) -> Meanings | None:
        """None where there is no server for them. Raises as a call of this does."""
        return (await self._all()).meanings

    async def close(self) -> None:
        """Calls under way are seen to their end first."""
        await self._opened.aclose()

    async def _all(self) -> _Parts:
        async with self._opening:
            if self._parts is None:
                async with AsyncExitStack() as opened:
                    self._parts = await self._open(opened)
                    self._opened = opened.pop_all()
            return self._parts

    async def _open(self, opened: AsyncExitStack) -> _Parts:
        settings = self._settings
        opened.push_async_callback(everything_settled)
        providers = await opened.enter_async_context(Providers.from_settings(settings, self._catalog))
        scanners = ScannerPool(settings.phi_scanners, settings.phi_scan_timeout_s, ner=settings.phi_ner)
        opened.push_async_callback(scanners.close)
        try:
            await scanners.start()
        except DetectorError as failure:
            raise UnavailableError from failure
        guard = Guard(scanners, scanners)
        inference = composed(
            settings,
            journal=self._storage.journal,
            health_log=self._storage.provider_health,
            catalog=self._catalog,
            providers=providers,
            guard=guard,
            clock=self._clock,
        )
        await opened.enter_async_context(inference.health.flushing())
        searching = FileSearching(self._storage.pool, self._storage.cipher)
        meanings = await opened.enter_async_context(open_meanings(settings, guard, self._clock))
        knowledge = KnowledgeSearch(searching, terms_of(KnowledgeSearch.name, settings), meanings)
        lookup = SystemLookup()
        opened.callback(lookup.close)
        toolbox = open_toolbox(settings, lookup, knowledge, scrub=guard.scrub_definition)
        return _Parts(inference, await opened.enter_async_context(toolbox), meanings)


def inference_worker(
    client: Client, activities: Sequence[Callable[..., object]], *, drain: timedelta, deployment: WorkerDeploymentConfig
) -> Worker:
    """For what makes calls, and beats as it does."""
    return Worker(
        client,
        task_queue=TaskQueue.INFERENCE,
        activities=activities,
        # An end that somebody asked for is heard of with a beat.
        max_heartbeat_throttle_interval=timedelta(seconds=5),
        graceful_shutdown_timeout=drain,
        deployment_config=deployment,
    )
