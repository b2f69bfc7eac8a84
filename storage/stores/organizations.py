"""The organisation itself: its creation and its policy."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.clock import Clock
from gateway.errors import NotFoundError
from gateway.ids import OrganizationId
from storage.encryption import new_data_key
from storage.root_keys import RootKeys
from storage.tables import DataKeyRow, OrganizationRow


@dataclass(frozen=True, slots=True)
class Organization:
    id: OrganizationId
    name: str
    credits_allotment: int


class OrganizationReader:
    def __init__(self, session: AsyncSession, org: OrganizationId) -> None:
        self._session = session
        self._org = org

    async def get(self) -> Organization:
        """Raises `NotFoundError`."""
        row = await self._session.get(OrganizationRow, self._org)
        if row is None:
            raise NotFoundError("The organization does not exist.")
        return Organization(self._org, row.name, row.credits_allotment)


class OrganizationStore(OrganizationReader):
    def __init__(self, session: AsyncSession, org: OrganizationId, root_keys: RootKeys, clock: Clock) -> None:
        super().__init__(session, org)
        self._root_keys = root_keys
        self._clock = clock

    async def add(self, *, name: str, credits_allotment: int) -> Organization:
        """Create this transaction's organisation, with its first data key."""
        self._session.add(
            OrganizationRow(
                id=self._org,
                name=name,
                created_at=self._clock.now(),
                credits_allotment=credits_allotment,
                spend_cap=None,
            )
        )
        await self._session.flush()
        await self.add_data_key()
        return Organization(self._org, name, credits_allotment)

    async def set_policy(self, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - columns differ in type
        """Change columns of the organisation's policy (`phi_mode`, `spend_cap`, …); returns what they were.

        The database checks the values. Raises `NotFoundError`.
        """
        columns = [getattr(OrganizationRow, name) for name in changes]
        query = select(*columns).where(OrganizationRow.id == self._org).with_for_update()
        before = (await self._session.execute(query)).one_or_none()
        if before is None:
            raise NotFoundError("The organization does not exist.")
        await self._session.execute(update(OrganizationRow).where(OrganizationRow.id == self._org).values(**changes))
        return dict(zip(changes, before, strict=True))

    async def add_data_key(self) -> int:
        """A new data key version; content is sealed under it from now on."""
        newest = await self._session.scalar(
            select(func.coalesce(func.max(DataKeyRow.version), 0)).where(DataKeyRow.org_id == self._org)
        )
        version = (newest or 0) + 1
        self._session.add(
            DataKeyRow(
                org_id=self._org,
                version=version,
                wrapped=await new_data_key(self._root_keys, self._org, version),
                root_key=self._root_keys.name,
                created_at=self._clock.now(),
            )
        )
        await self._session.flush()
        return version
