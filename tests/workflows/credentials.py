"""Credentials whose lives are followed on Temporal's clock, and what came of them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.credential_cascade import CredentialCascadeActivities
from activities.credential_lifecycle import CredentialLifecycleActivities
from gateway.agents.cascade import Cascade
from gateway.ids import OrganizationId
from storage import Storage
from storage.agents import revocation
from storage.pool import fetch
from tests.agents import MadeCredential, make_credential
from workflows.credential_cascade import Cascades, CredentialCascade
from workflows.credential_lifecycle import CredentialLifecycle, Lifecycles
from workflows.credential_upkeep import CredentialUpkeep
from workflows.queues import TaskQueue


@dataclass(frozen=True, slots=True)
class ServerClock:
    """In an activity what Temporal's server calls now, which may have skipped years; else the system's."""

    def now(self) -> datetime:
        return activity.info().current_attempt_scheduled_time if activity.in_activity() else datetime.now(UTC)


class Dying:
    """A step whose worker dies the first time before it, and the second time after it and untold."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        defined = activity._Definition.must_from_callable(real)  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType]

        async def step(given: Any) -> Any:
            died = ApplicationError("away", type="WORKER_DIED", next_retry_delay=timedelta(milliseconds=1))
            attempt = activity.info().attempt
            if attempt == 1:
                raise died
            result = await real(given)
            if attempt == 2:
                raise died
            return result

        step.__annotations__ = {"given": (defined.arg_types or [Any])[0], "return": defined.ret_type}
        return activity.defn(name=defined.name)(step)


@asynccontextmanager
async def working(client: Client, storage: Storage, *, dies: bool = False) -> AsyncGenerator[None]:
    lives = CredentialLifecycleActivities(storage.pool, ServerClock(), Lifecycles(client))
    falls = CredentialCascadeActivities(storage.pool, ServerClock(), Cascades(client), Lifecycles(client))
    life, fall = (Dying(lives), Dying(falls)) if dies else (lives, falls)
    async with Worker(
        client,
        task_queue=TaskQueue.UPKEEP,
        workflows=[CredentialLifecycle, CredentialCascade, CredentialUpkeep],
        activities=[
            life.look,
            life.warn,
            life.end,
            life.start_page,
            fall.sweep,
            fall.wake,
            fall.look,
            fall.finish,
            fall.recheck,
            fall.start_page,
        ],
        graceful_shutdown_timeout=timedelta(seconds=5),
    ):
        yield


async def make_tree(storage: Storage, org: OrganizationId, *widths: int) -> list[MadeCredential]:
    """A credential, so many below it, and below each of those so many; each of an agent of its own."""
    level = [await make_credential(storage, org)]
    made = [*level]
    for width in widths:
        level = [await make_credential(storage, org, parent=above) for above in level for _ in range(width)]
        made += level
    return made


async def revoke(storage: Storage, org: OrganizationId, credential: MadeCredential) -> Cascade:
    async with storage.as_operator(org, command="test") as tx:
        return await revocation.revoke(tx, credential.id, reason="leaked")


async def told(storage: Storage, org: OrganizationId, kind: str) -> list[str]:
    """Ids of the credentials that events of `kind` tell of."""
    rows = await fetch(
        storage.pool,
        "select data->>'credential_id' from outbox where org_id = %s and type = %s order by 1",
        [org, kind],
    )
    return [row[0] for row in rows]


async def audited(storage: Storage, org: OrganizationId, action: str) -> list[tuple[datetime, dict[str, Any]]]:
    rows = await fetch(
        storage.pool,
        "select created_at, metadata from audit_entries where org_id = %s and action = %s order by id",
        [org, action],
    )
    return [(row[0], row[1]) for row in rows]
