"""Exports of what is kept of a person (GDPR articles 15 and 20; spec B13, D32, O4)."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from api import end_user_export_examples as examples
from api.accepted_types import preferred
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.manage.end_user_paths import NAMED, PersonReader, RuntimeUser
from api.native.envelope import CONTROL, listed, success
from api.openapi import ACCESS_ERRORS, errors
from api.preference import PARAMETER, once_done
from api.state import gateway_of
from gateway import errors as facts
from gateway.audit import AuditAction, PhiDisposition
from gateway.audit.exports import ExportExpiredError, ExportNotReadyError, TooManyExportsError
from gateway.end_users.end_user import EndUserEntry, EndUserState
from gateway.end_users.export_links import ExportLinkError, Link, make_link, require_link
from gateway.end_users.exports import FRESH, EndUserExport, ExportState
from gateway.errors import NotFoundError, UnavailableError, ValidationFailedError
from gateway.events import Event, EventType
from gateway.ids import find_ulid
from gateway.paging import DEFAULT_LIMIT, MAX_LIMIT
from gateway.tenancy import Access
from storage.end_users.exports.bag import stream_bag
from storage.end_users.exports.document import stream_document
from storage.end_users.exports.reading import open_stored
from storage.transaction import Transaction

router = APIRouter(route_class=dialect_route(CONTROL), tags=["End users"])

_EXPORTS: Final = "/v1/orgs/{organization}/end-user-exports"
_ENTITY = "end_user_export"
_ZIP, _JSON = "application/zip", "application/json"


class ExportQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    snapshot_after: AwareDatetime | None = Field(
        default=None,
        description="An export of an earlier moment will not do, unless it is being made. Default: 15 minutes ago.",
    )


class ExportsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT


class DownloadQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    token: Annotated[str, Field(max_length=256)]


@router.get(
    f"{NAMED}/export",
    summary="Export an end user",
    response_class=Response,
    responses={
        200: examples.EXPORT,
        202: examples.EXPORT_REQUESTED,
        **errors(
            CONTROL,
            *ACCESS_ERRORS,
            facts.BaaRequiredError,
            facts.NotFoundError,
            TooManyExportsError,
            facts.ValidationFailedError,
        ),
    },
    openapi_extra={"parameters": [PARAMETER]},
)
async def export_end_user(
    request: Request, access: PersonReader, runtime_user: RuntimeUser, query: Annotated[ExportQuery, Query()]
) -> Response:
    """Everything that is kept of a person, as of a moment. Needs the scope `org.end_users.read`.

    Answers with the export that is being made, or with the last one if it is of the last quarter of an hour, and has
    one made otherwise: asked again it is the same. 200 once it is made, 202 with a `Location` while it is not.
    """
    gateway = gateway_of(request)
    now = gateway.clock.now()
    if query.snapshot_after is not None and query.snapshot_after > now:
        raise ValidationFailedError("`snapshot_after` lies ahead.", param="snapshot_after")
    async with gateway.storage.begin(access.principal, ip_address=exchange_of(request).ip_address) as tx:
        person = _active(await tx.end_users.find(runtime_user))
        export = await _begun(tx, person, since=query.snapshot_after or now - FRESH)

    async def look() -> EndUserExport:
        async with gateway.storage.read(access.principal) as view:
            return await view.end_user_exports.get(export.id)

    seen = await once_done(request, look, is_done=lambda seen: not seen.state.is_open) or await look()
    return _answered(request, access, seen, status=202 if seen.state.is_open else 200)


@router.get(
    _EXPORTS,
    summary="List exports of end users",
    response_class=Response,
    responses={
        200: examples.EXPORTS,
        **errors(CONTROL, *ACCESS_ERRORS, facts.BaaRequiredError, facts.NotFoundError, facts.ValidationFailedError),
    },
)
async def list_exports(request: Request, access: PersonReader, query: Annotated[ExportsQuery, Query()]) -> Response:
    """Newest first; whom they are of is told by id. Needs the scope `org.end_users.read`."""
    async with gateway_of(request).storage.read(access.principal) as tx:
        page = await tx.end_user_exports.page(cursor=query.cursor, limit=query.limit)
    shown = [_shown(request, access, export) for export in page.items]
    return listed(shown, next_cursor=page.next_cursor, request_id=exchange_of(request).request_id)


@router.get(
    f"{_EXPORTS}/{{export_id}}",
    summary="Status of an export of an end user",
    response_class=Response,
    responses={200: examples.EXPORT, **errors(CONTROL, *ACCESS_ERRORS, facts.BaaRequiredError, facts.NotFoundError)},
)
async def get_export(request: Request, access: PersonReader, export_id: str) -> Response:
    """How far it is. One that is ready has a `download_url`, a new one each time, good for 15 minutes.

    Needs the scope `org.end_users.read`.
    """
    async with gateway_of(request).storage.read(access.principal) as tx:
        export = await tx.end_user_exports.get(_id(export_id))
    return _answered(request, access, export)


@router.delete(
    f"{_EXPORTS}/{{export_id}}",
    summary="Destroy an export of an end user",
    response_class=Response,
    responses={
        200: examples.EXPORT_CANCELLED,
        **errors(CONTROL, *ACCESS_ERRORS, facts.BaaRequiredError, facts.NotFoundError),
    },
)
async def cancel_export(request: Request, access: PersonReader, export_id: str) -> Response:
    """Nobody reads it any more from now on, whether it was made or not. Needs the scope `org.end_users.read`."""
    async with gateway_of(request).storage.begin(access.principal, ip_address=exchange_of(request).ip_address) as tx:
        before = await tx.end_user_exports.get(_id(export_id))
        export = await tx.end_user_exports.destroy(before.id, ExportState.CANCELLED)
        again = before.state not in (ExportState.REQUESTED, ExportState.RUNNING, ExportState.READY)
        await _audit(tx, AuditAction.END_USER_EXPORT_CANCELLED, export, {"again": True} if again else {})
        if not again:
            tx.tell(Event(EventType.END_USER_EXPORT_CANCELLED, {"export_id": export.id}))
    return _answered(request, access, export)


@router.get(
    f"{_EXPORTS}/{{export_id}}/download",
    summary="Download an export of an end user",
    response_class=Response,
    responses={
        200: examples.DOWNLOAD,
        **errors(
            CONTROL,
            *ACCESS_ERRORS,
            facts.BaaRequiredError,
            ExportLinkError,
            facts.NotFoundError,
            ExportNotReadyError,
            ExportExpiredError,
            facts.ValidationFailedError,
        ),
    },
)
async def download_export(
    request: Request, access: PersonReader, export_id: str, query: Annotated[DownloadQuery, Query()]
) -> Response:
    """By the `download_url` of an export, with a key of the same organization. Needs `org.end_users.read`.

    A ZIP with a BagIt bag (RFC 8493) of NDJSON files and their schemas; with `Accept: application/json` one document.
    Each download is audited before its first byte.
    """
    gateway, exchange = gateway_of(request), exchange_of(request)
    org, wanted = access.principal.org, preferred(request.headers.getlist("accept"), _ZIP, _JSON)
    require_link(gateway_of(request).storage.keyring.links, org, _id(export_id), query.token, now=gateway.clock.now())
    storage = gateway.storage
    async with storage.begin(access.principal, ip_address=exchange.ip_address) as tx:
        export = await tx.end_user_exports.get(_id(export_id))
        if not export.state.is_destroyed:
            _active(await tx.end_users.get(export.end_user))
        stored = await open_stored(storage.pool, storage.cipher, org, export)
        about = {"format": "zip" if wanted == _ZIP else "json", "records": export.records}
        await _audit(tx, AuditAction.END_USER_EXPORT_DOWNLOADED, export, about, phi=PhiDisposition.CONTAINS_PHI)
    content = stream_bag(stored) if wanted == _ZIP else stream_document(stored)
    return _attachment(export, content, wanted)


async def _begun(tx: Transaction, person: EndUserEntry, *, since: datetime) -> EndUserExport:
    """The export that there is already, or a new one; of two that are asked for at once there is one."""
    exports = tx.end_user_exports
    export = await exports.current(person.id, since=since)
    if export is None:
        await exports.wait_for_turn(person.id)
        export = await exports.current(person.id, since=since) or await exports.being_made(person.id)
    is_new = export is None
    export = export or await exports.open_export(person.id, by=tx.actor)
    if export is None:
        raise UnavailableError(retry_after_s=1)
    if is_new:
        tx.tell(Event(EventType.END_USER_EXPORT_REQUESTED, {"export_id": export.id}))
    action = AuditAction.END_USER_EXPORT_REQUESTED if is_new else AuditAction.END_USER_EXPORT_RETRIEVED
    tx.audit(action, entity_type=_ENTITY, entity_id=export.id, subject=person.digest)
    return export


def _active(person: EndUserEntry) -> EndUserEntry:
    """Of whom something may be read. Raises `NotFoundError` for somebody who is being erased."""
    if person.state is not EndUserState.ACTIVE:
        raise NotFoundError
    return person


async def _audit(
    tx: Transaction,
    action: AuditAction,
    export: EndUserExport,
    about: dict[str, Any],
    *,
    phi: PhiDisposition = PhiDisposition.NOT_PRESENT,
) -> None:
    digest = await tx.end_users.digest_of(export.end_user)
    tx.audit(action, entity_type=_ENTITY, entity_id=export.id, metadata=about, phi=phi, subject=digest)


def _attachment(export: EndUserExport, content: AsyncIterator[bytes], media_type: str) -> Response:
    kind = "zip" if media_type == _ZIP else "json"
    headers = {
        "content-disposition": f'attachment; filename="end-user-export-{export.id}.{kind}"',
        "cache-control": "private, no-store",
        "vary": "accept",
    }
    return StreamingResponse(content, headers=headers, media_type=media_type)


def _id(given: str) -> str:
    found = find_ulid(given)
    if found is None:
        raise NotFoundError
    return found


def _answered(request: Request, access: Access, export: EndUserExport, *, status: int = 200) -> Response:
    shown = _shown(request, access, export)
    response = success(shown, request_id=exchange_of(request).request_id, status=status)
    response.headers["cache-control"] = "private, no-store"
    if status == 202:
        response.headers["location"] = f"/v1/orgs/{access.principal.org}/end-user-exports/{export.id}"
    return response


def _shown(request: Request, access: Access, export: EndUserExport) -> dict[str, Any]:
    link = _link(request, access, export) if export.state is ExportState.READY else None
    path = f"/v1/orgs/{access.principal.org}/end-user-exports/{export.id}/download"
    return {
        "id": export.id,
        "end_user_id": export.end_user,
        "state": export.state.value,
        "snapshot_at": export.snapshot_at.isoformat(),
        "requested_at": export.requested_at.isoformat(),
        "requested_by": export.requested_by,
        "records": export.records,
        "counts": {**export.counts},
        "bytes_written": export.bytes_written,
        "manifest_sha256": export.manifest_sha256,
        "reason": export.reason,
        "finished_at": export.finished_at.isoformat() if export.finished_at else None,
        "expires_at": export.expires_at.isoformat(),
        "formats": [_ZIP, _JSON],
        "download_url": f"{path}?token={link.token}" if link else None,
        "download_expires_at": link.expires_at.isoformat() if link else None,
    }


def _link(request: Request, access: Access, export: EndUserExport) -> Link:
    gateway = gateway_of(request)
    secret, now = gateway.storage.keyring.links, gateway.clock.now()
    return make_link(secret, access.principal.org, export.id, now=now, until=export.expires_at)
