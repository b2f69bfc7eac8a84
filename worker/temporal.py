"""The worker's work for Temporal: connect, make sure what must run runs, poll the queues, drain."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import structlog
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

from gateway.settings import Settings
from workflows import schedules
from workflows.client import connect

log = structlog.get_logger()

_RETRY_S = 1.0
_DRAIN_MARGIN_S = 5.0
_PROBE_LIMIT = timedelta(seconds=2)

MakeWorkers = Callable[[Client], Sequence[Worker]]


class TemporalWork:
    """Temporal may come up later than the worker, go away and return."""

    def __init__(
        self, settings: Settings, *, keys: Mapping[int, bytes], workers: MakeWorkers, ensured_every_s: float = 60.0
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._make_workers = workers
        self._ensured_every_s = ensured_every_s
        self._client: Client | None = None
        self._workers: Sequence[Worker] = ()

    async def healthy(self) -> bool:
        """Every queue is polled and the server serves; never raises."""
        if self._client is None or not self._workers or not all(worker.is_running for worker in self._workers):
            return False
        try:
            return await self._client.service_client.check_health(timeout=_PROBE_LIMIT)
        except RPCError:
            return False

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping`, then let running activities finish within the drain time.

        Raises what a worker raised when it cannot go on.
        """
        self._client = await self._connected(stopping)
        if self._client is None:
            return
        self._workers = self._make_workers(self._client)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_over(self._client, stopping))
            polling = [group.create_task(worker.run()) for worker in self._workers]
            for worker in self._workers:
                log.info("worker_polls", task_queue=worker.task_queue)
            await stopping.wait()
            log.info("worker_drains")
            await self._drain()
            for task in polling:
                task.cancel()

    async def _drain(self) -> None:
        """The SDK's shutdown can hang when it cancels an activity that is just ending; a process must stop even so."""
        try:
            async with asyncio.timeout(self._settings.worker_drain_s + _DRAIN_MARGIN_S):
                await asyncio.gather(*(worker.shutdown() for worker in self._workers))
        except TimeoutError:
            log.warning("worker_not_drained")

    async def _connected(self, stopping: asyncio.Event) -> Client | None:
        """A client of a server that serves our namespace, or None if the worker is stopped first."""
        attempt = 0
        while not stopping.is_set():
            attempt += 1
            try:
                client = await connect(self._settings, self._keys, part="worker")
                await schedules.ensure(client, self._settings)
            except (RuntimeError, RPCError) as error:
                log.warning("temporal_not_reached", dependency="temporal", attempt=attempt, error_type=_name(error))
            else:
                return client
            await _stopped_within(_RETRY_S, stopping)
        return None

    async def _watch_over(self, client: Client, stopping: asyncio.Event) -> None:
        """Bring back what must run should somebody end it: a relay that is terminated would leave events lying."""
        while not await _stopped_within(self._ensured_every_s, stopping):
            try:
                await schedules.ensure(client, self._settings)
            except RPCError as error:
                log.warning("temporal_not_reached", dependency="temporal", error_type=_name(error))


def _name(error: RuntimeError | RPCError) -> str:
    """The gRPC status where there is one: `NOT_FOUND` says that the namespace is missing."""
    return error.status.name if isinstance(error, RPCError) else type(error).__name__


async def _stopped_within(wait_s: float, stopping: asyncio.Event) -> bool:
    try:
        await asyncio.wait_for(stopping.wait(), timeout=wait_s)
    except TimeoutError:
        return False
    return True
