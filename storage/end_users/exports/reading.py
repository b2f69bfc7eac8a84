"""Reads ready exports back, file by file."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from gateway.audit.exports import ExportExpiredError, ExportNotReadyError
from gateway.end_users.bag import BagFile, manifest_sha256
from gateway.end_users.exports import EndUserExport, ExportState
from gateway.errors import UnavailableError
from gateway.ids import OrganizationId
from storage.encryption import ContentCipher
from storage.end_users.exports.parts import StoredFile, read_files
from storage.end_users.exports.sealing import ExportKey, read_key
from storage.pool import Pool, fetch

T = TypeVar("T")

_THREADS = ThreadPoolExecutor(2, thread_name_prefix="end-user-export")
"""Of exports alone: however many are downloaded, calls do not wait for a thread."""

_PIECE_BYTES = 256 * 1024

_CONTENT = "select content from end_user_export_parts where export_id = %s and number = %s"


@dataclass(frozen=True, slots=True)
class StoredExport:
    """A ready export with its key: what it is streamed from. `files` are in the order of paths."""

    pool: Pool
    key: ExportKey
    export: EndUserExport
    files: Sequence[StoredFile]

    @property
    def payload(self) -> list[BagFile]:
        return [stored.file for stored in self.files]

    async def read(self, stored: StoredFile) -> bytes:
        """Raises `UnavailableError` for a file that is not what was written, or was destroyed meanwhile."""
        rows = await fetch(self.pool, _CONTENT, [self.key.export_id, stored.number])
        if not rows:
            raise UnavailableError("The stored export is gone.")
        return await aside(lambda: self._opened(stored, bytes(rows[0][0])))

    def _opened(self, stored: StoredFile, sealed: bytes) -> bytes:
        content = self.key.open(stored.number, sealed)
        if hashlib.sha256(content).hexdigest() != stored.file.sha256:
            raise UnavailableError("The stored export could not be opened.")
        return content


async def open_stored(pool: Pool, cipher: ContentCipher, org: OrganizationId, export: EndUserExport) -> StoredExport:
    """What `export`, an organisation's own, is streamed from.

    Raises `ExportNotReadyError`, `ExportExpiredError` when it was destroyed, and `UnavailableError` when what is there
    is not what was written.
    """
    if export.state.is_destroyed:
        raise ExportExpiredError
    if export.state is not ExportState.READY:
        raise ExportNotReadyError
    key = await read_key(pool, cipher, org, export.id)
    if key is None:
        raise ExportExpiredError
    stored = StoredExport(pool, key, export, await read_files(pool, export.id))
    if manifest_sha256(stored.payload) != export.manifest_sha256:
        raise UnavailableError("The stored export is gone.")
    return stored


async def aside(work: Callable[[], T]) -> T:
    """Runs what takes some tenths of a second beside the event loop."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, work)


def in_pieces(content: bytes) -> Iterator[bytes]:
    """Small ones: what waits for a slow reader lies in the server's buffers too, several times over."""
    return (content[start : start + _PIECE_BYTES] for start in range(0, len(content), _PIECE_BYTES))
