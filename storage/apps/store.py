"""The apps of one organisation."""

from collections.abc import Container, Sequence
from typing import TypedDict

from pydantic import TypeAdapter
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.apps.definition import LARGEST_APP, MOST_APPS, App, AppDefinition, TooManyAppsError
from gateway.clock import Clock
from gateway.errors import NotFoundError, PreconditionFailedError, TooLargeError, UnavailableError
from gateway.ids import AppId, OrganizationId, new_uuid
from storage.encryption import ContentCipher, SealedValueError
from storage.tables import AppRow, OrganizationRow

_DEFINITION = TypeAdapter(AppDefinition)


class AppChanges(TypedDict, total=False):
    name: str
    description: str | None
    definition: AppDefinition


class AppReader:
    def __init__(self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher) -> None:
        self._session = session
        self._org = org
        self._cipher = cipher

    async def page(self, *, name: str | None, limit: int, offset: int) -> Sequence[App]:
        """Oldest first; those whose name has `name` in it, in whatever case."""
        query = select(AppRow).where(AppRow.org_id == self._org).order_by(AppRow.id).limit(limit).offset(offset)
        if name:
            query = query.where(func.lower(AppRow.name).contains(name.lower(), autoescape=True))
        return await self._opened((await self._session.scalars(query)).all())

    async def get(self, app: AppId) -> App:
        """Raises `NotFoundError` for one that is unknown or another organisation's."""
        return await self._shown(await self._row(app))

    async def _row(self, app: AppId, *, lock: bool = False) -> AppRow:
        query = select(AppRow).where(AppRow.org_id == self._org, AppRow.id == app)
        row = await self._session.scalar(query.with_for_update() if lock else query)
        if row is None:
            raise NotFoundError("The app does not exist.", param="app_id")
        return row

    async def _shown(self, row: AppRow) -> App:
        (app,) = await self._opened([row])
        return app

    async def _opened(self, rows: Sequence[AppRow]) -> Sequence[App]:
        try:
            opened = await self._cipher.open_all(self._org, [(_place(row.id), row.definition) for row in rows])
        except SealedValueError:
            raise UnavailableError("The app could not be opened.") from None
        # Nothing destroys a data key.
        return [_app(row, _DEFINITION.validate_json(each or b"")) for row, each in zip(rows, opened, strict=True)]


class AppStore(AppReader):
    def __init__(self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher, clock: Clock) -> None:
        super().__init__(session, org, cipher)
        self._clock = clock

    async def add(self, name: str, description: str | None, definition: AppDefinition, *, by: str | None) -> App:
        """Raises `TooManyAppsError`."""
        await self._require_room()
        now, app = self._clock.now(), AppId(new_uuid())
        row = AppRow(
            id=app,
            org_id=self._org,
            name=name,
            description=description,
            definition=await self._sealed(app, definition),
            version=1,
            created_by=by,
            created_at=now,
            updated_at=now,
        )
        self._session.add(row)
        await self._session.flush()
        return _app(row, definition)

    async def hold(self, app: AppId) -> App:
        """One that nobody changes until this transaction ends. Raises `NotFoundError`."""
        return await self._shown(await self._row(app, lock=True))

    async def change(self, app: AppId, changes: AppChanges, *, only_versions: Container[int] | None = None) -> App:
        """Jobs that were asked for before go on as the app was.

        Raises `NotFoundError`, and `PreconditionFailedError` when its version is none of `only_versions`.
        """
        row = await self._row(app, lock=True)
        if only_versions is not None and row.version not in only_versions:
            raise PreconditionFailedError("The app has changed since it was read.")
        row.name = changes.get("name", row.name)
        row.description = changes.get("description", row.description)
        if "definition" in changes:
            row.definition = await self._sealed(app, changes["definition"])
        row.version += 1
        row.updated_at = self._clock.now()
        await self._session.flush()
        return await self._shown(row)

    async def remove(self, app: AppId) -> None:
        """Jobs that were asked for before go on. Raises `NotFoundError`."""
        await self._session.delete(await self._row(app, lock=True))
        await self._session.flush()

    async def _sealed(self, app: AppId, definition: AppDefinition) -> bytes:
        """Raises `TooLargeError`."""
        defined = _DEFINITION.dump_json(definition)
        if len(defined) > LARGEST_APP:
            raise TooLargeError(f"An app has at most {LARGEST_APP:,} bytes in all.", details={"max_bytes": LARGEST_APP})
        return await self._cipher.seal(self._org, _place(app), defined)

    async def _require_room(self) -> None:
        # One request of an organisation at a time, or each would count without the others; calls are not held up.
        organization = select(OrganizationRow.id).where(OrganizationRow.id == self._org)
        await self._session.execute(organization.with_for_update(key_share=True))
        kept = await self._session.scalar(select(func.count()).where(AppRow.org_id == self._org)) or 0
        if kept >= MOST_APPS:
            raise TooManyAppsError


def _place(app: str) -> str:
    return f"apps.definition/{app}"


def _app(row: AppRow, definition: AppDefinition) -> App:
    return App(
        id=AppId(row.id),
        name=row.name,
        description=row.description,
        definition=definition,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
