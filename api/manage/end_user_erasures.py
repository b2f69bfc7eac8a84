"""`/v1/orgs/{organization}/end-user-erasures`: what is kept of a person is erased, and that is certified (spec B13)."""

from datetime import date
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api import end_user_erasure_examples as examples
from api.accepted_types import preferred
from api.authentication import authenticate
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.idempotency import REPLAYED, once
from api.manage.end_user_erasure_schemas import ErasureRequest
from api.manage.end_user_paths import NAMED, RuntimeUser, require_own
from api.native.envelope import CONTROL, listed, success
from api.openapi import ACCESS_ERRORS, IDEMPOTENCY_ERRORS, errors, json_body, once_a_key
from api.preference import PARAMETER, once_done
from api.state import gateway_of
from api.validation import read_object, validated
from gateway import errors as facts
from gateway.audit import AuditAction
from gateway.end_users.classes import RULES
from gateway.end_users.erasure import Erasure, ErasureNotDoneError, ErasureState, NoErasureDocumentError, Scan
from gateway.errors import MissingScopeError, NotFoundError, ValidationFailedError
from gateway.ids import find_ulid
from gateway.paging import DEFAULT_LIMIT, MAX_LIMIT
from gateway.tenancy import Access, KeyMode, Scope
from storage.end_users import erasing
from storage.transaction import Transaction

router = APIRouter(route_class=dialect_route(CONTROL), tags=["End users"])

_ERASURES = "/v1/orgs/{organization}/end-user-erasures"
_JSON, _PDF = "application/json", "application/pdf"


async def _writer(request: Request, organization: str) -> Access:
    """Needs no agreement: a right does not end with a contract."""
    access = await authenticate(request, Scope.END_USERS_WRITE)
    if access.principal.mode is KeyMode.TEST:
        raise MissingScopeError("A test key cannot erase anybody: what live keys have kept of them goes too.")
    require_own(access, organization)
    return access


async def _reader(request: Request, organization: str) -> Access:
    access = await authenticate(request, Scope.END_USERS_READ)
    require_own(access, organization)
    return access


Reader = Annotated[Access, Depends(_reader)]
Writer = Annotated[Access, Depends(_writer)]


class ErasuresQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT


@router.post(
    f"{NAMED}/erasure",
    summary="Request an erasure",
    status_code=202,
    response_class=Response,
    responses={
        200: examples.HELD,
        202: examples.REQUESTED,
        **errors(
            CONTROL,
            *ACCESS_ERRORS,
            *IDEMPOTENCY_ERRORS,
            facts.NotFoundError,
            facts.ValidationFailedError,
            facts.TooLargeError,
        ),
    },
    openapi_extra=once_a_key(json_body(ErasureRequest, examples.REQUEST, required=False), PARAMETER),
)
async def request_erasure(request: Request, access: Writer, named: RuntimeUser) -> Response:
    """Has what is kept of a person erased, who is named as calls name them, or by their id.

    From then on nothing of them is read, and whoever is named so again is somebody new. A minute later their key is
    destroyed, a minute after that what was sealed under it is gone, a scan has looked for the rest, and there is a
    certificate. While it is under way, asking again is told of the same one. A hold on the organization or on the
    person forbids it: where that is known within what `Prefer` allows, the answer is 200. Needs the scope
    `org.end_users.write`, of a live key; no agreement.
    """
    body = await request.body()
    wanted = validated(ErasureRequest, read_object(body or b"{}"), unknown=ValidationFailedError)

    async def begin(tx: Transaction) -> Response:
        end_user = await tx.end_users.find(named)
        erasure = await erasing.request(tx, end_user.id, reference=wanted.reference)
        response = success(_shown(erasure), request_id=exchange_of(request).request_id, status=202)
        response.headers["location"] = f"/v1/orgs/{erasure.org}/end-user-erasures/{erasure.id}"
        return response

    return await _once_known(request, access, await once(request, access, begin))


@router.get(
    _ERASURES,
    summary="List erasures",
    response_class=Response,
    responses={200: examples.ERASURES, **errors(CONTROL, *ACCESS_ERRORS, facts.NotFoundError, ValidationFailedError)},
)
async def list_erasures(request: Request, access: Reader, query: Annotated[ErasuresQuery, Query()]) -> Response:
    """Newest first. Needs the scope `org.end_users.read`."""
    async with gateway_of(request).storage.read(access.principal) as tx:
        page = await tx.end_user_erasures.page(cursor=query.cursor, limit=query.limit)
    return listed([*map(_shown, page.items)], next_cursor=page.next_cursor, request_id=exchange_of(request).request_id)


