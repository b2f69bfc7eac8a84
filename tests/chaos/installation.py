"""Hasp as a small hospital runs it: four API processes, a worker, PostgreSQL with durable commits, Temporal.

The supervisor of `hasp up` keeps every part alive, and its vendors are the sandbox, which keeps a bill.
"""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.request import urlopen

import aiohttp
import orjson

from cli.embedded.home import Home
from cli.embedded.parts import Part, answers
from cli.embedded.ports import LOOPBACK, Ports
from cli.embedded.stack import Stack
from cli.embedded.supervisor import Supervisor
from gateway.settings import Settings
from storage import Storage
from tests.embedded import free_port
from tests.running_stack import PORTS, settings_of

LEASE_S = 5
SWEEP_S = 1
API = "api"
"""And a number: the names of the API's processes."""

_LIMITS = {
    "HASP_HOLD_LEASE_S": str(LEASE_S),
    "HASP_HOLD_SWEEP_S": str(SWEEP_S),
    "HASP_SANDBOX_RECORD": "1",
    "HASP_LOG_LEVEL": "warning",
    # What finds names costs more than all the rest, and finds none here.
    "HASP_PHI_SCANNERS": "1",
    "HASP_PHI_NER": "none",
}


@dataclass(frozen=True, slots=True)
class Installation:
    stack: Stack
    urls: Mapping[str, str]
    """Of the API's processes, by part."""
    pids: dict[str, int] = field(default_factory=dict[str, int])
    """Of the parts that are up, as far as anybody has noticed."""

    @property
    def owner_url(self) -> str:
        return self.stack.cluster.owner_url

    def settings(self) -> Settings:
        return settings_of(self.stack)

    def kill(self, part: str) -> bool:
        """`kill -9`. False: it is down already."""
        pid = self.pids.pop(part, None)
        if pid is None:
            return False
        os.kill(pid, signal.SIGKILL)
        return True

    @contextmanager
    def frozen(self, part: str) -> Generator[bool]:
        """Stopped for the length of the block, and not told, as when its machine is. False: it is down already."""
        pid = self.pids.pop(part, None)
        if pid is None:
            yield False
            return
        os.kill(pid, signal.SIGSTOP)
        try:
            yield True
        finally:
            os.kill(pid, signal.SIGCONT)
            self.pids[part] = pid

    def bill(self) -> list[dict[str, Any]]:
        """What the vendors would charge for; see `sandbox.bill.Charge`."""
        url = self.stack.environment()["HASP_SANDBOX_URL"]
        with urlopen(f"{url}/__sandbox/bill", timeout=30) as answer:
            return orjson.loads(answer.read())["bill"]

    def hasp(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command line, as an operator of this installation runs it."""
        return subprocess.run(
            [sys.executable, "-m", "cli", *arguments],
            env=self.stack.environment(),
            capture_output=True,
            text=True,
            timeout=120,
        )


@asynccontextmanager
async def running(
    folder: Path, *, apis: int, settings: Mapping[str, str] = MappingProxyType({})
) -> AsyncGenerator[Installation]:
    """All its state below `folder`, an absolute path; every process is stopped at the end. `settings`: further ones."""
    # Without the caller's own HASP_*: a vendor's key would send the load to the vendor.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("HASP_")}
    environ |= {f"HASP_{name}_PORT": str(free_port()) for name in PORTS} | _LIMITS | {**settings}
    stack = Stack(Home(folder), Ports.read(environ), environ)
    stack.home.create()
    stack.make_secrets()
    ports = {f"{API}-{number}": free_port() for number in range(1, apis + 1)}
    installation = Installation(stack, {name: f"http://{LOOPBACK}:{port}" for name, port in ports.items()})
    parts: list[Part] = []
    for part in stack.parts():
        parts += [_api(part, name, port) for name, port in ports.items()] if part.name == API else [part]
    watched = [_watched(part, installation.pids) for part in parts]
    async with Supervisor(watched, logs=stack.home.logs, say=lambda _: None) as supervisor:
        await supervisor.start()
        yield installation


@asynccontextmanager
async def reached(folder: Path, *, apis: int) -> AsyncGenerator[tuple[Installation, Storage, aiohttp.ClientSession]]:
    """One that is `running`, with a view of what it keeps and a client of its processes."""
    async with running(folder, apis=apis) as installation, aiohttp.ClientSession() as session:
        storage = await Storage.open(installation.settings())
        try:
            yield installation, storage, session
        finally:
            await storage.close()


def _api(part: Part, name: str, port: int) -> Part:
    env = {**part.env, "HASP_API_PORT": str(port)}
    return replace(part, name=name, env=env, ready=answers(LOOPBACK, port, "/readyz"))


def _watched(part: Part, pids: dict[str, int]) -> Part:
    """`part`, whose pid is noted whenever it has become ready."""
    probe = part.ready
    if probe is None:
        return part

    async def ready(pid: int) -> bool:
        is_ready = await probe(pid)
        if is_ready:
            pids[part.name] = pid
        return is_ready

    return replace(part, ready=ready)
