"""`/v1/compliance/policy`: what an organisation has masked, kept and put back (spec D14, D36)."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from api import examples
from api.authentication import caller
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.idempotency import once
from api.manage.preconditions import IfMatch, tagged, versions
from api.manage.schemas import PolicyRequest
from api.native.envelope import CONTROL, success
from api.openapi import ACCESS_ERRORS, IDEMPOTENCY_ERRORS, errors, json_body, once_a_key
from api.state import gateway_of
from api.validation import read_object, validated
from gateway import errors as facts
from gateway.audit import AuditAction, PhiDisposition
from gateway.catalog import Catalog
from gateway.catalog.choice import read_model
from gateway.errors import MissingScopeError, ValidationFailedError
from gateway.organization_policy import (
    Changes,
    OrganizationPolicy,
    read_entities,
    read_terms,
    read_tools,
    require_acknowledged,
)
from gateway.retention import Retention
from gateway.tenancy import Access, KeyMode, Scope
from storage.policy_change import change_policy
from storage.transaction import Transaction

router = APIRouter(route_class=dialect_route(CONTROL), tags=["Compliance"])


@router.get(
    "/v1/compliance/policy",
    summary="Read the policy",
    response_class=Response,
    responses={200: examples.POLICY, **errors(CONTROL, *ACCESS_ERRORS)},
)
async def get_policy(
    request: Request, access: Annotated[Access, Depends(caller(Scope.CONTROL_READ, Scope.CONTROL_WRITE))]
) -> Response:
    """The organization's policy, with an `ETag` for changing it. Needs the scope `control:read`.

    Reading it is audited: its own terms may name patients.
    """
    exchange = exchange_of(request)
    org = access.principal.org
    async with gateway_of(request).storage.begin(access.principal, ip_address=exchange.ip_address) as tx:
        policy = await tx.organization.policy()
        has_terms = bool(policy.phi_deny_terms or policy.phi_allow_terms)
        tx.audit(
            AuditAction.POLICY_RETRIEVED,
            entity_type="organization",
            entity_id=org,
            metadata={"version": policy.version},
            phi=PhiDisposition.CONTAINS_PHI if has_terms else PhiDisposition.NOT_PRESENT,
        )
    return _answer(policy, exchange.request_id, now=gateway_of(request).storage.clock.now())


@router.put(
    "/v1/compliance/policy",
    summary="Change the policy",
    response_class=Response,
    responses={
        200: examples.POLICY,
        **errors(
            CONTROL,
            *ACCESS_ERRORS,
            *IDEMPOTENCY_ERRORS,
            facts.ValidationFailedError,
            facts.PreconditionFailedError,
            facts.TooLargeError,
        ),
    },
    openapi_extra=once_a_key(json_body(PolicyRequest, examples.POLICY_REQUEST)),
)
async def put_policy(
    request: Request,
    access: Annotated[Access, Depends(caller(Scope.CONTROL_WRITE))],
    if_match: IfMatch = None,
) -> Response:
    """Changes the fields that are sent, and answers with the whole policy. Needs the scope `control:write`.

    Every API process follows within a second. A request that lets identifiers
    leave must say so with `acknowledge_phi_leaves`. Every change is audited.
    """
    wanted = validated(PolicyRequest, read_object(await request.body()), unknown=ValidationFailedError)
    changes = _changes(wanted, gateway_of(request).catalog)
    acknowledged = bool(wanted.acknowledge_phi_leaves)
    if require_acknowledged(changes, acknowledged=acknowledged) and access.principal.mode is KeyMode.TEST:
        raise MissingScopeError("A test key cannot let identifiers leave: the policy is the live calls' too.")

    async def change(tx: Transaction) -> Response:
        policy = await change_policy(
            tx,
            access.principal.org,
            changes,
            acknowledges_phi_leaves=acknowledged,
            only_versions=versions(if_match),
            keeps_retention=access.principal.mode is KeyMode.TEST,
        )
        now = gateway_of(request).storage.clock.now()
        return _answer(policy, exchange_of(request).request_id, now=now)

    return await once(request, access, change)


def _changes(wanted: PolicyRequest, catalog: Catalog) -> Changes:
    """Raises `ValidationFailedError` for terms, kinds, tools or a model that cannot be taken, and for no change."""
    changes = wanted.model_dump(exclude_none=True, exclude={"acknowledge_phi_leaves", "retention"})
    if "default_model" in changes:
        changes["default_model"] = read_model("default_model", changes["default_model"], catalog)
    elif "default_model" in wanted.model_fields_set:
        changes["default_model"] = None
    if not changes:
        raise ValidationFailedError("Send at least one field to change.")
    if "phi_threshold" in changes:
        changes["phi_threshold_milli"] = round(changes.pop("phi_threshold") * 1000)
    if "phi_entities" in changes:
        changes["phi_entities"] = read_entities("phi_entities", changes["phi_entities"])
    for name in ("phi_deny_terms", "phi_allow_terms"):
        if name in changes:
            changes[name] = read_terms(name, changes[name])
    if "allowed_tools" in changes:
        changes["allowed_tools"] = read_tools("allowed_tools", changes["allowed_tools"])
    return changes


def _answer(policy: OrganizationPolicy, request_id: str, *, now: datetime) -> Response:
    return tagged(success(_data(policy, now), request_id=request_id), policy.version)


def _data(policy: OrganizationPolicy, now: datetime) -> dict[str, Any]:
    """Exactly what a request may send, so that an answer can be edited and sent back."""
    return {
        "phi_mode": policy.phi_mode.value,
        "phi_profile": policy.phi_profile.value,
        "phi_entities": None if policy.phi_entities is None else sorted(policy.phi_entities),
        "phi_threshold": policy.phi_threshold_milli / 1000,
        "phi_deny_terms": policy.phi_deny_terms,
        "phi_allow_terms": policy.phi_allow_terms,
        "phi_answers": policy.phi_answers,
        "restore_answers": policy.restore_answers,
        "unscannable": policy.unscannable,
        "storage_mode": policy.storage_mode.value,
        "retention_days": policy.retention_days,
        "minimum_retention_days": policy.minimum_retention_days,
        "legal_hold": policy.legal_hold,
        "retention": _retention(policy.retention, now),
        "phi_retrieval_behavior": policy.phi_retrieval_behavior.value,
        "failover_enabled": policy.failover_enabled,
        "allowed_tools": [*policy.allowed_tools],
        "default_model": policy.default_model,
    }


def _retention(retention: Retention, now: datetime) -> dict[str, Any]:
    """What bears at `now`, while what was chosen may not yet."""
    bears_from = retention.bears_from(now)
    return {
        "effective_days": retention.effective_days(now),
        "held": retention.is_held(now),
        "takes_effect_at": bears_from and bears_from.isoformat(),
    }
