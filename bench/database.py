"""A PostgreSQL of the benchmark's own, with durable commits, on the disk of the checkout."""

import secrets
import socket
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cli.embedded.home import Home
from cli.embedded.ports import LOOPBACK
from cli.embedded.postgres import Cluster
from cli.embedded.supervisor import Supervisor
from gateway.settings import Settings
from storage.keyring import create_keyring
from storage.migrate import APP_ROLE

STATE: Final = Path(".hasp").absolute()
"""A folder in memory would make durable commits look free."""
_SOURCE: Final = str(Path(__file__).parents[1])


@dataclass(frozen=True, slots=True)
class Ground:
    """A cluster that runs. `postgres` is its server's pid, `environment` what a process of ours finds it by."""

    environment: Mapping[str, str]
    postgres: int
    owner_url: str = field(repr=False)


@asynccontextmanager
async def database(folder: Path) -> AsyncGenerator[Ground]:
    """Not migrated yet. Stopped at the end."""
    home = Home(folder)
    home.create()
    home.secret("owner")
    create_keyring(home.keyring)
    cluster = Cluster(home.root, _free_port(), home.secrets / "owner")
    async with Supervisor([cluster.part()], logs=home.logs, say=_say) as supervisor:
        await supervisor.start()
        environment = {
            "HASP_DATABASE_URL": cluster.url(APP_ROLE, secrets.token_urlsafe(24)),
            "HASP_DATABASE_OWNER_URL": cluster.owner_url,
            "HASP_KEYRING_FILE": str(home.keyring),
            "PYTHONPATH": _SOURCE,
        }
        pid = int((cluster.data / "postmaster.pid").read_text().split()[0])
        yield Ground(environment, pid, cluster.owner_url)


def settings_of(environment: Mapping[str, str]) -> Settings:
    """As a process that is started with `environment` reads them."""
    fields = {
        name.removeprefix("HASP_").lower(): value for name, value in environment.items() if name.startswith("HASP_")
    }
    return Settings.model_validate(fields)


def _free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as probe:
        return probe.getsockname()[1]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
