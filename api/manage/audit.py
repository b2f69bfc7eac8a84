"""`GET /v1/audit` and `/v1/audit/{id}`: the organisation's audit log, newest first (spec B7, D27)."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api import audit_examples as examples
from api.authentication import caller
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.manage.filters import require_in_order, require_once
from api.manage.schemas import Instant
from api.native.envelope import CONTROL, listed, success
from api.openapi import ACCESS_ERRORS, errors
from api.state import gateway_of
from gateway import errors as facts
from gateway.errors import NotFoundError, ValidationFailedError
from gateway.ids import find_ulid
from gateway.inference.records import AuditFilter, AuditRecord
from gateway.paging import DEFAULT_LIMIT, MAX_LIMIT
from gateway.tenancy import Access, Scope

router = APIRouter(route_class=dialect_route(CONTROL), tags=["Audit"])


Word = Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]


class AuditQuery(BaseModel):
    """Filters; all given must match. A filter we do not know is refused: ignoring it would widen the answer."""

    model_config = ConfigDict(extra="forbid")

    action: Word | None = None
    entity_type: Word | None = None
    entity_id: Word | None = None
    actor: Annotated[Word | None, Field(description="`key:…`, `user:…`, `operator:…` or `system:…`.")] = None
    since: Annotated[Instant | None, Field(alias="from", description="ISO 8601 with offset, inclusive.")] = None
    until: Annotated[Instant | None, Field(alias="to", description="ISO 8601 with offset, exclusive.")] = None
    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT


@router.get(
    "/v1/audit",
    summary="Query the audit log",
    response_class=Response,
    responses={200: examples.ENTRIES, **errors(CONTROL, *ACCESS_ERRORS, ValidationFailedError)},
)
async def list_audit(
    request: Request,
    access: Annotated[Access, Depends(caller(Scope.CONTROL_READ))],
    query: Annotated[AuditQuery, Query()],
) -> Response:
    """Entries with their place in the hash chain. Needs the scope `control:read`."""
    require_once(request.query_params)
    require_in_order(query.since, query.until)
    wanted = AuditFilter(
        action=query.action,
        entity_type=query.entity_type,
        entity_id=query.entity_id,
        actor=query.actor,
        since=query.since,
        until=query.until,
    )
    async with gateway_of(request).storage.read(access.principal) as tx:
        page = await tx.audit_log.page(wanted, cursor=query.cursor, limit=query.limit)
    return listed(
        [_entry(entry) for entry in page.items],
        next_cursor=page.next_cursor,
        request_id=exchange_of(request).request_id,
    )


@router.get(
    "/v1/audit/{entry_id}",
    summary="One audit entry",
    response_class=Response,
    responses={200: examples.ENTRY, **errors(CONTROL, *ACCESS_ERRORS, facts.NotFoundError)},
)
async def get_entry(
    request: Request, access: Annotated[Access, Depends(caller(Scope.CONTROL_READ))], entry_id: str
) -> Response:
    """An entry with its place in the hash chain, and the signature of it. Needs the scope `control:read`."""
    found = find_ulid(entry_id)
    if found is None:
        raise NotFoundError
    async with gateway_of(request).storage.read(access.principal) as tx:
        entry = await tx.audit_log.get(found)
    return success(_entry(entry), request_id=exchange_of(request).request_id)


def _entry(entry: AuditRecord) -> dict[str, Any]:
    return {
        "id": entry.id,
        "action": entry.action,
        "entity_type": entry.entity_type,
        "entity_id": entry.entity_id,
        "user_id": _user_id(entry.actor),
        "actor": entry.actor,
        "ip_address": entry.ip_address,
        "metadata": dict(entry.metadata),
        "phi_disposition": entry.phi_disposition,
        "subject_type": entry.subject_type,
        "subject_id_hmac": entry.subject_id_hmac,
        "seq": entry.seq,
        "integrity_hash": entry.integrity_hash,
        "key_id": entry.key_id,
        "signature": entry.signature,
        "created_at": entry.created_at.isoformat(),
    }


def _user_id(actor: str | None) -> str | None:
    """Null for keys and for the system (spec B7)."""
    return actor.removeprefix("user:") if actor and actor.startswith("user:") else None
