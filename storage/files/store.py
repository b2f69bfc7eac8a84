"""Files as whoever uploads them sees them: those of their organisation."""

import asyncio
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.clock import Clock
from gateway.errors import NotFoundError, UnavailableError, ValidationFailedError
from gateway.files.file import (
    MOST_BYTES,
    MOST_FILES,
    FileAlreadyUploadedError,
    FileHeldError,
    FileKind,
    FileNotReadyError,
    FilesNotKeptError,
    FileState,
    FileStorageFullError,
    StoredFile,
    TooManyFilesError,
)
from gateway.ids import FileId, OrganizationId, new_uuid
from gateway.tenancy import Access, StorageMode
from storage.encryption import ContentCipher, SealedValueError
from storage.stores.organizations import retention_of
from storage.tables import FileRow, OrganizationRow

_KEY_BYTES: Final = 32
_LONGEST_AWAITED: Final = timedelta(days=1)
"""How long an announced file keeps its place though its bytes do not come."""
_UNKNOWN: Final = "The file does not exist."


class FileReader:
    def __init__(self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher) -> None:
        self._session = session
        self._org = org
        self._cipher = cipher

    async def get(self, file: FileId) -> StoredFile:
        """Raises `NotFoundError` for one that is unknown or another organisation's."""
        found = await self._opened([await self._row(file)])
        if not found:
            raise NotFoundError(_UNKNOWN, param="file_id")
        return found[0]

    async def all(self) -> Sequence[StoredFile]:
        """Newest first."""
        query = select(FileRow).where(FileRow.org_id == self._org).order_by(FileRow.id.desc())
        return await self._opened((await self._session.scalars(query)).all())

    async def require_ready(self, files: Sequence[FileId]) -> None:
        """Raises `NotFoundError` for one that is unknown or another organisation's, `FileNotReadyError`."""
        query = select(FileRow.id, FileRow.state).where(FileRow.org_id == self._org, FileRow.id.in_(files))
        states = {row.id: row.state for row in await self._session.execute(query)}
        if any(file not in states for file in files):
            raise NotFoundError("A file does not exist.", param="file_uuids")
        if any(state != FileState.READY for state in states.values()):
            raise FileNotReadyError(param="file_uuids")

    async def _row(self, file: FileId, *, lock: bool = False) -> FileRow:
        query = select(FileRow).where(FileRow.org_id == self._org, FileRow.id == file)
        row = await self._session.scalar(query.with_for_update() if lock else query)
        if row is None:
            raise NotFoundError(_UNKNOWN, param="file_id")
        return row

    async def _opened(self, rows: Sequence[FileRow]) -> Sequence[StoredFile]:
        """Without those whose day was destroyed: nobody knows what they were called."""
        try:
            names = await self._cipher.open_all(self._org, [(name_place(row.id), row.name) for row in rows])
        except SealedValueError:
            raise UnavailableError("The files could not be opened.") from None
        return [_file(row, name.decode()) for row, name in zip(rows, names, strict=True) if name is not None]


class FileStore(FileReader):
    def __init__(self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher, clock: Clock) -> None:
        super().__init__(session, org, cipher)
        self._clock = clock

    async def add(self, access: Access, name: str, content: bytes, *, by: str | None) -> StoredFile:
        """A file to be processed.

        Raises `FilesNotKeptError` where no content is kept, `TooManyFilesError` and `FileStorageFullError`.
        """
        row = await self._place(access, name, len(content), by)
        await self._fill(row, content)
        return _file(row, name)

    async def announce(self, access: Access, name: str, size: int, *, by: str | None) -> StoredFile:
        """A file whose `size` bytes are to come. Raises as `add` does."""
        row = await self._place(access, name, size, by)
        await self._session.flush()
        return _file(row, name)

    async def fill(self, access: Access, file: FileId, content: bytes) -> FileKind:
        """What an announced file is of, whose bytes have come: it is to be processed.

        Raises `NotFoundError`, `FileAlreadyUploadedError`, `FilesNotKeptError`, and `ValidationFailedError` for bytes
        of another number than was announced.
        """
        row = await self._row(file, lock=True)
        if row.state != FileState.UPLOADING:
            raise FileAlreadyUploadedError
        _require_kept(access)
        if len(content) != row.bytes:
            raise ValidationFailedError("The body has not as many bytes as `file_size` announced.", param="file_size")
        (found,) = await self._opened([row])
        await self._fill(row, content)
        return FileKind.of(found.name)

    async def _place(self, access: Access, name: str, size: int, by: str | None) -> FileRow:
        _require_kept(access)
        await self._require_room(size)
        now, file = self._clock.now(), FileId(new_uuid())
        key = await self._cipher.content_key(self._org, now.date())
        row = FileRow(
            id=file,
            org_id=self._org,
            day=now.date(),
            name=key.seal(name_place(file), name.encode()),
            bytes=size,
            state=FileState.UPLOADING,
            search_key=key.seal(search_key_place(file), secrets.token_bytes(_KEY_BYTES)),
            created_by=by,
            created_at=now,
        )
        self._session.add(row)
        return row

    async def _fill(self, row: FileRow, content: bytes) -> None:
        key = await self._cipher.content_key(self._org, row.day)
        # Tens of megabytes: not where others wait for their turn.
        row.content = await asyncio.to_thread(key.seal, content_place(row.id), content)
        row.state = FileState.PROCESSING
        await self._session.flush()

    async def remove(self, file: FileId) -> None:
        """With all that was read out of it. Raises `NotFoundError`, and `FileHeldError` while nothing is destroyed."""
        row = await self._row(file, lock=True)
        organization = await self._session.get_one(OrganizationRow, self._org)
        if retention_of(organization).is_held(self._clock.now()):
            raise FileHeldError
        await self._session.delete(row)
        await self._session.flush()

    async def _require_room(self, size: int) -> None:
        # One request of an organisation at a time, or each would count without the others; calls are not held up.
        organization = select(OrganizationRow.id).where(OrganizationRow.id == self._org)
        await self._session.execute(organization.with_for_update(key_share=True))
        over = self._clock.now() - _LONGEST_AWAITED
        await self._session.execute(
            delete(FileRow).where(
                FileRow.org_id == self._org, FileRow.state == FileState.UPLOADING, FileRow.created_at < over
            )
        )
        counted = select(func.count(), func.coalesce(func.sum(FileRow.bytes), 0)).where(FileRow.org_id == self._org)
        files, kept = (await self._session.execute(counted)).one()
        if files >= MOST_FILES:
            raise TooManyFilesError
        if kept + size > MOST_BYTES:
            raise FileStorageFullError


def _require_kept(access: Access) -> None:
    if access.policy.storage_mode is StorageMode.NONE:
        raise FilesNotKeptError


def name_place(file: str) -> str:
    return f"files.name/{file}"


def content_place(file: str) -> str:
    return f"files.content/{file}"


def search_key_place(file: str) -> str:
    return f"files.search_key/{file}"


def chunk_place(file: str, place: int) -> str:
    return f"file_chunks.text/{file}/{place}"


def _file(row: FileRow, name: str) -> StoredFile:
    failed = row.error_code is not None and row.error_message is not None
    return StoredFile(
        id=FileId(row.id),
        name=name,
        bytes=row.bytes,
        state=FileState(row.state),
        tokens=row.tokens,
        phi=row.phi,
        error=(row.error_code or "", row.error_message or "") if failed else None,
        created_at=row.created_at,
    )
