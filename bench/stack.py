"""A stack of its own for one run: durable PostgreSQL, the sandbox, `hasp api` and the build without a guard.

No Temporal and no worker: nothing of theirs is on a request's path. Audit rows
stay unsealed and outbox rows unsent, as they would while a worker is down.
"""

import asyncio
import os
import secrets
import socket
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import psycopg

from cli.embedded.home import Home
from cli.embedded.parts import Part, answers
from cli.embedded.ports import LOOPBACK
from cli.embedded.postgres import Cluster
from cli.embedded.supervisor import Supervisor
from gateway.baa.evidence import Signatory
from gateway.baa.offer import AUTHORITY
from gateway.baa.template import Cover
from gateway.settings import Settings
from gateway.tenancy import KeyMode, Scope
from storage import Storage
from storage.keyring import create_keyring
from storage.migrate import APP_ROLE, migrate
from storage.onboarding import accept_agreement, create_key, create_organization

DIRECT: Final = "direct"
GATEWAY: Final = "gateway"
UNGUARDED: Final = "unguarded"
TARGETS: Final = (DIRECT, GATEWAY, UNGUARDED)

_POSTGRES: Final = "postgres"
_CREDITS: Final = 10**15
_PYTHON: Final = (sys.executable, "-P", "-m")
_SOURCE: Final = str(Path(__file__).parents[1])


@dataclass(frozen=True, slots=True)
class Stack:
    """What runs. `headers` are those a request to any target carries; `pids` and `ready_s` are by target's name."""

    urls: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    pids: Mapping[str, int]
    ready_s: Mapping[str, float]
    """From a process's start until it answered that it is ready."""
    postgres: int
    owner_url: str = field(repr=False)

    def recorded(self) -> tuple[int, int]:
        """Calls on record as completed, and those of them whose text was masked."""
        query = (
            "select count(*), count(*) filter (where redaction_count > 0) from inferences where status = 'completed'"
        )
        with psycopg.connect(self.owner_url) as connection:
            row = connection.execute(query).fetchone()
        return (row[0], row[1]) if row else (0, 0)


@dataclass(slots=True)
class _Births:
    """Notes pids and times of readiness through the parts' probes."""

    pids: dict[str, int] = field(default_factory=dict[str, int])
    ready_s: dict[str, float] = field(default_factory=dict[str, float])

    def watch(self, part: Part) -> Part:
        probe = part.ready
        assert probe is not None, "a service"
        born: dict[int, float] = {}

        async def ready(pid: int) -> bool:
            born.setdefault(pid, time.monotonic())
            is_ready = await probe(pid)
            if is_ready:
                if part.name in self.pids:
                    raise RuntimeError(f"{part.name} ended and was started again: nothing measured here counts")
                self.pids[part.name] = pid
                self.ready_s[part.name] = time.monotonic() - born[pid]
            return is_ready

        return replace(part, ready=ready)


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[Stack]:
    """The stack with all its state below `folder`, an absolute path; every process is stopped at the end."""
    home = Home(folder)
    home.create()
    home.secret("owner")
    create_keyring(home.keyring)
    ports: dict[str, int] = dict(zip((_POSTGRES, *TARGETS), _free_ports(1 + len(TARGETS)), strict=True))
    cluster = Cluster(home.root, ports[_POSTGRES], home.secrets / "owner")
    births = _Births()
    sandbox = _part(DIRECT, ("sandbox", "--port", str(ports[DIRECT])), _environment({}), ports[DIRECT], "/")
    ground = [births.watch(cluster.part(_POSTGRES)), births.watch(sandbox)]
    async with Supervisor(ground, logs=home.logs, say=_say) as below:
        await below.start()
        variables = {
            "HASP_DATABASE_URL": cluster.url(APP_ROLE, secrets.token_urlsafe(24)),
            "HASP_DATABASE_OWNER_URL": cluster.owner_url,
            "HASP_KEYRING_FILE": str(home.keyring),
            "HASP_SANDBOX_URL": f"http://{LOOPBACK}:{ports[DIRECT]}",
        }
        token = await _furnish(variables)
        programs = {GATEWAY: ("cli", "api"), UNGUARDED: ("bench.unguarded",)}
        apis = [
            births.watch(
                _part(
                    name, program, _environment(variables | {"HASP_API_PORT": str(ports[name])}), ports[name], "/readyz"
                )
            )
            for name, program in programs.items()
        ]
        async with Supervisor(apis, logs=home.logs, say=_say) as above:
            await above.start()
            yield Stack(
                urls={name: f"http://{LOOPBACK}:{ports[name]}/v1/messages" for name in TARGETS},
                headers={"x-api-key": token, "anthropic-version": "2023-06-01"},
                pids={name: births.pids[name] for name in TARGETS},
                ready_s=births.ready_s,
                postgres=births.pids[_POSTGRES],
                owner_url=cluster.owner_url,
            )


async def _furnish(variables: Mapping[str, str]) -> str:
    """Migrate, and make an organisation that may call everything; returns its key."""
    fields = {name.removeprefix("HASP_").lower(): value for name, value in variables.items()}
    settings = Settings.model_validate(fields)
    await asyncio.to_thread(migrate, settings)
    storage = await Storage.open(settings)
    try:
        org = await create_organization(storage, name="Benchmark hospital", credits_allotment=_CREDITS)
        signatory = Signatory("Benchmark", "Operator of this machine", "bench@localhost", AUTHORITY)
        await accept_agreement(storage, org, signatory=signatory, operator=None, covers=list(Cover))
        _, token = await create_key(storage, org, name="bench", scopes=[Scope.AI_CHAT], mode=KeyMode.LIVE)
    finally:
        await storage.close()
    return token


def _part(name: str, program: tuple[str, ...], environment: Mapping[str, str], port: int, path: str) -> Part:
    return Part(name, argv=(*_PYTHON, *program), env=environment, ready=answers(LOOPBACK, port, path))


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Ours without any `HASP_*` of the caller's: a vendor's key would send the load to the vendor."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HASP_")}
    return {**inherited, "PYTHONPATH": _SOURCE, **variables}


def _free_ports(count: int) -> list[int]:
    probes = [socket.create_server((LOOPBACK, 0)) for _ in range(count)]
    try:
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
