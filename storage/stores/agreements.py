"""Acceptances of the business associate agreement."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.clock import Clock
from gateway.ids import AcceptanceId, OrganizationId, new_ulid
from storage.tables import AcceptanceRow


@dataclass(frozen=True, slots=True)
class Signer:
    name: str
    title: str
    email: str


class AgreementStore:
    def __init__(self, session: AsyncSession, org: OrganizationId, clock: Clock) -> None:
        self._session = session
        self._org = org
        self._clock = clock

    async def accept(
        self,
        *,
        template_version: str,
        template_sha256: str,
        covers: Collection[str],
        signer: Signer,
        expires_at: datetime | None = None,
    ) -> AcceptanceId:
        """Put an acceptance in force as this commits; the one before it is superseded."""
        now = self._clock.now()
        await self._session.execute(
            update(AcceptanceRow)
            .where(AcceptanceRow.org_id == self._org, AcceptanceRow.status == "active")
            .values(status="superseded")
        )
        row = AcceptanceRow(
            id=new_ulid(),
            org_id=self._org,
            template_version=template_version,
            template_sha256=template_sha256,
            covers=sorted(covers),
            signer_name=signer.name,
            signer_title=signer.title,
            signer_email=signer.email,
            accepted_at=now,
            effective_at=now,
            expires_at=expires_at,
            status="active",
        )
        self._session.add(row)
        await self._session.flush()
        return AcceptanceId(row.id)

    async def end(self) -> bool:
        """Terminate the agreement in force; False when there is none. Calls are refused when this commits."""
        result = await self._session.execute(
            update(AcceptanceRow)
            .where(AcceptanceRow.org_id == self._org, AcceptanceRow.status == "active")
            .values(status="terminated")
            .returning(AcceptanceRow.id)
        )
        return result.first() is not None
