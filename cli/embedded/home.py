"""The state folder of one embedded stack: its layout, its locks, its secrets, its room on the disk."""

import errno
import fcntl
import os
import secrets
import shutil
import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.failure import CommandError

MIN_FREE_BYTES = 512 * 1024 * 1024
LOG_ROTATE_BYTES = 20 * 1024 * 1024
ORPHANS_STOP_WITHIN_S = 45.0
SUPERVISOR_STOPS_WITHIN_S = 120.0
POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Home:
    """Paths below `HASP_HOME`. Two stacks side by side have two homes."""

    root: Path

    @property
    def logs(self) -> Path:
        return self.root / "log"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def keyring(self) -> Path:
        return self.secrets / "keyring.json"

    @property
    def tombstones(self) -> Path:
        """Beside the keyring: apart from the database, which it outlives."""
        return self.secrets / "tombstones"

    @property
    def demo(self) -> Path:
        return self.root / "demo.json"

    @property
    def schema(self) -> Path:
        """The digest of the migrations that the database has been through."""
        return self.root / "schema.sha256"

    @property
    def supervisor_lock(self) -> Path:
        """Held by the supervisor, and holds its pid: whoever finds it locked knows whom to signal."""
        return self.root / "supervisor.pid"

    @property
    def parts_lock(self) -> Path:
        """Held by every part through an inherited descriptor, so it is free only when the last of them is gone."""
        return self.root / "parts.lock"

    def create(self) -> None:
        """Make the folders, private to this user, and make sure that there is room to start. Safe to repeat."""
        try:
            for folder in (self.root, self.logs, self.secrets):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as failure:
            raise CommandError(f"cannot use {self.root} as HASP_HOME: {failure.strerror}") from None
        free = shutil.disk_usage(self.root).free
        if free < MIN_FREE_BYTES:
            raise CommandError(
                f"the disk is full: {free >> 20} MB free at {self.root}, {MIN_FREE_BYTES >> 20} MB needed;"
                " make room or point HASP_HOME elsewhere"
            )

    def secret(self, name: str) -> str:
        """The named password, made on first use in a 0600 file; URL-safe."""
        path = self.secrets / name
        if not path.exists():
            write_private(path, secrets.token_urlsafe(32))
        return path.read_text()

    def rotate_logs(self) -> None:
        """Set large logs aside, one generation back. Only while nothing writes them."""
        for log in self.logs.glob("*.log"):
            if log.stat().st_size > LOG_ROTATE_BYTES:
                log.replace(log.with_suffix(".log.1"))

    @contextmanager
    def held(self, say: Callable[[str], None]) -> Generator[int]:
        """Own the home, or fail at once if another supervisor does. Yields the descriptor that parts inherit.

        After a `kill -9` of a supervisor its parts are told to stop by the kernel; this waits until they have.
        """
        with self.supervisor_lock.open("a+") as lock, self.parts_lock.open("a") as parts:
            if not _try_lock(lock.fileno()):
                raise CommandError(f"already running in {self.root}; `hasp down` stops it")
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            if not _try_lock(parts.fileno()):
                say("waiting for the parts of an earlier run to stop")
                self._wait_for_orphans(parts.fileno())
            try:
                yield parts.fileno()
            finally:
                lock.truncate(0)

    def _wait_for_orphans(self, parts: int) -> None:
        deadline = time.monotonic() + ORPHANS_STOP_WITHIN_S
        while not _try_lock(parts):
            if time.monotonic() > deadline:
                raise CommandError(
                    f"parts of an earlier run are still alive in {self.root} (`fuser {self.parts_lock}`)"
                )
            time.sleep(POLL_S)

    def stop_supervisor(self) -> bool:
        """Stop the stack that runs here and wait for its end. False: none was running, whatever the pid file says."""
        if not self.supervisor_lock.exists():
            return False
        with self.supervisor_lock.open() as lock:
            if _try_lock(lock.fileno(), shared=True):
                return False
            pid = lock.read().strip()
            if not pid:  # it has the lock and is just about to write, or to leave
                raise CommandError(f"{self.root} is just being started or stopped; try again")
            os.kill(int(pid), signal.SIGTERM)
            deadline = time.monotonic() + SUPERVISOR_STOPS_WITHIN_S
            while not _try_lock(lock.fileno(), shared=True):
                if time.monotonic() > deadline:
                    raise CommandError(f"process {pid} did not stop within {SUPERVISOR_STOPS_WITHIN_S:.0f} s")
                time.sleep(POLL_S)
        return True


def write_private(path: Path, text: str) -> None:
    """Write a 0600 file whole or not at all: readers and crashes see the old content or the new."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)


def _try_lock(descriptor: int, *, shared: bool = False) -> bool:
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as failure:
        if failure.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return False
    return True
