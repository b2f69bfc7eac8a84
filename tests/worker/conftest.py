"""A worker as it is run: a process, its log lines, its health."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from gateway.settings import Settings
from storage.keyring import read_keyring
from tests.embedded import free_port
from tests.workflows.conftest import clear, encrypting

Line = dict[str, Any]


@pytest.fixture
def worker_settings(settings: Settings, temporal_env: WorkflowEnvironment) -> Settings:
    """Settings of a worker on the session's servers; it sweeps every second."""
    client = temporal_env.client
    return settings.model_copy(
        update={
            "temporal_address": client.service_client.config.target_host,
            "temporal_namespace": client.namespace,
            "worker_health_port": free_port(),
            "worker_drain_s": 5,
            "hold_sweep_s": 1,
        }
    )


@pytest_asyncio.fixture
async def upkeep(temporal_env: WorkflowEnvironment, settings: Settings) -> AsyncIterator[Client]:
    """A client with the worker's keys; nothing of ours is scheduled on its server, before or after."""
    client = encrypting(temporal_env.client, read_keyring(settings.keyring_file).codec.keys)
    await clear(client)
    yield client
    await clear(client)


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    process: asyncio.subprocess.Process
    settings: Settings

    async def line(self, wanted: Callable[[Line], bool]) -> Line:
        """The next log line that `wanted` picks. Fails when the process ends without one."""
        assert self.process.stdout is not None
        async for raw in self.process.stdout:
            line = _parsed(raw)
            if line and wanted(line):
                return line
        raise AssertionError("the worker ended without the line")

    async def ready(self) -> tuple[int, Line]:
        """`/readyz`, as soon as something answers."""
        return await self._get("/readyz")

    async def live(self) -> tuple[int, Line]:
        return await self._get("/livez")

    async def becomes_ready(self) -> None:
        while (await self.ready())[0] != 200:  # noqa: ASYNC110 - another process tells no event
            await asyncio.sleep(0.05)

    async def _get(self, path: str) -> tuple[int, Line]:
        async with aiohttp.ClientSession() as session:
            while True:
                assert self.process.returncode is None, "the worker ended"
                try:
                    async with session.get(f"http://127.0.0.1:{self.settings.worker_health_port}{path}") as response:
                        return response.status, await response.json()
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.05)


@asynccontextmanager
async def worker_process(settings: Settings) -> AsyncGenerator[WorkerProcess]:
    """A worker of these settings; killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", "worker", env=_environment(settings), stdout=asyncio.subprocess.PIPE
    )
    try:
        yield WorkerProcess(process, settings)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def _environment(settings: Settings) -> dict[str, str]:
    variables = {f"HASP_{name.upper()}": _written(getattr(settings, name)) for name in settings.model_fields_set}
    return {**os.environ, **variables}


def _written(value: object) -> str:
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else str(value)


def _parsed(raw: bytes) -> Line | None:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:  # the SDK's native core writes lines of its own
        return None
