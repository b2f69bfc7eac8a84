"""An export is written part by part, and is the same whoever dies over it."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from gateway.audit import AuditAction
from gateway.audit.exports import ExportExpiredError, ExportNotReadyError
from gateway.end_users.exports import SUBJECT_ERASED, Dataset, EndUserExport, ExportState
from gateway.errors import NotFoundError, UnavailableError
from gateway.ids import EndUserId, day_of, new_ulid
from gateway.settings import Settings
from storage import Storage
from storage.end_users.exports import composing, subject, writing
from storage.end_users.exports.destroying import destroy
from storage.end_users.exports.reading import open_stored
from storage.end_users.exports.writing import EndUserExportWriting
from storage.pool import fetch
from tests.end_user_exports import (
    NAME,
    ask,
    begin_named_call,
    document_of,
    exported,
    files_of,
    make_named_call,
    rewind,
    seal,
    state_of,
    write,
)
from tests.storage.keys_by_day import destroyed
from tests.tenants import Tenant, make_outcome, make_tenant


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a few records, and queries that do not end where files do."""
    monkeypatch.setattr(composing, "MOST_RECORDS", 3)
    monkeypatch.setattr(subject, "WINDOW", 4)
    monkeypatch.setattr(writing, "SETTLES_S", 0)


async def busy_tenant(storage: Storage, *, calls: int = 8) -> Tenant:
    tenant = await make_tenant(storage)
    for _ in range(calls):
        await make_named_call(storage, tenant)
    return tenant


def stopping_after(queries: int) -> Callable[[], bool]:
    left = iter(range(queries))
    return lambda: next(left, None) is not None


def dying_after(queries: int) -> Callable[[], bool]:
    """Ends the task that asks at whatever it waits for next: that a part is sealed, or stored."""
    left = iter(range(queries))

    def goes_on() -> bool:
        if next(left, None) is None and (task := asyncio.current_task()):
            task.cancel()
        return True

    return goes_on


async def manifest_of(storage: Storage, tenant: Tenant, export: EndUserExport) -> str | None:
    return (await state_of(storage, tenant, export)).manifest_sha256


async def test_a_writer_that_stops_after_any_query_leaves_an_export_that_ends_the_same(storage: Storage) -> None:
    tenant = await busy_tenant(storage)
    export = await ask(storage, tenant)
    await write(storage, tenant, export)
    undisturbed = await manifest_of(storage, tenant, export), await files_of(storage, export)

    for queries in range(1, 12):
        await rewind(storage, export)
        stopped = await write(storage, tenant, export, stopping_after(queries))
        assert stopped.state is ExportState.RUNNING
        ended = await write(storage, tenant, export)
        assert ended.state is ExportState.READY
        assert (await manifest_of(storage, tenant, export), await files_of(storage, export)) == undisturbed


async def test_a_writer_that_dies_over_any_part_leaves_an_export_that_ends_the_same(storage: Storage) -> None:
    tenant = await busy_tenant(storage)
    export = await ask(storage, tenant)
    await write(storage, tenant, export)
    undisturbed = await manifest_of(storage, tenant, export)
    await rewind(storage, export)

    for queries in range(1, 12):
        running = asyncio.create_task(write(storage, tenant, export, dying_after(queries)))
        await asyncio.wait([running])
    await write(storage, tenant, export)

    assert await manifest_of(storage, tenant, export) == undisturbed


async def test_writers_at_once_write_one_export(storage: Storage) -> None:
    tenant = await busy_tenant(storage)
    export = await ask(storage, tenant)
    alone = await write(storage, tenant, export)
    undisturbed = await manifest_of(storage, tenant, export)
    await rewind(storage, export)

    results = await asyncio.gather(*(write(storage, tenant, export) for _ in range(4)))

    assert results == [alone] * 4
    assert await manifest_of(storage, tenant, export) == undisturbed


async def test_a_file_holds_no_more_records_than_it_may(storage: Storage) -> None:
    tenant = await busy_tenant(storage)
    export = await ask(storage, tenant)

    await write(storage, tenant, export)

    records = {path: count for path, (count, _) in (await files_of(storage, export)).items() if "inferences" in path}
    assert records == {
        "data/schemas/inferences.schema.json": 0,
        "data/inferences-000001.ndjson": 3,
        "data/inferences-000002.ndjson": 3,
        "data/inferences-000003.ndjson": 2,
    }


