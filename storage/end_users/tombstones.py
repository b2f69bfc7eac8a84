"""Who was erased, in a file outside the database: restored from an older dump, it would know them again.

One JSON line an erasure, ids and a digest alone, with a MAC by the keyring
(`subject`), so that nobody can have a person erased by writing to the file. A
line is on disk before the key is destroyed.
"""

import asyncio
import fcntl
import hmac
import os
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

import orjson

from gateway.audit.chain import canonical_json, canonical_time
from gateway.errors import UnavailableError
from gateway.ids import EndUserId, ErasureId, OrganizationId, find_ulid
from storage.keyring import Ring

_PURPOSE: Final = b"hasp tombstone\x00"
_LONGEST_LINE: Final = 4096


class TombstonesError(Exception):
    """The file cannot be used. The text names it and the line, nobody whom it is about."""


class _MalformedError(Exception):
    """The line is not ours. The text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Tombstone:
    org: OrganizationId
    end_user: EndUserId
    digest: str
    erasure: ErasureId
    erased_at: datetime


def require_usable(path: Path | None, *, to_write: bool) -> None:
    """Raises `TombstonesError` for a file that is not there, or that this process may not read, or write to.

    None is made: an empty one beside a restored database would bring back everybody who was erased.
    """
    if path is None:
        return
    needed, act = (os.R_OK | os.W_OK, "written to") if to_write else (os.R_OK, "read")
    if not path.is_file() or not os.access(path, needed):
        raise TombstonesError(f"{path} is not there or cannot be {act}; a new installation begins with an empty one")


class Tombstones:
    """The installation's file, or none: without a path nothing is kept, and a restore needs care."""

    def __init__(self, path: Path | None, ring: Ring) -> None:
        self.path = path
        self._ring = ring

    async def append(self, tombstone: Tombstone) -> None:
        """On disk when this returns; nothing without a file. Safe to run twice: who is named twice is erased once.

        Raises `UnavailableError` when it cannot be written: then nothing may be destroyed.
        """
        if self.path is not None:
            await asyncio.to_thread(self._append, self.path, self._line(tombstone))

    def read(self) -> Generator[Tombstone]:
        """Each of them, oldest first, in constant memory; nothing without a file.

        A last line that was not written to its end is passed over: its key was not destroyed. Raises
        `TombstonesError` for a file that cannot be read and for a line that this installation did not write.
        """
        if self.path is None:
            return
        try:
            with self.path.open("rb") as file:
                yield from self._each(self.path, file)
        except OSError as failure:
            raise TombstonesError(f"cannot read {self.path}: {failure.strerror}") from None

    def _each(self, path: Path, file: BinaryIO) -> Generator[Tombstone]:
        number = 0
        while line := file.readline(_LONGEST_LINE):
            number += 1
            try:
                yield self._tombstone(line)
            except _MalformedError as failure:
                if not line.endswith(b"\n") and not file.read(1):
                    return
                raise TombstonesError(f"{path}, line {number}: {failure}") from None

    def _append(self, path: Path, line: bytes) -> None:
        try:
            # Not O_CREAT: a volume that is not mounted must not look like an installation that erased nobody.
            with os.fdopen(os.open(path, os.O_RDWR | os.O_APPEND), "r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                self._end_last_line(file)
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            raise UnavailableError("The file of tombstones cannot be written: nothing was destroyed.") from None

    def _end_last_line(self, file: BinaryIO) -> None:
        """Cut off what a crash left of a line, as `read` passes it over: glued to the next one it would spoil both."""
        end = file.seek(0, os.SEEK_END)
        start = max(0, end - _LONGEST_LINE)
        file.seek(start)
        window = file.read(end - start)
        last = window.rfind(b"\n") + 1
        if last == len(window):
            return
        try:
            self._tombstone(window[last:])
        except _MalformedError:
            file.truncate(start + last)
        else:
            file.write(b"\n")

    def _line(self, tombstone: Tombstone) -> bytes:
        version = self._ring.newest
        said = {
            "org": tombstone.org,
            "end_user": tombstone.end_user,
            "digest": tombstone.digest,
            "erasure": tombstone.erasure,
            "erased_at": canonical_time(tombstone.erased_at),
            "key": version,
        }
        return canonical_json({**said, "mac": self._mac(version, said)}) + b"\n"

    def _tombstone(self, line: bytes) -> Tombstone:
        try:
            said = orjson.loads(line)
            mac, version = said.pop("mac"), said["key"]
            org, end_user, erasure = (find_ulid(said[name]) for name in ("org", "end_user", "erasure"))
            erased_at = datetime.fromisoformat(said["erased_at"])
            digest = str(said["digest"])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise _MalformedError("is no tombstone") from None
        if version not in self._ring.keys:
            raise _MalformedError(f"is under version {int(version)} of `subject`, which the keyring does not have")
        if not isinstance(mac, str) or not hmac.compare_digest(mac.encode(), self._mac(version, said).encode()):
            raise _MalformedError("was not written by this installation")
        if org is None or end_user is None or erasure is None:
            raise _MalformedError("is no tombstone")
        return Tombstone(OrganizationId(org), EndUserId(end_user), digest, ErasureId(erasure), erased_at)

    def _mac(self, version: int, said: Mapping[str, object]) -> str:
        return hmac.digest(self._ring.keys[version], _PURPOSE + canonical_json(said), "sha256").hex()
