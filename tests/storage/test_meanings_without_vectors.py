"""Files in a database without pgvector: found by their words, and no fault."""

import psycopg
from temporalio.testing import ActivityEnvironment

from activities.file_processing import FileProcessingActivities, UploadedFile
from gateway.audit import AuditAction
from gateway.files.meaning import Meaning
from storage import Storage
from storage.files.embedding import FileEmbedding
from storage.files.search import FileSearching
from tests.api.files import rules
from tests.conftest import Database
from tests.tenants import make_tenant

MEANING = Meaning("any", [0.5] * 4)


async def test_without_pgvector_files_are_found_by_words_alone(database: Database, storage: Storage) -> None:
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("drop extension vector")
    tenant = await make_tenant(storage)
    access = await storage.access.resolve(tenant.token)
    async with storage.begin(access.principal) as tx:
        file = await tx.files.add(access, "book.txt", b"Visitors leave at eight.", by=tx.actor)
        tx.audit(AuditAction.FILE_UPLOADED, entity_type="file", entity_id=file.id)
    reading = FileProcessingActivities(storage, rules)
    await ActivityEnvironment().run(reading.process, UploadedFile(tenant.org, file.id))

    searching = FileSearching(storage.pool, storage.cipher)
    (passage,) = await searching.find(tenant.org, [file.id], "visitors", limit=3, meaning=MEANING)
    assert passage.text == "Visitors leave at eight."
    assert await FileEmbedding(storage.pool, storage.cipher).key(tenant.org, file.id) is None
