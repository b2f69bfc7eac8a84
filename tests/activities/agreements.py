"""Organisations that accept, on a clock that tests own, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from activities.baa import BaaActivities
from gateway.baa.acceptance import Acceptance
from gateway.baa.evidence import Operator
from gateway.baa.seal import create_seal, files_beside
from gateway.baa.template import Cover, Template, current_template
from gateway.ids import AcceptanceId, OrganizationId
from gateway.settings import Settings
from gateway.tenancy import KeyMode, Principal
from gateway.timestamps.authority import TimeStampAuthority
from storage import Storage, agreements
from storage.agreements import Accepted
from storage.onboarding import create_organization
from tests.tenants import make_affirmation

OPERATOR = Operator("Example Health Cloud, Inc.", "Jordan Reyes", "General Counsel")


@dataclass(slots=True)
class KeptWorkflows:
    """`AcceptanceWorkflows` that are only remembered."""

    started: list[str] = field(default_factory=list[str])

    async def start(self, org: OrganizationId, acceptance: AcceptanceId) -> None:
        self.started.append(acceptance)


def make_seal(settings: Settings, now: datetime) -> None:
    create_seal(files_beside(settings.keyring_file), operator=OPERATOR.name, now=now)


def activities_of(storage: Storage, settings: Settings, workflows: KeptWorkflows | None = None) -> BaaActivities:
    return BaaActivities(storage, workflows or KeptWorkflows(), settings, TimeStampAuthority.configured(settings))


async def make_organization(storage: Storage) -> OrganizationId:
    return await create_organization(storage, name="Test hospital", credits_allotment=1_000)


async def accept(
    storage: Storage,
    org: OrganizationId,
    *,
    template: Template | None = None,
    operator: Operator | None = OPERATOR,
    covers: Sequence[str] = tuple(Cover),
    expires_at: datetime | None = None,
) -> Accepted:
    """As the API does."""
    now = storage.clock.now()
    affirmation = make_affirmation(operator, fetched_at=now)
    async with storage.as_operator(org, command="test") as tx:
        return await agreements.accept(
            tx, template or current_template(), covers=covers, affirmation=affirmation, now=now, expires_at=expires_at
        )


async def put_in_force(storage: Storage, org: OrganizationId, **terms: object) -> AcceptanceId:
    """Without a document."""
    accepted = await accept(storage, org, operator=None, **terms)  # pyright: ignore[reportArgumentType]
    async with storage.as_operator(org, command="test") as tx:
        await agreements.activate(tx, accepted.id)
    return accepted.id


async def found(storage: Storage, org: OrganizationId, acceptance: AcceptanceId) -> Acceptance:
    async with storage.read(Principal(org, None, frozenset(), KeyMode.LIVE)) as view:
        return await view.agreements.find(acceptance)


async def document(storage: Storage, org: OrganizationId, acceptance: AcceptanceId) -> bytes:
    async with storage.read(Principal(org, None, frozenset(), KeyMode.LIVE)) as view:
        return await view.agreements.document(acceptance)


async def told(storage: Storage, org: OrganizationId) -> list[tuple[str, dict[str, object]]]:
    """The organisation's events about agreements, oldest first, without the ids."""
    async with storage.pool.connection() as connection:
        rows = await (
            await connection.execute(
                "select type, data - 'acceptance_id' from outbox where org_id = %s and type like 'baa.%%'"
                " order by created_at, id",
                [org],
            )
        ).fetchall()
    return [(event, data) for event, data in rows]


async def audited(storage: Storage, org: OrganizationId) -> list[str]:
    async with storage.pool.connection() as connection:
        rows = await (
            await connection.execute(
                "select action from audit_entries where org_id = %s and action like 'baa.%%' order by created_at, id",
                [org],
            )
        ).fetchall()
    return sorted(action for (action,) in rows)
