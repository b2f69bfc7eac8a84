"""`GET /v1/usage`: a period's credits, nested as published and flat beside it (spec B5, D25), or as CSV."""

import re
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from api import examples
from api.authentication import caller
from api.content.metering import dollars
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.manage.spreadsheet import CSV_WITH_HEADER, prefers_csv
from api.manage.usage_csv import usage_csv
from api.native.envelope import CONTROL, success
from api.openapi import ACCESS_ERRORS, errors
from api.state import gateway_of
from gateway import errors as facts
from gateway.credits.budget import Balance
from gateway.errors import ValidationFailedError
from gateway.inference.records import UsageLine, UsageSummary
from gateway.tenancy import Access, Scope
from storage.transaction import ReadTransaction

_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

router = APIRouter(route_class=dialect_route(CONTROL), tags=["Usage"])


def _iso_day(value: object) -> object:
    """Digits alone would be read as seconds or milliseconds."""
    if not (isinstance(value, str) and _ISO_DAY.fullmatch(value)):
        raise ValueError
    return value


class UsageQuery(BaseModel):
    """One sent by guess is refused rather than ignored."""

    model_config = ConfigDict(extra="forbid")

    period: Annotated[
        date | None,
        BeforeValidator(_iso_day),
        Field(description="A day (`2026-04-15`) of the billing period to show. Default: the current one."),
    ] = None


@router.get(
    "/v1/usage",
    summary="Usage of a billing period",
    response_class=Response,
    responses={200: examples.USAGE, **errors(CONTROL, *ACCESS_ERRORS, facts.ValidationFailedError)},
)
async def get_usage(
    request: Request,
    access: Annotated[Access, Depends(caller(Scope.CONTROL_READ))],
    query: Annotated[UsageQuery, Query()],
) -> Response:
    """Credits used, held and left in a billing period, by model, key, agent and day. Needs the scope `control:read`.

    With `Accept: text/csv` the days, models, keys and agents come as lines of a table.
    """
    gateway = gateway_of(request)
    async with gateway.storage.read(access.principal) as tx:
        summary = await tx.usage.summary(await _balance(tx, query.period, gateway.clock.now()))
        if prefers_csv(request.headers.getlist("accept")):
            table = usage_csv(summary, {**await tx.usage.key_names(), **await tx.usage.agent_names()})
            response = _download(table, f"usage-{summary.first_day.isoformat()}.csv")
        else:
            response = success(_usage(summary), request_id=exchange_of(request).request_id)
    response.headers["vary"] = "accept"
    return response


def _download(text: str, name: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type=CSV_WITH_HEADER, headers=headers)


async def _balance(tx: ReadTransaction, day: date | None, now: datetime) -> Balance:
    """Raises `ValidationFailedError` for a day of no period that is on record."""
    if day is None:
        return await tx.usage.balance(now)
    balance = await tx.usage.balance_on(day, now)
    if balance is None:
        raise ValidationFailedError("`period` is a day of no billing period on record.", param="period")
    return balance


def _usage(summary: UsageSummary) -> dict[str, Any]:
    balance = summary.balance
    return {
        "period": {
            "start": balance.period.start.isoformat(),
            "end": balance.period.end.isoformat(),
            "time_zone": summary.zone,
        },
        "credits": {
            "allotment": balance.allotment,
            "carried": balance.carried,
            "spend_cap": balance.spend_cap,
            "limit": balance.limit,
            "used": balance.used,
            "held": balance.held,
            "remaining": balance.unused,
            "overrun": balance.overrun,
            "overage_purchased": 0,
            "overage_consumed": 0,
        },
        "requests": {"total": summary.requests},
        "credits_allotment": balance.allotment,
        "credits_used": balance.used,
        "credits_remaining": balance.unused,
        "by_model": [_line(line, "model") for line in summary.by_model],
        "by_key": [_line(line, "key_id") for line in summary.by_key],
        "by_agent": [_line(line, "agent_id") for line in summary.by_agent],
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
