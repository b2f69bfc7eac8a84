"""An export asked of a real worker on a real Temporal, and of the next one when the first is killed."""

import io

import pytest

from gateway.audit.verifying import verify_export
from gateway.events import Event, EventType
from gateway.settings import Settings
from storage import Storage
from storage.audit_exports import read_pages
from tests.activities.test_audit_export import busy_tenant, request
from tests.tenants import Tenant
from tests.worker.conftest import Line, worker_process


def _told(kind: EventType, line: Line) -> bool:
    return line.get("event") == "event_relayed" and line.get("event_type") == kind


async def _requested(storage: Storage, tenant: Tenant) -> str:
    export = await request(storage, tenant, sealed=False)
    async with storage.as_operator(tenant.org, command="test") as tx:
        tx.tell(Event(EventType.AUDIT_EXPORT_REQUESTED, {"export_id": export.id}))
        tx.audit("audit.export.request", entity_type="audit_export", entity_id=export.id)  # pyright: ignore[reportArgumentType]
    return export.id


@pytest.mark.usefixtures("upkeep")
async def test_a_worker_killed_at_a_request_leaves_it_to_the_next(worker_settings: Settings, storage: Storage) -> None:
    tenant = await busy_tenant(storage)
    export_id = await _requested(storage, tenant)
    async with worker_process(worker_settings) as worker:
        await worker.line(lambda line: _told(EventType.AUDIT_EXPORT_REQUESTED, line))
        worker.process.kill()
        await worker.process.wait()

    async with worker_process(worker_settings) as worker:
        await worker.line(lambda line: _told(EventType.AUDIT_EXPORT_READY, line))

    text = "".join([page async for page in read_pages(storage.pool, storage.cipher, tenant.org, export_id)])
    assert verify_export(io.BytesIO(text.encode()), keys=None, authorities=None).flaw is None
