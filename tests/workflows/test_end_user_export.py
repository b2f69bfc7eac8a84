"""Whole lives of exports under skipped time: written, kept for a week, destroyed; and what comes in their way."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.end_user_export import EndUserExportActivities, PersonExport, PersonExported, export_starts
from gateway.audit import AuditAction
from gateway.end_users.exports import KEPT, EndUserExport, ExportState
from gateway.ids import EventId
from gateway.settings import Settings
from storage import Storage
from storage.outbox import OutboxEvent
from storage.pool import fetch
from tests.end_user_exports import ask, files_of, make_named_call, state_of
from tests.tenants import Tenant, make_tenant
from tests.workflows.credentials import Dying, ServerClock
from workflows.end_user_export import ExportEndUser, PersonExports, Progress, workflow_id
from workflows.queues import TaskQueue
from workflows.search_attributes import KIND, ORGANIZATION, STATE


@pytest_asyncio.fixture
async def storage(settings: Settings) -> AsyncGenerator[Storage]:
    opened = await Storage.open(settings, clock=ServerClock())
    yield opened
    await opened.close()


@asynccontextmanager
async def working(client: Client, activities: Any) -> AsyncGenerator[None]:
    steps = [activities.write, activities.give_up, activities.destroy]
    async with Worker(client, task_queue=TaskQueue.UPKEEP, workflows=[ExportEndUser], activities=steps):
        yield


async def tell(client: Client, tenant: Tenant, export: EndUserExport, kind: str = "end_user.export_requested") -> None:
    """As the outbox does it, which may do so twice."""
    event = OutboxEvent(EventId("01EVENT"), tenant.org, kind, {"export_id": export.id}, datetime.now(UTC), attempts=1)
    start = export_starts(PersonExports(client))[kind]
    await start(event)
    await start(event)


def handle_of(client: Client, export: EndUserExport) -> WorkflowHandle[Any, Progress]:
    return client.get_workflow_handle_for(ExportEndUser.run, workflow_id(export.id))


async def key_of(storage: Storage, export: EndUserExport) -> list[tuple[Any, ...]]:
    return list(await fetch(storage.pool, "select sealed_key from end_user_exports where id = %s", [export.id]))


async def becomes_ready(storage: Storage, tenant: Tenant, export: EndUserExport) -> None:
    while (await state_of(storage, tenant, export)).state is not ExportState.READY:  # noqa: ASYNC110 - tells no event
        await asyncio.sleep(0.02)


async def cancelled(storage: Storage, tenant: Tenant, export: EndUserExport) -> None:
    async with storage.as_operator(tenant.org, command="test") as tx:
        await tx.end_user_exports.destroy(export.id, ExportState.CANCELLED)
        tx.audit(AuditAction.END_USER_EXPORT_CANCELLED, entity_type="end_user_export", entity_id=export.id)


class Unreadable(EndUserExportActivities):
    """Whose database has lost something; asked anew twice a day."""

    @activity.defn(name="gdpr.export_write")
    async def write(self, export: PersonExport) -> PersonExported:
        raise ApplicationError(export.id, type="UNREADABLE", next_retry_delay=timedelta(hours=11))


@pytest.mark.parametrize("dies", [False, True], ids=["worker stays", "worker dies at every step"])
async def test_an_export_is_kept_for_a_week_and_then_destroyed(client: Client, storage: Storage, dies: bool) -> None:
    tenant = await make_tenant(storage)
    for _ in range(3):
        await make_named_call(storage, tenant)
    export = await ask(storage, tenant)
    activities = EndUserExportActivities(storage)

    async with working(client, Dying(activities) if dies else activities):
        await tell(client, tenant, export)
        handle = handle_of(client, export)
        progress = await handle.result()
        described = await handle.describe()

    found = await state_of(storage, tenant, export)
    attributes = described.typed_search_attributes
    assert (progress.state, progress.records) == (ExportState.EXPIRED, found.records)
    assert found.state is ExportState.EXPIRED
    assert found.counts["inferences"] == 3
    assert described.close_time is not None
    assert described.close_time >= export.requested_at + KEPT
    assert await key_of(storage, export) == [(None,)]
    assert await files_of(storage, export) == {}
    assert [attributes.get(key) for key in (ORGANIZATION, KIND, STATE)] == [tenant.org, "gdpr.export", "done"]
    told = "select type, data from outbox where type like 'export.%%' and org_id = %s"
    assert await fetch(storage.pool, told, [tenant.org]) == [("export.ready", {"export_id": export.id})]


async def test_an_export_that_is_cancelled_is_taken_away_at_once(
    client: Client, storage: Storage, temporal_env: WorkflowEnvironment
) -> None:
    tenant = await make_tenant(storage)
    await make_named_call(storage, tenant)
    export = await ask(storage, tenant)

    handle = handle_of(client, export)
    async with working(client, EndUserExportActivities(storage)):
        with temporal_env.with_time_skipping_disabled():
            await tell(client, tenant, export)
            await becomes_ready(storage, tenant, export)
            await cancelled(storage, tenant, export)
            await tell(client, tenant, export, "end_user.export_cancelled")
            progress, described = await handle.result(), await handle.describe()

    assert progress.state == ExportState.CANCELLED
    assert described.close_time is not None
    assert described.close_time < export.requested_at + timedelta(days=1)
    assert described.typed_search_attributes.get(STATE) == "cancelled"
    assert await files_of(storage, export) == {}


async def test_what_an_export_left_that_was_cancelled_before_it_began_is_taken_away(
    client: Client, storage: Storage
) -> None:
    tenant = await make_tenant(storage)
    await make_named_call(storage, tenant)
    export = await ask(storage, tenant)
    await cancelled(storage, tenant, export)

    async with working(client, EndUserExportActivities(storage)):
        await tell(client, tenant, export, "end_user.export_cancelled")
        progress = await handle_of(client, export).result()

    assert progress.state == ExportState.CANCELLED
    assert await files_of(storage, export) == {}


async def test_an_export_that_cannot_be_read_for_a_day_fails(client: Client, storage: Storage) -> None:
    tenant = await make_tenant(storage)
    await make_named_call(storage, tenant)
    export = await ask(storage, tenant)

    async with working(client, Unreadable(storage)):
        await tell(client, tenant, export)
        handle = handle_of(client, export)
        progress = await handle.result()
        described = await handle.describe()

    found = await state_of(storage, tenant, export)
    assert (progress.state, found.state, found.reason) == (ExportState.FAILED, ExportState.FAILED, "unreadable")
    assert described.typed_search_attributes.get(STATE) == "alarm"
    told = "select type from outbox where type like 'export.%%' and org_id = %s"
    assert await fetch(storage.pool, told, [tenant.org]) == [("export.failed",)]
