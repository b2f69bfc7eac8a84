"""Exports of the audit log: written once, whole, whoever dies over it, and readable by anybody with the keys."""

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import orjson
import psycopg
import pytest
from temporalio.testing import ActivityEnvironment

from activities.audit_export import AuditExportActivities, Export, Written
from gateway.audit import AuditAction
from gateway.audit.exports import AuditExport, ExportState
from gateway.audit.verifying import verify_export
from gateway.clock import Clock, SystemClock
from gateway.end_users.exports import ExportState as PersonExportState
from gateway.errors import UnavailableError
from gateway.ids import new_ulid
from gateway.tenancy import Principal
from storage import Storage, audit_checkpoints, audit_exports
from storage.audit_exports import ExportWriting, read_pages
from storage.audit_keys import signing_key
from storage.pool import fetch
from storage.sequencer import Sequencer
from tests import end_user_exports
from tests.conftest import Database
from tests.end_user_exports import make_named_call
from tests.tenants import HAIKU, Tenant, make_call, make_outcome, make_tenant

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
BASE_URL = "https://gateway.example"


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_exports, "PAGE", 3)


async def busy_tenant(storage: Storage, *, calls: int = 7) -> Tenant:
    tenant = await make_tenant(storage)
    access = await storage.access.resolve(tenant.token)
    for _ in range(calls):
        call = make_call(access)
        await storage.journal.open(call, HAIKU, 100)
        await storage.journal.close(make_outcome(call))
    return tenant


async def request(
    storage: Storage, tenant: Tenant, *, start: datetime = LONG_AGO, end: datetime | None = None, sealed: bool = True
) -> Export:
    export_id = new_ulid()
    async with storage.as_operator(tenant.org, command="test") as tx:
        entry = tx.audit(AuditAction.AUDIT_EXPORT_REQUESTED, entity_type="audit_export", entity_id=export_id)
        wanted = end or datetime.now(UTC) + timedelta(hours=1)
        await tx.audit_exports.add(export_id, start=start, end=wanted, by="system:test", entry_id=entry)
    if sealed:
        await Sequencer(storage.pool, SystemClock(), signing_key(storage.keyring.audit)).seal()
    return Export(tenant.org, export_id)


def activities(storage: Storage, clock: Clock | None = None) -> AuditExportActivities:
    key = signing_key(storage.keyring.audit)
    used = clock or SystemClock()
    return AuditExportActivities(storage.pool, used, ExportWriting(storage.pool, storage.cipher, used, key, BASE_URL))


async def state_of(storage: Storage, tenant: Tenant, export: Export) -> AuditExport:
    async with storage.read(_principal(tenant)) as tx:
        return await tx.audit_exports.get(export.id)


async def text_of(storage: Storage, tenant: Tenant, export: Export) -> bytes:
    return "".join([page async for page in read_pages(storage.pool, storage.cipher, tenant.org, export.id)]).encode()


async def write(storage: Storage, export: Export, *, pages: int | None = None) -> Written:
    """One run of the activity; the worker stops after so many pages."""
    environment = ActivityEnvironment()
    environment.on_heartbeat = _stopping_after(environment, pages)
    return await environment.run(activities(storage).write, export)


async def test_an_export_is_readable_by_the_verifier(storage: Storage) -> None:
    tenant = await busy_tenant(storage)
    export = await request(storage, tenant)

    written = await write(storage, export)

    verdict = verify_export(io.BytesIO(await text_of(storage, tenant, export)), keys=None, authorities=None)
    assert (written, verdict.flaw) == (Written(entries=9, is_over=True, is_ready=True), None)


async def test_a_writer_that_stops_after_any_page_is_gone_on_from(storage: Storage) -> None:
    tenant = await busy_tenant(storage)
    whole, broken = await request(storage, tenant), await request(storage, tenant, end=datetime.now(UTC))
    await write(storage, whole)

    runs = 0
    while not (await write(storage, broken, pages=1)).is_over:
        runs += 1

    assert runs >= 4
    verdict = verify_export(io.BytesIO(await text_of(storage, tenant, broken)), keys=None, authorities=None)
    assert verdict.flaw is None
    assert (await state_of(storage, tenant, broken)).state is ExportState.READY


async def test_a_key_that_is_retired_meanwhile_has_the_export_begin_anew(storage: Storage, database: Database) -> None:
    tenant = await busy_tenant(storage)
    export = await request(storage, tenant)
    await write(storage, export, pages=2)
    with psycopg.connect(database.owner_url) as connection:
        connection.execute(
            "insert into audit_keys (key_id, public_key_pem, status, published_at, retired_at)"
            " select 'other', public_key_pem, 'retired', now(), now() from audit_keys"
        )

    await write(storage, export)

    document = orjson.loads(await text_of(storage, tenant, export))
    assert [key["key_id"] for key in document["verification"]["keys"]][-1] == "other"
    assert [entry["seq"] for entry in document["entries"]] == list(range(1, 10))


