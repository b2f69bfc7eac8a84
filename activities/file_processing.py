"""`file.process`: a file read once, and scanned. Only ids come and go; what is in it stays in the database."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from temporalio import activity

from activities.heartbeat import beating
from activities.starting import Start
from activities.surface import surfaced
from gateway.files.chunking import chunks
from gateway.files.file import FileKind
from gateway.files.reading import Failure, read_text
from gateway.ids import FileId, OrganizationId
from gateway.phi.guard import Guard
from storage import Storage
from storage.files.processing import FileProcessing

_SCANNED_AT_ONCE: Final = 64
"""Pieces, about 100,000 characters: others wait behind no more than that for the scanners."""


@dataclass(frozen=True, slots=True)
class UploadedFile:
    org: str
    id: str


class FileReadings(Protocol):
    """What has files read."""

    async def start(self, file: UploadedFile) -> None:
        """Asked twice, the file is read once."""
        ...


def starts_reading(readings: FileReadings) -> Start:
    """For the event that tells of an upload."""
    return lambda event: readings.start(UploadedFile(event.org, str(event.data["file_id"])))


class FileProcessingActivities:
    """Safe to run twice, also at once: the first that has read it all keeps it, and the others keep nothing."""

    def __init__(self, storage: Storage, guard: Callable[[], Awaitable[Guard]]) -> None:
        self._standing = storage.standing
        self._guard = guard
        self._processing = FileProcessing(storage.pool, storage.cipher, storage.clock)

    @activity.defn(name="file.process")
    @surfaced
    async def process(self, file: UploadedFile) -> None:
        """Read it in a process of its own and keep its text in pieces, or why it cannot be read."""
        org, known = OrganizationId(file.org), FileId(file.id)
        async with beating():
            unread = await self._processing.look(org, known)
            if unread is None:
                return
            read = await read_text(FileKind.of(unread.name), unread.content)
            if isinstance(read, Failure):
                await self._processing.fail(org, known, read)
            else:
                pieces = chunks(read)
                await self._processing.keep(org, known, unread, pieces, await self._phi(org, pieces))

    async def _phi(self, org: OrganizationId, pieces: Sequence[str]) -> Mapping[str, int]:
        """Raises `UnavailableError` while nobody can scan: it is tried again."""
        screening = (await self._standing.policy_of(org)).screening
        guard, found = await self._guard(), Counter[str]()
        for first in range(0, len(pieces), _SCANNED_AT_ONCE):
            counts = await guard.census(pieces[first : first + _SCANNED_AT_ONCE], screening, org=org)
            found.update({entity.value: count for entity, count in counts.items()})
        return found
