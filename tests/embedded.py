"""Real servers for a test session, one of each for every pytest process: `pytest_plugins = ["tests.embedded"]`."""

import os
import random
import shutil
import socket
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import pytest_asyncio
from temporalio.common import SearchAttributeKey
from temporalio.testing import WorkflowEnvironment

from cli.embedded import temporal
from cli.embedded.home import Home
from cli.embedded.ports import LOOPBACK
from cli.embedded.postgres import THROW_AWAY, Cluster
from cli.embedded.supervisor import Supervisor

# A connection that is given up half made keeps whoever drops a database waiting: for a minute, by default.
POSTGRES = {**THROW_AWAY, "authentication_timeout": "3s"}

_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 4 * 1024**3

_FIRST_PORT, _PAST_PORTS = 10_000, 32_000
_SHARES = 16

# The switch has another name in later builds, and the shift makes a skip cost 10 ms instead of a second.
TIME_SKIPPING = {
    "frontend.WorkflowTimeSkippingEnabled": "true",
    "system.workflowTimeSkippingEnabled": "true",
    "history.timerProcessorMaxTimeShift": '"10ms"',
}


def _own_ports() -> Iterator[int]:
    """Those that this process of tests gives away, over and over; others that run beside it have others."""
    share = (_PAST_PORTS - _FIRST_PORT) // _SHARES
    first = _FIRST_PORT + share * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _SHARES)
    begun = random.randrange(share)
    return (first + (begun + step) % share for step in count())


_PORTS = _own_ports()


def free_port() -> int:
    """A port of the loopback that nothing listens on just now.

    Below those that systems give away by themselves: nothing takes it by chance before who asked for it does.
    """
    for port in _PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOOPBACK, port))
            return port
    raise AssertionError("ports do not end")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The owner's URL (a superuser's) of a fresh PostgreSQL server that lives as long as the session."""
    with _in_memory(otherwise=tmp_path_factory.mktemp("postgres")) as root:
        home = Home(root)
        home.create()
        home.secret("owner")
        cluster = Cluster(home.root, free_port(), home.secrets / "owner", settings=POSTGRES)
        async with Supervisor([cluster.part()], logs=home.logs, say=lambda _: None) as supervisor:
            await supervisor.start()
            yield cluster.owner_url


@contextmanager
def _in_memory(*, otherwise: Path) -> Generator[Path]:
    """A folder for thousands of short-lived databases: making and dropping one takes half as long without a disk."""
    if not _MEMORY.is_dir() or shutil.disk_usage(_MEMORY).free < _ROOM_BYTES:
        yield otherwise
        return
    with TemporaryDirectory(dir=_MEMORY, prefix="hasp-tests-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def temporal_env() -> AsyncIterator[WorkflowEnvironment]:
    """The real Temporal server with a virtual clock for each workflow.

    A workflow started through `env.client` skips at once: start one that waits for signals inside
    `with env.with_time_skipping_disabled():` and move it by `await env.fast_forward(handle, timedelta(...))`.
    """
    switches = [f"--dynamic-config-value={key}={value}" for key, value in TIME_SKIPPING.items()]
    async with await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=temporal.binary(),
        dev_server_startup_timeout=timedelta(seconds=60),
        search_attributes=[SearchAttributeKey.for_keyword(name) for name in temporal.SEARCH_ATTRIBUTES],
        dev_server_extra_args=switches,
    ) as environment:
        yield environment