@router.get(
    f"{_ERASURES}/{{erasure_id}}",
    summary="Status of an erasure",
    response_class=Response,
    responses={200: examples.ERASURE, **errors(CONTROL, *ACCESS_ERRORS, facts.NotFoundError)},
)
async def get_erasure(request: Request, access: Reader, erasure_id: str) -> Response:
    """How far it is, what becomes of each class of records, and what a scan found. Needs `org.end_users.read`.

    `held` is final: `reasons` say what forbade it, and once that is gone it may be requested again. `waiting` goes on
    by itself at `due_at`.
    """
    async with gateway_of(request).storage.read(access.principal) as tx:
        erasure = await tx.end_user_erasures.get(_id(erasure_id))
    return success(_shown(erasure), request_id=exchange_of(request).request_id)


@router.get(
    f"{_ERASURES}/{{erasure_id}}/certificate",
    summary="Certificate of an erasure",
    response_class=Response,
    responses={
        200: examples.CERTIFICATE,
        **errors(CONTROL, *ACCESS_ERRORS, facts.NotFoundError, NoErasureDocumentError, ErasureNotDoneError),
    },
)
async def get_certificate(request: Request, access: Reader, erasure_id: str) -> Response:
    """Signed JSON, which the keys of `/trust/keys` verify; with `Accept: application/pdf` a sealed document.

    It names the person by digest. Needs the scope `org.end_users.read`; audited.
    """
    exchange, wanted = exchange_of(request), preferred(request.headers.getlist("accept"), _JSON, _PDF)
    async with gateway_of(request).storage.begin(access.principal, ip_address=exchange.ip_address) as tx:
        erasure = await tx.end_user_erasures.get(_id(erasure_id))
        certified = await tx.end_user_erasures.certificate(erasure.id)
        if certified is None:
            raise ErasureNotDoneError(details={"state": erasure.state.value})
        body = certified.pdf if wanted == _PDF else orjson.dumps(dict(certified.document))
        if body is None:
            raise NoErasureDocumentError
        tx.audit(
            AuditAction.END_USER_ERASURE_CERTIFICATE_RETRIEVED,
            entity_type=erasing.ENTITY,
            entity_id=erasure.id,
            metadata={"format": wanted},
            subject=erasure.digest,
        )
    kind = "pdf" if wanted == _PDF else "json"
    headers = {
        "content-disposition": f'attachment; filename="erasure-{erasure.id}.{kind}"',
        "cache-control": "private, no-store",
        "vary": "accept",
    }
    return Response(body, media_type=wanted, headers=headers)


async def _once_known(request: Request, access: Access, response: Response) -> Response:
    """The erasure as it is held, if it is; else `response`, which asked for it, as soon as that is known.

    What is not held takes longer than anybody may wait.
    """
    if REPLAYED.items() <= dict(response.headers).items():
        return response
    erasure_id: str = orjson.loads(response.body)["data"]["id"]

    async def look() -> Erasure:
        async with gateway_of(request).storage.read(access.principal) as view:
            return await view.end_user_erasures.get(erasure_id)

    seen = await once_done(request, look, is_done=lambda seen: seen.state is not ErasureState.REQUESTED)
    if seen is None or not seen.state.is_over:
        return response
    return success(_shown(seen), request_id=exchange_of(request).request_id)


def _id(given: str) -> str:
    found = find_ulid(given)
    if found is None:
        raise NotFoundError
    return found


def _shown(erasure: Erasure) -> dict[str, Any]:
    is_done = erasure.state is ErasureState.DONE
    path = f"/v1/orgs/{erasure.org}/end-user-erasures/{erasure.id}/certificate"
    formats = [_JSON, _PDF] if erasure.has_document else [_JSON]
    return {
        "id": erasure.id,
        "end_user_id": erasure.end_user,
        "digest": erasure.digest,
        "state": erasure.state.value,
        "reasons": [reason.value for reason in erasure.reasons],
        "reference": erasure.reference,
        "decisions": [] if erasure.state is ErasureState.HELD else _decisions(erasure),
        "requested_at": erasure.requested_at.isoformat(),
        "requested_by": erasure.requested_by,
        "due_at": _time(erasure.due_at),
        "restricted_at": _time(erasure.restricted_at),
        "shredded_at": _time(erasure.shredded_at),
        "keys_gone_on": _time(erasure.keys_gone_on),
        "scan": _scan(erasure.scan) if erasure.scan else None,
        "finished_at": _time(erasure.finished_at),
        "certificate": {"url": path, "formats": formats} if is_done else None,
    }


def _decisions(erasure: Erasure) -> list[dict[str, Any]]:
    """`count` is null until that class is done with."""
    return [
        {"class": kind.value, "fate": rule.fate.value, "basis": rule.basis.value, "count": erasure.counts.get(kind)}
        for kind, rule in RULES.items()
    ]


def _scan(scan: Scan) -> dict[str, Any]:
    return {
        "at": scan.at.isoformat(),
        "clean": scan.is_clean,
        "examined": {**scan.examined},
        "found": {**scan.found},
    }


def _time(at: date | None) -> str | None:
    return at.isoformat() if at else None
