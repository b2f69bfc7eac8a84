"""A file that a worker process is killed over: nothing of it is kept by halves, and the next reader keeps it once."""

import asyncio

from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.file_processing import FileProcessingActivities, UploadedFile
from gateway.audit import AuditAction
from gateway.events import Event, EventType
from gateway.settings import Settings
from storage import Storage
from storage.pool import fetch
from tests.api.files import rules
from tests.tenants import make_tenant
from tests.worker.conftest import worker_process


async def test_a_file_whose_worker_is_killed_is_read_by_another(
    storage: Storage, worker_settings: Settings, upkeep: Client
) -> None:
    assert upkeep
    tenant = await make_tenant(storage)
    access = await storage.access.resolve(tenant.token)
    text = "\n\n".join(f"Paragraph {number}. " + "word " * 60 for number in range(4_000))
    async with storage.begin(access.principal) as tx:
        file = await tx.files.add(access, "long.txt", text.encode(), by=tx.actor)
        tx.audit(AuditAction.FILE_UPLOADED, entity_type="file", entity_id=file.id)
        tx.tell(Event(EventType.FILE_UPLOADED, {"file_id": file.id}))
    started = "select 1 from files f join pg_locks l on l.relation = 'files'::regclass and l.mode = 'RowShareLock'"

    async with worker_process(worker_settings) as worker:
        while not await fetch(storage.pool, started):  # noqa: ASYNC110 - another process tells no event
            await asyncio.sleep(0.02)
        worker.process.kill()
    assert await fetch(storage.pool, "select count(*) from file_chunks where file_id = %s", [file.id]) == [(0,)]
    # What Temporal has another worker do, once this one's beats are missed.
    reading, named = FileProcessingActivities(storage, rules), UploadedFile(tenant.org, file.id)
    await asyncio.gather(*(ActivityEnvironment().run(reading.process, named) for _ in range(2)))

    rows = await fetch(storage.pool, "select state, content from files where id = %s", [file.id])
    assert rows == [("ready", None)]
    pieces = await fetch(storage.pool, "select count(*), max(place) from file_chunks where file_id = %s", [file.id])
    ((count, last),) = pieces
    assert count == last + 1 > 500
