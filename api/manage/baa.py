"""`/v1/compliance/baa`: the agreement, and accepting it (spec B6, D5, D26). Open without one, or nobody could sign."""

import asyncio
from datetime import datetime
from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api import agreement_examples as examples
from api.accepted_types import preferred
from api.authentication import caller
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.idempotency import once
from api.manage.schemas import AcceptRequest, SignerRequest
from api.native.envelope import CONTROL, listed, success
from api.openapi import ACCESS_ERRORS, IDEMPOTENCY_ERRORS, errors, json_body, once_a_key
from api.state import gateway_of
from api.validation import read_object, validated
from gateway import errors as facts
from gateway.audit import AuditAction
from gateway.baa.acceptance import Acceptance, Affirmation, Standing, standing_of
from gateway.baa.countersigning import agreed_end, countersigner
from gateway.baa.document import offered, require_glyphs
from gateway.baa.evidence import Origin, Signatory, as_printed
from gateway.baa.offer import AUTHORITY, CONSENT, CONSENT_SHA256, TOKEN_LIFE, Offer
from gateway.baa.template import Template, current_template
from gateway.errors import InvalidApiKeyError, MissingScopeError, NotFoundError, ValidationFailedError
from gateway.ids import AcceptanceId, find_ulid
from gateway.paging import DEFAULT_LIMIT, MAX_LIMIT
from gateway.tenancy import Access, KeyMode, Scope
from storage import agreements
from storage.stores.agreements import SignedAcceptance
from storage.transaction import Transaction

router = APIRouter(route_class=dialect_route(CONTROL), tags=["Compliance"])

Reader = Annotated[Access, Depends(caller(Scope.CONTROL_READ, Scope.CONTROL_WRITE))]
# Never by `control:read`, whatever else that may write: this binds the organization.
Writer = Annotated[Access, Depends(caller(Scope.CONTROL_WRITE))]

_PATH = "/v1/compliance/baa"
_JSON, _TEXT, _PDF = "application/json", "text/plain", "application/pdf"
TOKEN_HEADER = "hasp-baa-token"  # noqa: S105 - a header's name


class AcceptancesQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT


@router.get(
    _PATH,
    summary="Read the agreement and its status",
    response_class=Response,
    responses={200: examples.AGREEMENT, **errors(CONTROL, *ACCESS_ERRORS)},
)
async def get_agreement(request: Request, access: Reader) -> Response:
    """Whether an agreement is in force, the current text, and what accepting it takes. Needs `control:read`.

    With `Accept: text/plain` or `application/pdf` it is the text alone, its token in the header `hasp-baa-token`.
    """
    gateway = gateway_of(request)
    now = gateway.clock.now()
    offer = _offer(request, access)
    token = offer.token(gateway.storage.keyring.pepper.keys, now)
    match preferred(request.headers.getlist("accept"), _JSON, _TEXT, _PDF):
        case "text/plain":
            response = Response(offer.template.text, media_type=_TEXT, headers={TOKEN_HEADER: token})
        case "application/pdf":
            pages = await asyncio.to_thread(_typeset, offer.template)
            response = Response(pages, media_type=_PDF, headers={TOKEN_HEADER: token})
        case _:
            async with gateway.storage.read(access.principal) as tx:
                standing = standing_of(await tx.agreements.newest(), now)
            signing = _signing(request, offer, token, now)
            data = _agreement(request, standing, offer, signing)
            response = success(data, request_id=exchange_of(request).request_id)
    response.headers["vary"] = "accept"
    response.headers["cache-control"] = "no-store"
    return response


