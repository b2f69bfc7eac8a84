"""`GET /v1/usage`: the current period's credits, nested as published and flat beside it (spec B5, D25), or as CSV."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from api import examples
from api.authentication import caller
from api.content.metering import dollars
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.manage.usage_csv import MEDIA_TYPE, prefers_csv, usage_csv
from api.native.envelope import CONTROL, success
from api.openapi import ACCESS_ERRORS, errors
from api.state import gateway_of
from gateway import errors as facts
from gateway.inference.records import UsageLine, UsageSummary
from gateway.tenancy import Access, Scope

router = APIRouter(route_class=dialect_route(CONTROL), tags=["Usage"])


class UsageQuery(BaseModel):
    """No parameters yet: one sent by guess, such as a period, is refused rather than ignored."""

    model_config = ConfigDict(extra="forbid")


@router.get(
    "/v1/usage",
    summary="Current usage",
    response_class=Response,
    responses={200: examples.USAGE, **errors(CONTROL, *ACCESS_ERRORS, facts.ValidationFailedError)},
)
async def get_usage(
    request: Request,
    access: Annotated[Access, Depends(caller(Scope.CONTROL_READ))],
    _: Annotated[UsageQuery, Query()],
) -> Response:
    """Credits used, held and left in this billing period, by model, key and day. Needs the scope `control:read`.

    With `Accept: text/csv` the days, models and keys come as lines of a table.
    """
    gateway = gateway_of(request)
    async with gateway.storage.read(access.principal) as tx:
        summary = await tx.usage.summary(gateway.clock.now())
        if prefers_csv(request.headers.getlist("accept")):
            table = usage_csv(summary, await tx.usage.key_names())
            response = _download(table, f"usage-{summary.period_start:%Y-%m}.csv")
        else:
            response = success(_usage(summary), request_id=exchange_of(request).request_id)
    response.headers["vary"] = "accept"
    return response


def _download(text: str, name: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type=f"{MEDIA_TYPE}; charset=utf-8; header=present", headers=headers)


def _usage(summary: UsageSummary) -> dict[str, Any]:
    remaining = max(0, summary.allotment - summary.used)
    return {
        "period": {
            "start": summary.period_start.isoformat(),
            "end": summary.period_end.isoformat() if summary.period_end else None,
        },
        "credits": {
            "allotment": summary.allotment,
            "used": summary.used,
            "remaining": remaining,
            "held": summary.held,
            "spend_cap": summary.spend_cap,
            "overage_purchased": 0,
            "overage_consumed": 0,
        },
        "requests": {"total": summary.requests},
        "credits_allotment": summary.allotment,
        "credits_used": summary.used,
        "credits_remaining": remaining,
        "by_model": [_line(line, "model") for line in summary.by_model],
        "by_key": [_line(line, "key_id") for line in summary.by_key],
        "by_day": [_line(line, "date") for line in summary.by_day],
    }


def _line(line: UsageLine, label: str) -> dict[str, Any]:
    return {
        label: line.label,
        "requests": line.requests,
        "input_tokens": line.input_tokens,
        "output_tokens": line.output_tokens,
        "credits": line.credits,
        "cost_usd": dollars(line.cost_micro_usd),
    }
