"""`/v1/usage/budget`: what an organisation lets itself spend, and on which models (spec B5, D4, D8, D12)."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from api import examples
from api.authentication import caller
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.idempotency import once
from api.manage.preconditions import IfMatch, tagged, versions
from api.manage.schemas import BudgetRequest
from api.native.envelope import CONTROL, success
from api.openapi import ACCESS_ERRORS, IDEMPOTENCY_ERRORS, errors, json_body, once_a_key
from api.state import gateway_of
from api.validation import read_object, validated
from gateway import errors as facts
from gateway.catalog import Catalog
from gateway.credits.budget import Balance, read_premium_models, read_thresholds
from gateway.credits.period import read_zone
from gateway.errors import MissingScopeError, PreconditionFailedError, ValidationFailedError
from gateway.organization_policy import Changes, OrganizationPolicy
from gateway.tenancy import Access, KeyMode, Scope
from storage.policy_change import change_policy
from storage.transaction import Transaction

router = APIRouter(route_class=dialect_route(CONTROL), tags=["Usage"])


@router.get(
    "/v1/usage/budget",
    summary="Read the budget",
    response_class=Response,
    responses={200: examples.BUDGET, **errors(CONTROL, *ACCESS_ERRORS)},
)
async def get_budget(
    request: Request, access: Annotated[Access, Depends(caller(Scope.CONTROL_READ, Scope.CONTROL_WRITE))]
) -> Response:
    """The organization's cap and opened models, with what is left of this billing period. Needs `control:read`.

    Its `ETag` is for changing it: it covers what was decided, not what is used.
    """
    return await _current(request, access, only_versions=None)


@router.put(
    "/v1/usage/budget",
    summary="Change the budget",
    response_class=Response,
    responses={
        200: examples.BUDGET,
        **errors(
            CONTROL,
            *ACCESS_ERRORS,
            *IDEMPOTENCY_ERRORS,
            facts.ValidationFailedError,
            facts.PreconditionFailedError,
            facts.TooLargeError,
        ),
    },
    openapi_extra=once_a_key(json_body(BudgetRequest, examples.BUDGET_REQUEST)),
)
async def put_budget(
    request: Request,
    access: Annotated[Access, Depends(caller(Scope.CONTROL_READ, Scope.CONTROL_WRITE))],
    if_match: IfMatch = None,
) -> Response:
    """Changes the fields that are sent, and answers with the whole budget. Needs `control:read` or `control:write`.

    A cap holds for the next call, in this billing period too; models open and close
    in every API process within a second. A threshold that the period has passed is told of at once.
    Without a field it only reads. Every change is audited.
    """
    gateway = gateway_of(request)
    wanted = validated(BudgetRequest, read_object(await request.body() or b"{}"), unknown=ValidationFailedError)
    changes = _changes(wanted, gateway.catalog)
    if not changes:
        return await _current(request, access, only_versions=versions(if_match))
    if access.principal.mode is KeyMode.TEST:
        raise MissingScopeError("A test key cannot change the budget: live calls spend it too.")

    async def change(tx: Transaction) -> Response:
        policy = await change_policy(tx, access.principal.org, changes, only_versions=versions(if_match))
        balance = await tx.usage.balance(gateway.clock.now())
        return _answer(policy, balance, exchange_of(request).request_id)

    return await once(request, access, change)


async def _current(request: Request, access: Access, *, only_versions: set[int] | None) -> Response:
    """Raises `PreconditionFailedError` when the version is none of `only_versions`."""
    gateway = gateway_of(request)
    async with gateway.storage.read(access.principal) as tx:
        policy = await tx.organization.policy()
        balance = await tx.usage.balance(gateway.clock.now())
    if only_versions is not None and policy.version not in only_versions:
        raise PreconditionFailedError("The policy or the budget has changed since it was read.")
    return _answer(policy, balance, exchange_of(request).request_id)


def _changes(wanted: BudgetRequest, catalog: Catalog) -> Changes:
    """Raises `ValidationFailedError` for thresholds or a time zone that cannot be, and models that cannot be opened."""
    changes = wanted.model_dump(exclude_unset=True)
    if "alert_thresholds" in changes:
        changes["alert_thresholds"] = read_thresholds("alert_thresholds", changes["alert_thresholds"] or ())
    if "time_zone" in changes:
        read_zone("time_zone", changes["time_zone"])
    if "premium_models_enabled" in changes:
        opened = changes.pop("premium_models_enabled")
        changes["premium_models"] = read_premium_models("premium_models_enabled", opened, catalog)
    return changes


def _answer(policy: OrganizationPolicy, balance: Balance, request_id: str) -> Response:
    return tagged(success(_data(policy, balance), request_id=request_id), policy.version)


def _data(policy: OrganizationPolicy, balance: Balance) -> dict[str, Any]:
    return {
        "spend_cap": policy.spend_cap,
        "alert_thresholds": [*policy.alert_thresholds],
        "credits_allotment": balance.allotment,
        "rollover_limit": policy.rollover_limit,
        "time_zone": policy.time_zone,
        "anchor_day": policy.anchor_day,
        "opus_enabled": policy.opus_enabled,
        "premium_models_enabled": sorted(policy.premium_models),
        "period": {
            "start": balance.period.start.isoformat(),
            "end": balance.period.end.isoformat(),
            "carried": balance.carried,
            "limit": balance.limit,
            "used": balance.used,
            "held": balance.held,
            "remaining": balance.remaining,
            "overrun": balance.overrun,
        },
    }