async def test_an_export_waits_until_its_own_request_is_sealed(storage: Storage) -> None:
    tenant = await busy_tenant(storage)
    export = await request(storage, tenant, sealed=False)

    with pytest.raises(Exception, match="temporarily unavailable"):
        await write(storage, export)

    assert (await state_of(storage, tenant, export)).state is ExportState.REQUESTED


async def test_of_more_time_stamps_than_a_header_holds_the_last_and_some_of_all_times_are_shown(
    storage: Storage, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = await busy_tenant(storage)
    export = await request(storage, tenant)
    with psycopg.connect(database.owner_url) as connection:
        connection.execute(
            "insert into audit_checkpoints (org_id, seq, hash, at, key_id, signature)"
            " select org_id, seq, hash, sealed_at, key_id, 'x' from audit_seals where org_id = %s",
            [tenant.org],
        )
        connection.execute(
            "insert into audit_anchors (org_id, seq, response, at, tsa_url, tsa_cacert_url)"
            " select org_id, seq, decode(repeat('00', 1000), 'hex'), at, 'https://tsa.example', 'https://tsa.example'"
            " from audit_checkpoints where org_id = %s",
            [tenant.org],
        )
    monkeypatch.setattr(audit_checkpoints, "_MOST_STAMP_BYTES", 3000)
    monkeypatch.setattr(audit_checkpoints, "_MOST_CHECKPOINTS", 5)

    await write(storage, export)

    shown = orjson.loads(await text_of(storage, tenant, export))["verification"]
    assert [anchor["checkpoint_after_entry"] for anchor in shown["tsa_anchor_chain"]] == [3, 6, 9]
    assert [checkpoint["seq"] for checkpoint in shown["checkpoints"]] == [1, 3, 5, 7, 9]


async def test_a_range_without_entries_gives_an_export_without_any(storage: Storage) -> None:
    tenant = await busy_tenant(storage)
    export = await request(storage, tenant, end=LONG_AGO + timedelta(days=1))

    written = await write(storage, export)

    verdict = verify_export(io.BytesIO(await text_of(storage, tenant, export)), keys=None, authorities=None)
    assert (written.entries, verdict.flaw) == (0, None)


async def test_a_log_with_a_gap_is_not_exported(storage: Storage, database: Database) -> None:
    tenant = await busy_tenant(storage)
    export = await request(storage, tenant)
    with psycopg.connect(database.owner_url) as connection:
        connection.execute("alter table audit_seals disable trigger user")
        connection.execute("delete from audit_seals where org_id = %s and seq = 4", [tenant.org])

    written = await write(storage, export)

    found = await state_of(storage, tenant, export)
    assert (written.is_ready, found.state, found.reason) == (False, ExportState.FAILED, "chain_broken")


async def test_the_text_lies_encrypted(storage: Storage, database: Database) -> None:
    tenant = await busy_tenant(storage)
    await write(storage, await request(storage, tenant))

    with psycopg.connect(database.owner_url) as connection:
        rows = connection.execute("select content from audit_export_pages").fetchall()

    assert len(rows) == 5
    assert not any(tenant.org.encode() in row[0] for row in rows)


async def test_a_week_later_its_text_is_gone(storage: Storage) -> None:
    tenant = await busy_tenant(storage)
    export = await request(storage, tenant)
    await write(storage, export)

    await ActivityEnvironment().run(activities(storage, _Later()).forget)

    assert (await state_of(storage, tenant, export)).state is ExportState.EXPIRED
    with pytest.raises(UnavailableError):
        await text_of(storage, tenant, export)


async def test_what_a_lost_workflow_left_of_a_persons_export_is_destroyed_after_its_time(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    await make_named_call(storage, tenant)
    written = await end_user_exports.ask(storage, tenant)
    await end_user_exports.write(storage, tenant, written)
    await make_named_call(storage, tenant, "somebody else")
    unwritten = await end_user_exports.ask(storage, tenant, "somebody else")

    await ActivityEnvironment().run(activities(storage).forget)
    assert (await end_user_exports.state_of(storage, tenant, written)).state is PersonExportState.READY
    assert await end_user_exports.files_of(storage, written)
    await ActivityEnvironment().run(activities(storage, _Later()).forget)

    for export in (written, unwritten):
        assert (await end_user_exports.state_of(storage, tenant, export)).state is PersonExportState.EXPIRED
        assert not await end_user_exports.files_of(storage, export)
    keys = "select count(sealed_key) from end_user_exports where org_id = %s"
    assert await fetch(storage.pool, keys, [tenant.org]) == [(0,)]


class _Later:
    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(days=8)


def _principal(tenant: Tenant) -> Principal:
    return Principal(tenant.org, tenant.key.id, frozenset(tenant.key.scopes), tenant.key.mode)


def _stopping_after(environment: ActivityEnvironment, pages: int | None) -> Callable[..., None]:
    beats = 0

    def beat(*_: object) -> None:
        nonlocal beats
        beats += 1
        if beats == (pages or 0) + 1 and pages is not None:
            environment.worker_shutdown()

    return beat