@router.post(
    f"{_PATH}/acceptances",
    summary="Accept the agreement",
    status_code=202,
    response_class=Response,
    responses={
        202: examples.NEW_ACCEPTANCE,
        200: examples.ACCEPTANCE,
        **errors(
            CONTROL,
            *ACCESS_ERRORS,
            *IDEMPOTENCY_ERRORS,
            facts.AgreementRevisionError,
            facts.AgreementTokenError,
            facts.AgreementNotOfferedError,
            facts.ValidationFailedError,
            facts.TooLargeError,
        ),
    },
    openapi_extra=once_a_key(json_body(AcceptRequest, examples.ACCEPT_REQUEST)),
)
async def accept_agreement(request: Request, access: Writer) -> Response:
    """Signs the agreement for the organization. Needs the scope `control:write`, of a live key.

    202: accepted, and in force as soon as the signed document is kept, usually within seconds. 200: this text was
    accepted already, and this is that acceptance.
    """
    gateway, exchange = gateway_of(request), exchange_of(request)
    if access.principal.mode is KeyMode.TEST:
        raise MissingScopeError("A test key cannot bind the organization.")
    wanted = validated(AcceptRequest, read_object(await request.body()), unknown=ValidationFailedError)
    operator, offer = countersigner(gateway.settings), _offer(request, access)
    offer.require(template_sha256=wanted.template_sha256, consent_sha256=wanted.consent_sha256)
    fetched_at = offer.fetched_at(wanted.token, gateway.storage.keyring.pepper.keys, gateway.clock.now())
    affirmation = Affirmation(
        organization_name=as_printed("signer.organization_name", wanted.signer.organization_name),
        signatory=_signatory(wanted.signer),
        origin=Origin(access.principal.key, exchange.ip_address, request.headers.get("user-agent")),
        operator=operator,
        acceptance_text=CONSENT,
        text_fetched_at=fetched_at,
    )
    words = {f"signer.{field}": text for field, text in wanted.signer.model_dump().items()}
    await asyncio.to_thread(require_glyphs, words, gateway.settings.baa_fonts)

    async def sign(tx: Transaction) -> Response:
        now = gateway.clock.now()
        accepted = await agreements.accept(
            tx,
            offer.template,
            covers=offer.covers,
            affirmation=affirmation,
            now=now,
            expires_at=agreed_end(gateway.settings, now),
        )
        signed = await tx.agreements.get(accepted.id)
        status = 202 if accepted.is_new else 200
        return success(_acceptance(signed, request), request_id=exchange.request_id, status=status)

    return await once(request, access, sign)


@router.get(
    f"{_PATH}/acceptances",
    summary="List acceptances",
    response_class=Response,
    responses={200: examples.ACCEPTANCES, **errors(CONTROL, *ACCESS_ERRORS, facts.ValidationFailedError)},
)
async def list_acceptances(request: Request, access: Reader, query: Annotated[AcceptancesQuery, Query()]) -> Response:
    """All that the organization ever accepted, newest first. Needs `control:read`; reading it is audited."""
    exchange = exchange_of(request)
    async with gateway_of(request).storage.begin(access.principal, ip_address=exchange.ip_address) as tx:
        page = await tx.agreements.page(cursor=query.cursor, limit=query.limit)
        tx.audit(
            AuditAction.BAA_RETRIEVED,
            entity_type="organization",
            entity_id=access.principal.org,
            metadata={"acceptances": len(page.items)},
        )
    return listed(
        [_acceptance(each, request) for each in page.items],
        next_cursor=page.next_cursor,
        request_id=exchange.request_id,
    )


@router.get(
    f"{_PATH}/acceptances/{{acceptance_id}}",
    summary="Read an acceptance",
    response_class=Response,
    responses={200: examples.ACCEPTANCE, **errors(CONTROL, *ACCESS_ERRORS, facts.NotFoundError)},
)
async def get_acceptance(request: Request, access: Reader, acceptance_id: str) -> Response:
    """One acceptance, with its signer. Needs `control:read`; reading it is audited."""
    exchange, ulid = exchange_of(request), _known(acceptance_id)
    async with gateway_of(request).storage.begin(access.principal, ip_address=exchange.ip_address) as tx:
        signed = await tx.agreements.get(ulid)
        tx.audit(AuditAction.BAA_RETRIEVED, entity_type=agreements.ENTITY, entity_id=ulid)
    return success(_acceptance(signed, request), request_id=exchange.request_id)


@router.get(
    f"{_PATH}/acceptances/{{acceptance_id}}/download",
    summary="Download a signed agreement",
    response_class=Response,
    responses={
        200: examples.DOCUMENT,
        304: {"description": "`If-None-Match` has its `ETag`."},
        **errors(CONTROL, *ACCESS_ERRORS, facts.NotFoundError),
    },
)
async def download_agreement(request: Request, access: Reader, acceptance_id: str) -> Response:
    """The signed document; its `ETag` is its SHA-256. 404 until it is made. Needs `control:read`; audited."""
    exchange, ulid = exchange_of(request), _known(acceptance_id)
    async with gateway_of(request).storage.begin(access.principal, ip_address=exchange.ip_address) as tx:
        document = await tx.agreements.document(ulid)
        kept = (await tx.agreements.find(ulid)).document
        sha256 = kept.sha256 if kept else ""
        about = {"document_sha256": sha256}
        tx.audit(AuditAction.BAA_DOCUMENT_RETRIEVED, entity_type=agreements.ENTITY, entity_id=ulid, metadata=about)
    etag = f'"{sha256}"'
    headers = {"etag": etag, "cache-control": "private, no-cache"}
    if etag in ",".join(request.headers.getlist("if-none-match")):
        return Response(status_code=304, headers=headers)
    headers["content-disposition"] = f'attachment; filename="baa-{ulid}.pdf"'
    return Response(document, media_type="application/pdf", headers=headers)