async def test_a_record_that_is_longer_than_a_file_has_one_of_its_own(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(composing, "MOST_BYTES", 10)
    monkeypatch.setattr(subject, "MOST_SEALED", 10)
    tenant = await busy_tenant(storage, calls=2)
    export = await ask(storage, tenant)

    await write(storage, tenant, export)

    files = await files_of(storage, export)
    assert [files[f"data/inferences-00000{number}.ndjson"][0] for number in (1, 2)] == [1, 1]


async def test_counts_are_of_the_records_that_are_there(storage: Storage) -> None:
    tenant = await busy_tenant(storage)
    export = await ask(storage, tenant)

    progress = await write(storage, tenant, export)

    document, ready = await document_of(storage, tenant, export), await state_of(storage, tenant, export)
    there = {each: len(document[each]) for each in Dataset if each is not Dataset.PROFILE and document[each]}
    assert ready.counts == {"profile": 1, **there}
    assert progress.records == ready.records
    assert progress.bytes_written == ready.bytes_written


async def test_what_happens_after_the_moment_of_the_export_is_not_in_it(storage: Storage) -> None:
    tenant = await busy_tenant(storage, calls=1)
    running = await begin_named_call(storage, tenant)
    export = await ask(storage, tenant)
    await make_named_call(storage, tenant)
    await storage.journal.close(make_outcome(running))
    late = "update inferences set completed_at = now() + interval '1 hour' where id = %s returning 1"
    await fetch(storage.pool, late, [running.id])
    await seal(storage)

    await write(storage, tenant, export)

    document = await document_of(storage, tenant, export)
    assert [len(document[each]) for each in ("inferences", "findings", "usage")] == [1, 1, 1]
    assert document["profile"]["inferences"] == 1


async def test_an_export_waits_until_the_audit_log_is_sealed_up_to_its_moment(storage: Storage) -> None:
    tenant = await busy_tenant(storage, calls=1)
    export = await ask(storage, tenant, is_sealed=False)

    with pytest.raises(UnavailableError):
        await write(storage, tenant, export)
    await seal(storage)

    assert (await write(storage, tenant, export)).state is ExportState.READY


async def test_the_audit_log_tells_of_the_request_itself(storage: Storage) -> None:
    tenant = await busy_tenant(storage, calls=1)

    document = await exported(storage, tenant)

    assert [entry["action"] for entry in document["audit"]] == ["ai.request.completed", "audit.export.request"]
    assert all(entry["seq"] and entry["signature"] for entry in document["audit"])


async def test_what_is_of_others_is_not_in_it(storage: Storage) -> None:
    tenant, foreign = await busy_tenant(storage, calls=1), await busy_tenant(storage, calls=1)
    await make_named_call(storage, tenant, "someone.else", said="Of someone else.")
    await make_named_call(storage, tenant, None, said="Of nobody.")

    document = await exported(storage, tenant)

    assert [len(document[each]) for each in ("inferences", "findings", "usage")] == [1, 1, 1]
    assert foreign.org not in str(document)


async def test_content_whose_time_was_over_is_told_of_as_destroyed(storage: Storage, settings: Settings) -> None:
    tenant = await make_tenant(storage)
    gone = await make_named_call(storage, tenant)
    await make_named_call(storage, tenant, store=False)
    await destroyed(storage, tenant.org, [day_of(gone.id)])
    other = await Storage.open(settings)

    try:
        document = await exported(other, tenant)
    finally:
        await other.close()

    assert [each["content"] for each in document["inferences"]] == ["destroyed", "not_kept"]
    assert [each["answer"] for each in document["inferences"]] == [None, None]


async def test_a_name_is_nowhere_in_what_lies_in_rows(storage: Storage) -> None:
    tenant = await busy_tenant(storage, calls=1)
    export = await ask(storage, tenant)

    await write(storage, tenant, export)

    rows = "select to_jsonb(p)::text || encode(content, 'escape') from end_user_export_parts p where export_id = %s"
    assert not [text for (text,) in await fetch(storage.pool, rows, [export.id]) if NAME in text]


async def test_of_whom_an_export_is_being_written_no_other_is_begun(storage: Storage) -> None:
    tenant = await busy_tenant(storage, calls=1)
    end_user = await storage.end_users.of(tenant.org, NAME)

    async def begin() -> EndUserExport | None:
        async with storage.as_operator(tenant.org, command="test") as tx:
            tx.audit(AuditAction.AUDIT_EXPORT_REQUESTED, entity_type="end_user_export", entity_id=end_user.id)
            return await tx.end_user_exports.open_export(end_user.id, by=None)

    begun = await asyncio.gather(*(begin() for _ in range(4)))

    assert len([each for each in begun if each is not None]) == 1


async def test_nothing_is_exported_of_somebody_unknown(storage: Storage) -> None:
    tenant = await make_tenant(storage)

    async with storage.as_operator(tenant.org, command="test") as tx:
        tx.audit(AuditAction.AUDIT_EXPORT_REQUESTED, entity_type="end_user_export", entity_id=tenant.org)
        with pytest.raises(NotFoundError):
            await tx.end_user_exports.open_export(EndUserId(new_ulid()), by=None)


async def test_an_export_that_is_ready_is_told_of_once(storage: Storage) -> None:
    tenant = await busy_tenant(storage, calls=1)
    export = await ask(storage, tenant)

    await asyncio.gather(*(write(storage, tenant, export) for _ in range(3)))

    told = "select type, data from outbox where org_id = %s and type like 'export.%%'"
    assert await fetch(storage.pool, told, [tenant.org]) == [("export.ready", {"export_id": export.id})]


async def test_an_export_that_is_given_up_is_told_of_and_cannot_be_read(storage: Storage) -> None:
    tenant = await busy_tenant(storage, calls=1)
    export = await ask(storage, tenant)

    await EndUserExportWriting(storage.pool, storage.cipher, storage.clock).fail(tenant.org, export.id, "internal")

    told = "select type from outbox where org_id = %s and type like 'export.%%'"
    failed = await state_of(storage, tenant, export)
    assert await fetch(storage.pool, told, [tenant.org]) == [("export.failed",)]
    assert (failed.state, failed.reason) == (ExportState.FAILED, "internal")
    with pytest.raises(ExportNotReadyError):
        await open_stored(storage.pool, storage.cipher, tenant.org, failed)


async def test_an_export_that_is_cancelled_while_it_is_written_is_not_written_further(storage: Storage) -> None:
    tenant = await busy_tenant(storage)
    export = await ask(storage, tenant)
    await write(storage, tenant, export, stopping_after(4))

    await destroy(storage.pool, tenant.org, export.id, into=ExportState.CANCELLED)
    progress = await write(storage, tenant, export)

    assert progress.state is ExportState.CANCELLED
    assert await files_of(storage, export) == {}


async def test_a_destroyed_export_stays_what_it_became_first(storage: Storage) -> None:
    tenant = await busy_tenant(storage, calls=1)
    export = await ask(storage, tenant)
    await write(storage, tenant, export)

    for into in (ExportState.CANCELLED, ExportState.EXPIRED):
        await destroy(storage.pool, tenant.org, export.id, into=into)

    gone = await state_of(storage, tenant, export)
    assert gone.state is ExportState.CANCELLED
    with pytest.raises(ExportExpiredError):
        await open_stored(storage.pool, storage.cipher, tenant.org, gone)


async def test_an_export_dies_with_the_key_of_whom_it_is_of(storage: Storage, settings: Settings) -> None:
    tenant = await busy_tenant(storage, calls=1)
    export = await ask(storage, tenant)
    await write(storage, tenant, export)
    ready = await state_of(storage, tenant, export)

    await fetch(storage.pool, "update end_user_keys set sealed = null, destroyed_at = %s", [datetime.now(UTC)])
    other = await Storage.open(settings)

    try:
        with pytest.raises(ExportExpiredError):
            await open_stored(other.pool, other.cipher, tenant.org, ready)
    finally:
        await other.close()


async def test_an_export_of_somebody_who_is_erased_meanwhile_fails(storage: Storage, settings: Settings) -> None:
    tenant = await busy_tenant(storage, calls=1)
    export = await ask(storage, tenant)
    await fetch(storage.pool, "update end_user_keys set sealed = null, destroyed_at = %s", [datetime.now(UTC)])
    other = await Storage.open(settings)

    try:
        await write(other, tenant, export)
    finally:
        await other.close()

    failed = await state_of(storage, tenant, export)
    assert (failed.state, failed.reason) == (ExportState.FAILED, SUBJECT_ERASED)


async def test_an_export_of_somebody_who_is_being_erased_fails(storage: Storage) -> None:
    tenant = await busy_tenant(storage, calls=1)
    export = await ask(storage, tenant)
    await fetch(storage.pool, "update end_users set state = 'restricted' where org_id = %s returning 1", [tenant.org])

    await write(storage, tenant, export)

    assert (await state_of(storage, tenant, export)).reason == SUBJECT_ERASED


async def test_nothing_is_exported_of_somebody_who_is_being_erased(storage: Storage) -> None:
    tenant = await busy_tenant(storage, calls=1)
    end_user = await storage.end_users.of(tenant.org, NAME)
    await fetch(storage.pool, "update end_users set state = 'restricted' where org_id = %s returning 1", [tenant.org])

    async with storage.as_operator(tenant.org, command="test") as tx:
        tx.audit(AuditAction.AUDIT_EXPORT_REQUESTED, entity_type="end_user_export", entity_id=tenant.org)
        with pytest.raises(NotFoundError):
            await tx.end_user_exports.open_export(end_user.id, by=None)


async def test_a_part_that_was_changed_does_not_open(storage: Storage) -> None:
    tenant = await busy_tenant(storage, calls=1)
    export = await ask(storage, tenant)
    await write(storage, tenant, export)

    swap = (
        "update end_user_export_parts p set content = (select q.content from end_user_export_parts q"
        " where q.export_id = p.export_id and q.number = 4) where p.export_id = %s and p.number = 2"
    )
    await fetch(storage.pool, swap, [export.id])

    with pytest.raises(UnavailableError):
        await document_of(storage, tenant, export)
