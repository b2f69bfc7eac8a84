"""`file.process`: a file read once. Only ids come and go; what is in it stays in the database."""

from dataclasses import dataclass
from typing import Protocol

from temporalio import activity

from activities.heartbeat import beating
from activities.starting import Start
from activities.surface import surfaced
from gateway.files.chunking import chunks
from gateway.files.file import FileKind
from gateway.files.reading import Failure, read_text
from gateway.ids import FileId, OrganizationId
from storage import Storage
from storage.files.processing import FileProcessing


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

    def __init__(self, storage: Storage) -> None:
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
                await self._processing.keep(org, known, unread, chunks(read))