def _known(acceptance_id: str) -> AcceptanceId:
    """Raises `NotFoundError` for what cannot be an acceptance's id."""
    ulid = find_ulid(acceptance_id, "baa_")
    if ulid is None:
        raise NotFoundError("The acceptance does not exist.", param="acceptance_id")
    return AcceptanceId(ulid)


@cache
def _typeset(template: Template) -> bytes:
    return offered(template)


def _signatory(signer: SignerRequest) -> Signatory:
    """Raises `ValidationFailedError` that names the field as it was sent."""
    try:
        return Signatory(signer.name, signer.title, signer.email, AUTHORITY)
    except ValidationFailedError as failure:
        raise _as_sent(failure) from None


def _as_sent(failure: ValidationFailedError) -> ValidationFailedError:
    """The agreement's own names of fields (`signer_name`) are not the request's (`signer.name`)."""
    param = failure.param or "signer"
    sent = param.replace("signer_", "signer.", 1)
    return ValidationFailedError(failure.text.replace(f"`{param}`", f"`{sent}`"), param=sent)


def _offer(request: Request, access: Access) -> Offer:
    if access.principal.key is None:
        raise InvalidApiKeyError
    covers = tuple(sorted(gateway_of(request).settings.baa_covers))
    return Offer(access.principal.org, access.principal.key, current_template(), covers)


def _signing(request: Request, offer: Offer, token: str, now: datetime) -> dict[str, Any] | None:
    """What accepting takes; None while the operator has not said who signs for them."""
    settings = gateway_of(request).settings
    try:
        operator = countersigner(settings)
    except facts.AgreementNotOfferedError:
        return None
    return {
        "method": "POST",
        "url": f"{settings.base_url}{_PATH}/acceptances",
        "token": token,
        "token_expires_at": (now + TOKEN_LIFE).isoformat(timespec="seconds"),
        "authority_statement": AUTHORITY,
        "consent_text": CONSENT,
        "consent_sha256": CONSENT_SHA256,
        "covers": [*offer.covers],
        "countersigned_by": {
            "organization_name": operator.name,
            "name": operator.countersigner,
            "title": operator.countersigner_title,
        },
    }


def _agreement(request: Request, standing: Standing, offer: Offer, signing: dict[str, Any] | None) -> dict[str, Any]:
    template, active = offer.template, standing.active
    ends_at = active.until if active else None
    readable_until = standing.last.readable_until if standing.last and not active else None
    return {
        "status": standing.status.value if standing.status else "none",
        "active_acceptance_id": active.id if active else None,
        "pending_acceptance_id": standing.pending.id if standing.pending else None,
        "ends_at": ends_at.isoformat() if ends_at else None,
        "readable_until": readable_until.isoformat() if readable_until else None,
        "is_current": active is not None and active.template_sha256 == template.sha256,
        "template": {
            "version": template.version,
            "sha256": template.sha256,
            "title": "Business Associate Agreement",
            "url": f"{gateway_of(request).settings.base_url}{_PATH}",
            "changes": template.changes,
            "text": template.text,
        },
        "signing": signing,
    }


def _acceptance(signed: SignedAcceptance, request: Request) -> dict[str, Any]:
    acceptance, signer = signed.acceptance, signed.signer
    return {
        "id": acceptance.id,
        "status": acceptance.status_at(gateway_of(request).clock.now()).value,
        "template_version": acceptance.template_version,
        "template_sha256": acceptance.template_sha256,
        "covers": [*acceptance.covers],
        "organization": {"id": acceptance.org, "name": signer.organization_name},
        "signer_name": signer.name,
        "signer_title": signer.title,
        "signer_email": signer.email,
        "ip_address": signer.ip_address,
        "accepted_at": acceptance.accepted_at.isoformat(),
        "effective_at": acceptance.effective_at.isoformat(),
        "expires_at": acceptance.expires_at.isoformat() if acceptance.expires_at else None,
        "ends_at": acceptance.until.isoformat() if acceptance.until else None,
        **_document(acceptance),
    }


def _document(acceptance: Acceptance) -> dict[str, Any]:
    document = acceptance.document
    return {
        "countersigned_at": document.signed_at.isoformat() if document else None,
        "document_sha256": document.sha256 if document else None,
        "document_size": document.size if document else None,
    }
