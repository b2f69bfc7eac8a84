"""Calls that name somebody, and exports of what is kept of them, for every ring that exports."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from gateway.audit import AuditAction
from gateway.clock import SystemClock
from gateway.end_users.exports import EndUserExport
from gateway.ids import ConversationId
from gateway.inference.call import Call
from gateway.phi.findings import Entity, Finding
from gateway.phi.report import PhiReport
from gateway.tenancy import PhiMode
from storage import Storage
from storage.audit_keys import signing_key
from storage.end_users.exports.document import stream_document
from storage.end_users.exports.reading import open_stored
from storage.end_users.exports.writing import EndUserExportWriting, Progress
from storage.pool import fetch
from storage.sequencer import Sequencer
from tests.tenants import HAIKU, Tenant, make_call, make_conversation, make_outcome

NAME = "maria.lopez@a.example"

FINDING = Finding("messages[0].content", 0, 5, Entity.PERSON, 900, "[NAME_1]")


async def make_named_call(
    storage: Storage,
    tenant: Tenant,
    name: str | None = NAME,
    *,
    said: str = "All well.",
    thread: ConversationId | None = None,
    store: bool = True,
) -> Call:
    """A completed call, with a finding."""
    call = await begin_named_call(storage, tenant, name, thread=thread, store=store)
    report = PhiReport.of(PhiMode.REDACT, "redacted", [FINDING])
    await storage.journal.close(replace(make_outcome(call, text=said), report=report))
    return call


async def begin_named_call(
    storage: Storage,
    tenant: Tenant,
    name: str | None = NAME,
    *,
    thread: ConversationId | None = None,
    store: bool = True,
) -> Call:
    """One that runs."""
    conversation = replace(make_conversation("Maria asks"), end_user=name)
    access = await storage.access.resolve(tenant.token)
    call = make_call(access, conversation=conversation, thread=thread, store=store)
    await storage.journal.open(call, HAIKU, 500)
    return call


async def ask(storage: Storage, tenant: Tenant, name: str = NAME, *, is_sealed: bool = True) -> EndUserExport:
    """An export that nothing is written of; `is_sealed`: the audit log up to now."""
    end_user = await storage.end_users.of(tenant.org, name)
    async with storage.as_operator(tenant.org, command="test") as tx:
        export = await tx.end_user_exports.open_export(end_user.id, by="system:test")
        assert export is not None
        tx.audit(
            AuditAction.AUDIT_EXPORT_REQUESTED,
            entity_type="end_user_export",
            entity_id=export.id,
            subject=end_user.digest,
        )
    if is_sealed:
        await seal(storage)
    return export


async def seal(storage: Storage) -> None:
    await Sequencer(storage.pool, SystemClock(), signing_key(storage.keyring.audit)).seal()


async def write(
    storage: Storage, tenant: Tenant, export: EndUserExport, goes_on: Callable[[], bool] = lambda: True
) -> Progress:
    writing = EndUserExportWriting(storage.pool, storage.cipher, SystemClock())
    return await writing.write(tenant.org, export.id, goes_on=goes_on)


async def state_of(storage: Storage, tenant: Tenant, export: EndUserExport) -> EndUserExport:
    access = await storage.access.resolve(tenant.token)
    async with storage.read(access.principal) as tx:
        return await tx.end_user_exports.get(export.id)


async def exported(storage: Storage, tenant: Tenant, name: str = NAME) -> dict[str, Any]:
    """All that an export says now, as one document."""
    export = await ask(storage, tenant, name)
    await write(storage, tenant, export)
    return await document_of(storage, tenant, export)


async def document_of(storage: Storage, tenant: Tenant, export: EndUserExport) -> dict[str, Any]:
    ready = await state_of(storage, tenant, export)
    stored = await open_stored(storage.pool, storage.cipher, tenant.org, ready)
    return orjson.loads(await whole(stream_document(stored)))


async def whole(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def files_of(storage: Storage, export: EndUserExport) -> Mapping[str, tuple[int, str]]:
    """Records and checksum of each, by path."""
    rows = await fetch(
        storage.pool,
        "select path, records, sha256 from end_user_export_parts where export_id = %s order by number",
        [export.id],
    )
    return {path: (records, sha256) for path, records, sha256 in rows}


async def rewind(storage: Storage, export: EndUserExport) -> None:
    """As if nothing of it had ever been written."""
    await fetch(storage.pool, "delete from end_user_export_parts where export_id = %s returning 1", [export.id])
    await fetch(
        storage.pool,
        "update end_user_exports set state = 'requested', counts = '{}', bytes_written = 0, manifest_sha256 = null,"
        " finished_at = null where id = %s returning 1",
        [export.id],
    )
