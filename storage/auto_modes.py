"""How far `model: "auto"` may reach for whom: for every key of one owner, or for the line of a key without one."""

from typing import Final, LiteralString

from sqlalchemy import ColumnElement, ScalarSelect, case, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.ids import OrganizationId
from gateway.tenancy import AutoMode
from storage.tables import ApiKeyRow, AutoModeRow

OF_KEY: Final[LiteralString] = (
    "(select m.mode from auto_modes m where m.org_id = k.org_id"
    " and m.holder = coalesce('user:' || k.owner, 'key:' || k.family))"
)
OF_CREDENTIAL: Final[LiteralString] = (
    "(select m.mode from auto_modes m where m.org_id = c.org_id and m.holder = 'user:' || c.delegating_user)"
)
"""As `auto_mode_of`, in statements over `api_keys k` and `agent_credentials c`."""


def auto_mode_of(org: OrganizationId) -> ScalarSelect[str]:
    """The mode of each `ApiKeyRow` of a query, null where nobody chose one."""
    owned = literal("user:") + ApiKeyRow.owner
    holder: ColumnElement[str] = case((ApiKeyRow.owner.is_not(None), owned), else_=literal("key:") + ApiKeyRow.family)
    return select(AutoModeRow.mode).where(AutoModeRow.org_id == org, AutoModeRow.holder == holder).scalar_subquery()


def read_auto_mode(mode: str | None) -> AutoMode:
    """`mode`, or what holds where nobody chose one."""
    return AutoMode(mode) if mode else AutoMode.PERFORMANCE


async def find_auto_mode(session: AsyncSession, row: ApiKeyRow) -> AutoMode:
    where = (AutoModeRow.org_id == row.org_id, AutoModeRow.holder == _holder(row))
    return read_auto_mode(await session.scalar(select(AutoModeRow.mode).where(*where)))


async def choose_auto_mode(session: AsyncSession, row: ApiKeyRow, mode: AutoMode) -> None:
    """For whoever has the key; every API process hears of it when this commits."""
    chosen = insert(AutoModeRow).values(org_id=row.org_id, holder=_holder(row), mode=mode)
    await session.execute(chosen.on_conflict_do_update(index_elements=["org_id", "holder"], set_={"mode": mode}))


def _holder(row: ApiKeyRow) -> str:
    return f"key:{row.family}" if row.owner is None else f"user:{row.owner}"
