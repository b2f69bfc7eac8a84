"""`GET /v1/audit/verify`: an organisation's own chain, walked a bounded stretch at a time (spec D27)."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api import audit_examples as examples
from api.authentication import caller
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.native.envelope import CONTROL, success
from api.openapi import ACCESS_ERRORS, errors
from api.state import gateway_of
from gateway import errors as facts
from gateway.audit import canonical_time
from gateway.errors import ValidationFailedError
from gateway.ids import OrganizationId
from gateway.tenancy import Access, Scope
from storage import audit_checkpoints
from storage.audit_checkpoints import Latest
from storage.chain import Verdict, follow, walk_behind
from storage.pool import Pool

router = APIRouter(route_class=dialect_route(CONTROL), tags=["Audit"])

MOST = 10_000
"""Entries of one answer: about a second's work."""


class VerifyQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    after: Annotated[
        int | None,
        Field(
            ge=0,
            lt=2**63,
            description="Begin behind this `seq`; 0 walks from the first entry on. Default: the last checkpoint.",
        ),
    ] = None


@router.get(
    "/v1/audit/verify",
    summary="Verify the audit log",
    response_class=Response,
    responses={200: examples.VERDICT, **errors(CONTROL, *ACCESS_ERRORS, facts.ValidationFailedError)},
)
async def verify_audit(
    request: Request,
    access: Annotated[Access, Depends(caller(Scope.CONTROL_READ))],
    query: Annotated[VerifyQuery, Query()],
) -> Response:
    """Walks the organization's hash chain and its signatures. Needs the scope `control:read`.

    Begins behind the last signed checkpoint, up to which the log was verified when that was made. `after=0` begins
    with the first entry. 10,000 entries are verified at a time: while `next_after` is not null, ask again with it.
    """
    pool, org = gateway_of(request).storage.pool, access.principal.org
    last = await audit_checkpoints.latest(pool, org)
    if query.after is None:
        begun = last.checkpoint.seq if last else 0
        verdict = await audit_checkpoints.verify_behind(pool, org, last.checkpoint if last else None, most=MOST)
    else:
        begun = query.after
        verdict = await _verdict(pool, org, begun)
    return success(_data(verdict, begun, last), request_id=exchange_of(request).request_id)


async def _verdict(pool: Pool, org: OrganizationId, after: int) -> Verdict:
    walk = await walk_behind(pool, org, after)
    if walk is None:
        raise ValidationFailedError("`after` is no entry of the log.", param="after")
    return await follow(pool, org, walk, most=MOST)


def _data(verdict: Verdict, begun: int, last: Latest | None) -> dict[str, Any]:
    is_cut = verdict.flaw is None and verdict.length - begun == MOST
    return {
        "sound": verdict.flaw is None,
        "verified_after": begun,
        "verified_to": verdict.length,
        "head": verdict.head,
        "flaw": verdict.flaw.value if verdict.flaw else None,
        "entry_id": verdict.entry_id,
        "next_after": verdict.length if is_cut else None,
        "checkpoint": _checkpoint(last) if last else None,
    }


def _checkpoint(last: Latest) -> dict[str, Any]:
    stamped_at = canonical_time(last.stamped_at) if last.stamped_at else None
    return {**audit_checkpoints.described(last.checkpoint), "time_stamped_at": stamped_at}
