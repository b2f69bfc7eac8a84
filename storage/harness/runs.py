"""Chats in the background as whoever asked for them sees them."""

from typing import Final

from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.clock import Clock
from gateway.errors import InvalidApiKeyError, NotFoundError
from gateway.harness.background import Run, RunNotKeptError, RunRequest, RunState
from gateway.ids import OrganizationId, RunId, day_of
from gateway.tenancy import Access, Caller, StorageMode
from storage.encryption import ContentCipher
from storage.harness.said import SaidSoFar, said_of
from storage.tables import ChatRunRow

REQUEST: Final = TypeAdapter(RunRequest)
GONE: Final = b""
"""In place of what a run was asked, once it has ended: its calls are records, and nobody else's."""


class RunReader:
    def __init__(self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher) -> None:
        self._session = session
        self._org = org
        self._cipher = cipher

    async def said(self, run: RunId) -> SaidSoFar:
        """What came of a run, in the background or not. Raises `UnavailableError`."""
        return await said_of(self._session, self._cipher, self._org, run)

    async def get(self, run: RunId, access: Access) -> Run:
        """Raises `NotFoundError` for one that is unknown or was asked for by somebody else."""
        return await self._shown(await self._row(run, access))

    async def _row(self, run: RunId, access: Access, *, lock: bool = False) -> ChatRunRow:
        query = select(ChatRunRow).where(
            ChatRunRow.org_id == self._org, ChatRunRow.id == run, ChatRunRow.line == access.principal.line
        )
        row = await self._session.scalar(query.with_for_update() if lock else query)
        if row is None:
            raise NotFoundError("The run does not exist.", param="run_id")
        return row

    async def _shown(self, row: ChatRunRow) -> Run:
        said = await said_of(self._session, self._cipher, self._org, row.id)
        error = None if row.error_code is None or row.error_message is None else (row.error_code, row.error_message)
        return Run(
            id=RunId(row.id),
            state=RunState(row.state),
            created_at=row.created_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
            said=said.text,
            stop_reason=said.stop_reason,
            rounds=said.rounds,
            uses=said.uses,
            error=error,
        )


class RunStore(RunReader):
    def __init__(self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher, clock: Clock) -> None:
        super().__init__(session, org, cipher)
        self._clock = clock

    async def open_run(self, run: RunId, access: Access, request: RunRequest) -> Run:
        """A run that waits. Raises `RunNotKeptError` where the organisation keeps no content."""
        principal, caller = access.principal, Caller.of(access.principal)
        if access.policy.storage_mode is StorageMode.NONE:
            raise RunNotKeptError
        if principal.line is None:
            raise InvalidApiKeyError
        key = await self._cipher.content_key(self._org, day_of(run))
        row = ChatRunRow(
            id=run,
            org_id=self._org,
            line=principal.line,
            key_id=caller.key,
            credential_id=caller.credential,
            state=RunState.QUEUED,
            request=key.seal(request_place(run), REQUEST.dump_json(request)),
            created_at=self._clock.now(),
        )
        self._session.add(row)
        await self._session.flush()
        return await self._shown(row)

    async def cancel(self, run: RunId, access: Access) -> tuple[Run, bool]:
        """The run, and whether it was still open: one that has ended stays as it is. Raises as `get` does."""
        row = await self._row(run, access, lock=True)
        was_open = RunState(row.state).is_open
        if was_open:
            row.state, row.finished_at, row.request = RunState.CANCELLED, self._clock.now(), GONE
            await self._session.flush()
        return await self._shown(row), was_open


def request_place(run: str) -> str:
    return f"chat_runs.request/{run}"
