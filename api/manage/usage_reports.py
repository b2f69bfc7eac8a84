"""`/v1/usage/summary`, `by-model` and `by-user`: what was used in any span of time (spec U36, our design)."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from api import examples
from api.authentication import caller
from api.content.metering import dollars
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.native.envelope import CONTROL, success
from api.openapi import KEY_ERRORS, errors
from api.state import gateway_of
from gateway import errors as facts
from gateway.credits.usage_report import Span, UsageGroup, UsagePage
from gateway.errors import ValidationFailedError
from gateway.inference.records import UsageLine
from gateway.paging import DEFAULT_LIMIT, MAX_LIMIT
from gateway.tenancy import Access, Principal, Scope
from storage.transaction import ReadTransaction

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FIRST_YEAR = "2000"
_LONGEST = timedelta(days=366)
_ALL = "organization"
_OWN = "own"

router = APIRouter(route_class=dialect_route(CONTROL), tags=["Usage"])

Caller = Annotated[Access, Depends(caller())]


def _instant(value: object) -> object:
    """A day is its first instant, UTC. Digits alone would be read as seconds or milliseconds."""
    if not isinstance(value, str) or not _DAY.match(value):
        raise ValueError
    if value < _FIRST_YEAR:
        raise ValueError
    return f"{value}T00:00:00+00:00" if _DAY.fullmatch(value) else value


Instant = Annotated[AwareDatetime, BeforeValidator(_instant)]


class SpanQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    start: Instant | None = Field(default=None, description="A day, or an instant. Default: the period's beginning.")
    end: Instant | None = Field(default=None, description="Not of the span any more. Default: now.")


class LinesQuery(SpanQuery):
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0


@router.get(
    "/v1/usage/summary",
    summary="Usage of a span of time (extension)",
    response_class=Response,
    responses={200: examples.USAGE_SUMMARY, **errors(CONTROL, *KEY_ERRORS, facts.ValidationFailedError)},
)
async def get_summary(request: Request, access: Caller, query: Annotated[SpanQuery, Query()]) -> Response:
    """What the caller's user used, or with the scope `control:read` the organization. Any key may ask."""
    async with gateway_of(request).storage.read(access.principal) as tx:
        span = await _span(request, tx, query)
        page = await tx.usage_reports.page(span, UsageGroup.TOTAL, own=_own(access), limit=1)
    nothing = UsageLine("", 0, 0, 0, 0, None)
    total = _line(page.lines[0] if page.lines else nothing)
    return success(_of(access, span) | total, request_id=exchange_of(request).request_id)


@router.get(
    "/v1/usage/by-model",
    summary="Usage of a span of time by model (extension)",
    response_class=Response,
    responses={200: examples.USAGE_BY_MODEL, **errors(CONTROL, *KEY_ERRORS, facts.ValidationFailedError)},
)
async def get_by_model(request: Request, access: Caller, query: Annotated[LinesQuery, Query()]) -> Response:
    """The dearest first, of the caller's user, or with the scope `control:read` of the organization."""
    span, page = await _lines(request, access, query, UsageGroup.MODEL)
    lines = [{"model": line.label, **_line(line)} for line in page.lines]
    return _listed(request, _of(access, span) | {"models": lines}, query, page)


@router.get(
    "/v1/usage/by-user",
    summary="Usage of a span of time by user (extension)",
    response_class=Response,
    responses={200: examples.USAGE_BY_USER, **errors(CONTROL, *KEY_ERRORS, facts.ValidationFailedError)},
)
async def get_by_user(request: Request, access: Caller, query: Annotated[LinesQuery, Query()]) -> Response:
    """The dearest first: users are the owners of keys and agents. `user` is null for what none of them owns.

    Only the caller's own user without the scope `control:read`.
    """
    span, page = await _lines(request, access, query, UsageGroup.USER)
    lines = [{"user": line.label or None, **_line(line)} for line in page.lines]
    return _listed(request, _of(access, span) | {"users": lines}, query, page)


async def _lines(request: Request, access: Access, query: LinesQuery, group: UsageGroup) -> tuple[Span, UsagePage]:
    async with gateway_of(request).storage.read(access.principal) as tx:
        span = await _span(request, tx, query)
        page = await tx.usage_reports.page(span, group, own=_own(access), limit=query.limit, offset=query.offset)
    return span, page


async def _span(request: Request, tx: ReadTransaction, query: SpanQuery) -> Span:
    now: datetime = gateway_of(request).clock.now()
    start = query.start or (await tx.usage.balance(now)).period.start
    end = query.end or now
    if start >= end:
        raise ValidationFailedError("`end` must be later than `start`.", param="end")
    if end - start > _LONGEST:
        raise ValidationFailedError(f"The span is longer than {_LONGEST.days} days.", param="start")
    return Span(start, end)


def _own(access: Access) -> Principal | None:
    """Whose usage alone is shown; None: everybody's."""
    return None if Scope.CONTROL_READ in access.principal.scopes else access.principal


def _of(access: Access, span: Span) -> dict[str, Any]:
    whose = _ALL if _own(access) is None else _OWN
    return {"of": whose, "start": span.start.isoformat(), "end": span.end.isoformat()}


def _listed(request: Request, data: dict[str, Any], query: LinesQuery, page: UsagePage) -> Response:
    meta = {"limit": query.limit, "offset": query.offset, "has_more": page.has_more}
    return success(data, request_id=exchange_of(request).request_id, meta=meta)


def _line(line: UsageLine) -> dict[str, Any]:
    return {
        "requests": line.requests,
        "input_tokens": line.input_tokens,
        "output_tokens": line.output_tokens,
        "credits": line.credits,
        "cost_usd": dollars(line.cost_micro_usd),
    }
