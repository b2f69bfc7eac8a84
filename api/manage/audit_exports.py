"""`/v1/audit/exports`: the audit log of a range of time, to be checked by anybody anywhere (spec B8, D27)."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from starlette.responses import StreamingResponse

from api import audit_examples as examples
from api.authentication import authenticate, caller
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.idempotency import once
from api.manage.audit_csv import entries_csv
from api.manage.schemas import ExportAuditRequest
from api.manage.spreadsheet import CSV_WITH_HEADER, prefers_csv
from api.native.envelope import CONTROL, success
from api.openapi import ACCESS_ERRORS, IDEMPOTENCY_ERRORS, errors, json_body, once_a_key
from api.state import gateway_of
from api.validation import read_object, validated
from gateway import errors as facts
from gateway.audit import AuditAction, canonical_time
from gateway.audit.exports import (
    AuditExport,
    ExportExpiredError,
    ExportNotReadyError,
    ExportState,
    TooManyExportsError,
)
from gateway.errors import NotFoundError, ValidationFailedError
from gateway.events import Event, EventType
from gateway.ids import find_ulid, new_ulid
from gateway.tenancy import Access, Scope
from storage.audit_exports import read_pages
from storage.transaction import Transaction

router = APIRouter(route_class=dialect_route(CONTROL), tags=["Audit"])

Reader = Annotated[Access, Depends(caller(Scope.CONTROL_READ))]


async def _exporter(request: Request) -> Access:
    """Needs an agreement, or one whose grace is not over (spec D5); reading the log itself never does."""
    access = await authenticate(request, Scope.CONTROL_READ)
    gateway_of(request).pipeline.require_readable(access.policy)
    return access


Exporter = Annotated[Access, Depends(_exporter)]


@router.post(
    "/v1/audit/exports",
    summary="Request an audit export",
    status_code=202,
    response_class=Response,
    responses={
        202: examples.EXPORT_REQUESTED,
        **errors(
            CONTROL,
            *ACCESS_ERRORS,
            facts.BaaRequiredError,
            *IDEMPOTENCY_ERRORS,
            TooManyExportsError,
            facts.ValidationFailedError,
            facts.TooLargeError,
        ),
    },
    openapi_extra=once_a_key(json_body(ExportAuditRequest, examples.EXPORT_REQUEST)),
)
async def request_export(request: Request, access: Exporter) -> Response:
    """Has the entries of a range of time written out, with all that proves them. Needs the scope `control:read`.

    What happens after the request is not in it, even if the range goes on. An export is kept for a week, and an
    organization has ten at most. Requests and downloads are audited. Both need an agreement that is in force, or whose
    grace is not over.
    """
    wanted = validated(ExportAuditRequest, read_object(await request.body()), unknown=ValidationFailedError)
    if wanted.end < wanted.start:
        raise ValidationFailedError("`to` is before `from`.", param="to")

    async def begin(tx: Transaction) -> Response:
        export_id = new_ulid()
        span = {"from": canonical_time(wanted.start), "to": canonical_time(wanted.end)}
        entry_id = tx.audit(
            AuditAction.AUDIT_EXPORT_REQUESTED, entity_type="audit_export", entity_id=export_id, metadata=span
        )
        by = access.principal.actor
        export = await tx.audit_exports.add(export_id, start=wanted.start, end=wanted.end, by=by, entry_id=entry_id)
        tx.tell(Event(EventType.AUDIT_EXPORT_REQUESTED, {"export_id": export_id}))
        return success(_data(export), request_id=exchange_of(request).request_id, status=202)

    return await once(request, access, begin)


@router.get(
    "/v1/audit/exports/{export_id}",
    summary="Status of an audit export",
    response_class=Response,
    responses={200: examples.EXPORT, **errors(CONTROL, *ACCESS_ERRORS, facts.NotFoundError)},
)
async def get_export(request: Request, access: Reader, export_id: str) -> Response:
    """How far it is. `ready` has a `download_url`; `failed` a `reason`. Needs the scope `control:read`."""
    async with gateway_of(request).storage.read(access.principal) as tx:
        export = await tx.audit_exports.get(_id(export_id))
    return success(_data(export), request_id=exchange_of(request).request_id)


@router.get(
    "/v1/audit/exports/{export_id}/download",
    summary="Download an audit export",
    response_class=Response,
    responses={
        200: examples.DOWNLOAD,
        **errors(
            CONTROL,
            *ACCESS_ERRORS,
            facts.BaaRequiredError,
            facts.NotFoundError,
            ExportNotReadyError,
            ExportExpiredError,
        ),
    },
)
async def download_export(request: Request, access: Exporter, export_id: str) -> Response:
    """The envelope that `hasp audit verify` and public verifiers read. Needs the scope `control:read`.

    With `Accept: text/csv` the entries come as lines of a table, which prove nothing.
    """
    storage, exchange = gateway_of(request).storage, exchange_of(request)
    as_csv = prefers_csv(request.headers.getlist("accept"))
    async with storage.begin(access.principal, ip_address=exchange.ip_address) as tx:
        export = await tx.audit_exports.get(_id(export_id))
        _require_ready(export)
        tx.audit(
            AuditAction.AUDIT_EXPORT_DOWNLOADED,
            entity_type="audit_export",
            entity_id=export.id,
            metadata={"format": "csv" if as_csv else "json"},
        )
    pages = read_pages(storage.pool, storage.cipher, access.principal.org, export.id)
    return _attachment(export, entries_csv(pages) if as_csv else pages, as_csv=as_csv)


def _attachment(export: AuditExport, text: AsyncIterator[str], *, as_csv: bool) -> Response:
    kind = "csv" if as_csv else "json"
    headers = {
        "content-disposition": f'attachment; filename="audit-{export.id}.{kind}"',
        "cache-control": "private, no-store",
        "vary": "accept",
    }
    if not as_csv:
        headers["etag"] = f'"{export.sha256}"'
    return StreamingResponse(text, headers=headers, media_type=CSV_WITH_HEADER if as_csv else "application/json")


def _require_ready(export: AuditExport) -> None:
    if export.state is ExportState.EXPIRED:
        raise ExportExpiredError
    if export.state is not ExportState.READY:
        raise ExportNotReadyError(details={"state": export.state.value})


def _id(given: str) -> str:
    found = find_ulid(given)
    if found is None:
        raise NotFoundError
    return found


def _data(export: AuditExport) -> dict[str, Any]:
    is_ready = export.state is ExportState.READY
    return {
        "id": export.id,
        "state": export.state.value,
        "from": export.start.isoformat(),
        "to": export.end.isoformat(),
        "requested_at": export.requested_at.isoformat(),
        "requested_by": export.requested_by,
        "entry_count": export.entry_count,
        "entries_written": export.entries_written,
        "sha256": export.sha256,
        "reason": export.reason,
        "finished_at": export.finished_at.isoformat() if export.finished_at else None,
        "expires_at": export.expires_at.isoformat(),
        "download_url": f"/v1/audit/exports/{export.id}/download" if is_ready else None,
    }
