"""The assistants of one organisation that chats can begin with."""

from collections.abc import Container, Sequence

from pydantic import TypeAdapter
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.clock import Clock
from gateway.errors import NotFoundError, PreconditionFailedError, UnavailableError
from gateway.harness.presets import MOST_PRESETS, Preset, PresetDefinition, TooManyPresetsError
from gateway.ids import OrganizationId, PresetId, new_uuid
from storage.encryption import ContentCipher, SealedValueError
from storage.tables import OrganizationRow, PresetRow

_DEFINITION = TypeAdapter(PresetDefinition)


class PresetReader:
    def __init__(self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher) -> None:
        self._session = session
        self._org = org
        self._cipher = cipher

    async def all(self) -> Sequence[Preset]:
        """Oldest first: an organisation has not many."""
        query = select(PresetRow).where(PresetRow.org_id == self._org).order_by(PresetRow.id)
        return await self._opened((await self._session.scalars(query)).all())

    async def get(self, preset: PresetId, *, param: str = "agent_id") -> Preset:
        """Raises `NotFoundError` for one that is unknown or another organisation's."""
        (found,) = await self._opened([await self._row(preset, param=param)])
        return found

    async def _row(self, preset: PresetId, *, param: str = "agent_id", lock: bool = False) -> PresetRow:
        query = select(PresetRow).where(PresetRow.org_id == self._org, PresetRow.id == preset)
        row = await self._session.scalar(query.with_for_update() if lock else query)
        if row is None:
            raise NotFoundError("The agent does not exist.", param=param)
        return row

    async def _opened(self, rows: Sequence[PresetRow]) -> Sequence[Preset]:
        try:
            opened = await self._cipher.open_all(self._org, [(_place(row.id), row.definition) for row in rows])
        except SealedValueError:
            raise UnavailableError("The agent could not be opened.") from None
        # Nothing destroys a data key.
        return [_preset(row, _DEFINITION.validate_json(each or b"")) for row, each in zip(rows, opened, strict=True)]


class PresetStore(PresetReader):
    def __init__(self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher, clock: Clock) -> None:
        super().__init__(session, org, cipher)
        self._clock = clock

    async def add(self, name: str, definition: PresetDefinition, *, by: str | None) -> Preset:
        """Raises `TooManyPresetsError`."""
        await self._require_room()
        now, preset = self._clock.now(), PresetId(new_uuid())
        row = PresetRow(
            id=preset,
            org_id=self._org,
            name=name,
            definition=await self._sealed(preset, definition),
            version=1,
            created_by=by,
            created_at=now,
            updated_at=now,
        )
        self._session.add(row)
        await self._session.flush()
        return _preset(row, definition)

    async def hold(self, preset: PresetId) -> Preset:
        """One that nobody changes until this transaction ends. Raises `NotFoundError`."""
        (found,) = await self._opened([await self._row(preset, lock=True)])
        return found

    async def change(
        self, preset: PresetId, name: str, definition: PresetDefinition, *, only_versions: Container[int] | None = None
    ) -> Preset:
        """Raises `NotFoundError`, and `PreconditionFailedError` when its version is none of `only_versions`."""
        row = await self._row(preset, lock=True)
        if only_versions is not None and row.version not in only_versions:
            raise PreconditionFailedError("The agent has changed since it was read.")
        row.name, row.definition = name, await self._sealed(preset, definition)
        row.version += 1
        row.updated_at = self._clock.now()
        await self._session.flush()
        return _preset(row, definition)

    async def remove(self, preset: PresetId) -> None:
        """Raises `NotFoundError`."""
        await self._session.delete(await self._row(preset, lock=True))
        await self._session.flush()

    async def _sealed(self, preset: PresetId, definition: PresetDefinition) -> bytes:
        return await self._cipher.seal(self._org, _place(preset), _DEFINITION.dump_json(definition))

    async def _require_room(self) -> None:
        # One request of an organisation at a time, or each would count without the others; calls are not held up.
        organization = select(OrganizationRow.id).where(OrganizationRow.id == self._org)
        await self._session.execute(organization.with_for_update(key_share=True))
        kept = await self._session.scalar(select(func.count()).where(PresetRow.org_id == self._org)) or 0
        if kept >= MOST_PRESETS:
            raise TooManyPresetsError


def _place(preset: str) -> str:
    return f"presets.definition/{preset}"


def _preset(row: PresetRow, definition: PresetDefinition) -> Preset:
    return Preset(
        id=PresetId(row.id),
        name=row.name,
        definition=definition,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
