"""A dump of the database and a copy of the keyring are a backup: restored elsewhere they are the installation."""

import psycopg
import pytest

from gateway.clock import SystemClock
from storage import Storage
from storage.audit_keys import signing_key
from storage.audit_verification import verify
from storage.sequencer import Sequencer
from tests.storage.conftest import Restore
from tests.tenants import HAIKU, make_call, make_conversation, make_outcome, make_tenant


async def test_a_restored_dump_reads_its_records_and_proves_its_audit_log(storage: Storage, restore: Restore) -> None:
    tenant = await make_tenant(storage)
    call = make_call(await storage.access.resolve(tenant.token), conversation=make_conversation("What is a QT?"))
    await storage.journal.open(call, HAIKU, 500)
    await storage.journal.close(make_outcome(call))
    await Sequencer(storage.pool, SystemClock(), signing_key(storage.keyring.audit)).seal()

    restored = await restore.open()

    access = await restored.access.resolve(tenant.token)
    async with restored.read(access.principal) as tx:
        record = await tx.inferences.get(call.id)
    assert record.content is not None
    assert record.content.messages == ({"role": "user", "content": "What is a QT?"},)
    assert (await verify(restored.pool, tenant.org)).flaw is None


async def test_a_restored_dump_keeps_what_the_application_may_not_do(storage: Storage, restore: Restore) -> None:
    await make_tenant(storage)

    restored = await restore.open()

    async with restored.pool.connection() as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute("delete from audit_entries")
