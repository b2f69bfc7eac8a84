"""The whole stack as a newcomer starts it: `hasp up` in a home of its own, every part a real process.

One for every pytest process: `pytest_plugins = ["tests.running_stack"]`.
"""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest
import pytest_asyncio

from cli.embedded.home import Home
from cli.embedded.ports import Ports
from cli.embedded.stack import Stack
from gateway.settings import Settings
from storage import Storage
from tests.embedded import free_port

PORTS = ("API", "POSTGRES", "TEMPORAL", "TEMPORAL_UI", "SANDBOX", "WORKER_HEALTH")

# Short, so that a dead process's holds are swept while a test waits.
LEASE_S = 5
SWEEP_S = 1


_RINGS = {Path(__file__).with_name(name) for name in ("clients", "e2e")}


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One stack serves whole rings: when pytest runs in several processes, these stay in one of them."""
    for item in items:
        if _RINGS.intersection(item.path.parents):
            item.add_marker(pytest.mark.xdist_group("stack"))


def settings_of(stack: Stack) -> Settings:
    """What the processes of `stack` are told by their environment."""
    values = {
        name.removeprefix("HASP_").lower(): json.loads(value) if value.startswith("[") else value
        for name, value in stack.environment().items()
        if name.startswith("HASP_")
    }
    return Settings.model_validate(values)


@dataclass(frozen=True, slots=True)
class RunningStack:
    stack: Stack
    supervisor: subprocess.Popen[str]
    base_url: str
    api_key: str

    @property
    def home(self) -> Path:
        return self.stack.home.root

    @property
    def sandbox_url(self) -> str:
        return self.stack.environment()["HASP_SANDBOX_URL"]

    @property
    def owner_url(self) -> str:
        return self.stack.cluster.owner_url

    def settings(self) -> Settings:
        return settings_of(self.stack)

    def hasp(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command line, as an operator of this stack runs it."""
        return subprocess.run(
            [sys.executable, "-m", "cli", *arguments],
            env=self.stack.environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )

    def part(self, command: str) -> psutil.Process:
        """The running part that is `hasp <command>`."""
        for process in psutil.Process(self.supervisor.pid).children(recursive=True):
            if process.cmdline()[-2:] == ["cli", command]:
                return process
        raise LookupError(command)

    def query(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.owner_url) as connection:
            return connection.execute(statement.encode()).fetchall()


@pytest.fixture(scope="session")
def running_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    home = tmp_path_factory.mktemp("stack") / "home"
    environ = dict(os.environ) | {f"HASP_{name}_PORT": str(free_port()) for name in PORTS}
    environ |= {
        "HASP_HOLD_LEASE_S": str(LEASE_S),
        "HASP_HOLD_SWEEP_S": str(SWEEP_S),
        "HASP_SANDBOX_RECORD": "1",
        "HASP_LOG_LEVEL": "debug",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "up", "--home", str(home)], env=environ, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    printed = ""
    while "stops everything" not in printed:
        line = process.stdout.readline()
        assert line, f"`hasp up` ended: {printed}"
        printed += line
    facts = json.loads((home / "demo.json").read_text())
    yield RunningStack(Stack(Home(home), Ports.read(environ), environ), process, facts["base_url"], facts["api_key"])
    process.terminate()
    process.communicate(timeout=60)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stored(running_stack: RunningStack) -> AsyncIterator[Storage]:
    """The test's own view of what the stack keeps, and its way to make tenants."""
    opened = await Storage.open(running_stack.settings())
    yield opened
    await opened.close()
