"""`POST /v1/phi/scan`: what the guard sees in a text. Nothing of it is kept or sent anywhere."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api import examples
from api.authentication import authenticate_ai
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.manage.schemas import ScanRequest
from api.native.envelope import NATIVE, success
from api.openapi import ACCESS_ERRORS, errors, json_body
from api.state import gateway_of
from api.validation import read_object, validated
from gateway import errors as facts
from gateway.audit import AuditAction
from gateway.errors import ValidationFailedError
from gateway.inference import trail
from gateway.phi.aside import aside
from gateway.phi.report import PhiReport
from gateway.phi.shown import shown
from gateway.tenancy import Access, Policy, Scope

router = APIRouter(route_class=dialect_route(NATIVE), tags=["PHI guard"])


async def _covered(request: Request) -> Access:
    """The same agreement as for a model: the text is somebody's record here too."""
    access, quota = await authenticate_ai(request, Scope.AI_CHAT)
    await quota.admit()
    return access


@router.post(
    "/v1/phi/scan",
    summary="Scan a text for PHI",
    response_class=Response,
    responses={
        200: examples.SCAN,
        **errors(
            NATIVE,
            *ACCESS_ERRORS,
            facts.BaaRequiredError,
            facts.RateLimitedError,
            facts.ValidationFailedError,
            facts.TooLargeError,
        ),
    },
    openapi_extra=json_body(ScanRequest, examples.SCAN_REQUEST),
)
async def scan_text(request: Request, access: Annotated[Access, Depends(_covered)]) -> Response:
    """Where identifiers stand and what would be sent in their place, whatever the `phi_mode`. Needs `ai:chat`.

    `start` and `end` count Unicode code points from 0, as Python's strings do.
    Nothing is kept but an audit entry of counts and kinds.
    """
    wanted = validated(ScanRequest, read_object(await request.body()), unknown=ValidationFailedError)
    gateway, exchange = gateway_of(request), exchange_of(request)
    inspected = await gateway.guard.inspect(wanted.text, access)
    report = PhiReport.of(access.policy.phi_mode, "redacted" if inspected.findings else "none", inspected.findings)
    async with gateway.storage.begin(access.principal, ip_address=exchange.ip_address) as tx:
        tx.audit(
            AuditAction.PHI_SCANNED,
            entity_type="phi_scan",
            entity_id=exchange.id,
            metadata={
                "request_id": exchange.request_id,
                "characters": len(wanted.text),
                "phi_scan": trail.phi_scan(report),
            },
            phi=trail.counting_disposition(report),
        )
    return await aside(len(report.findings), _answer, report, inspected.redacted, access.policy, exchange.request_id)


def _answer(report: PhiReport, redacted: str, policy: Policy, request_id: str) -> Response:
    data = shown(report, redacted, policy.screening.profile)
    return success({**data, "phi_mode": policy.phi_mode.value}, request_id=request_id)
