"""Receipts of what a revocation, or an archiving, took along (spec B11, D30)."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api import agent_cascade_examples as examples
from api.authentication import caller
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.manage.agent_credential_answers import receipt
from api.native.envelope import CONTROL, success
from api.openapi import ACCESS_ERRORS, errors
from api.state import gateway_of
from gateway import errors as facts
from gateway.agents.cascade import Cascade, CascadeItem
from gateway.errors import NotFoundError
from gateway.ids import CascadeId, find_ulid
from gateway.paging import DEFAULT_LIMIT, MAX_LIMIT, Page
from gateway.tenancy import Access, Scope

router = APIRouter(route_class=dialect_route(CONTROL), tags=["Agents"])

Reader = Annotated[Access, Depends(caller(Scope.CONTROL_READ, Scope.CONTROL_WRITE))]


class ItemsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT


@router.get(
    "/v1/agents/cascades/{cascade_id}",
    summary="Read the receipt of a revocation",
    response_class=Response,
    responses={
        200: examples.RECEIPT,
        **errors(CONTROL, *ACCESS_ERRORS, facts.NotFoundError, facts.ValidationFailedError),
    },
)
async def get_cascade(
    request: Request, access: Reader, cascade_id: str, query: Annotated[ItemsQuery, Query()]
) -> Response:
    """Each credential that goes along: `done`; `pending` until it is marked and no call runs with it; `irrevocable`
    while a process that does not answer holds such a call.

    All of them are refused since `created_at`. `rechecked_at`: when somebody looked a day later whether any was left.
    Needs the scope `control:read`.
    """
    ulid = find_ulid(cascade_id)
    if ulid is None:
        raise NotFoundError("The cascade does not exist.", param="cascade_id")
    async with gateway_of(request).storage.read(access.principal) as tx:
        cascade = await tx.agent_cascades.get(CascadeId(ulid))
        page = await tx.agent_cascades.items(cascade.id, cursor=query.cursor, limit=query.limit)
    more = {"next_cursor": page.next_cursor, "has_more": page.next_cursor is not None}
    return success(_receipt(cascade, page), request_id=exchange_of(request).request_id, meta=more)


def _receipt(cascade: Cascade, page: Page[CascadeItem]) -> dict[str, Any]:
    return {
        **receipt(cascade),
        "agent_id": cascade.agent_id,
        "credential_id": cascade.credential_id,
        "reason": cascade.reason,
        "created_at": cascade.created_at.isoformat(),
        "finished_at": cascade.finished_at.isoformat() if cascade.finished_at else None,
        "rechecked_at": cascade.rechecked_at.isoformat() if cascade.rechecked_at else None,
        "items": [*map(_item, page.items)],
    }


def _item(item: CascadeItem) -> dict[str, Any]:
    return {
        "credential_id": item.credential_id,
        "agent_id": item.agent_id,
        "depth": item.depth,
        "state": item.state.value,
        "settled_at": item.settled_at.isoformat() if item.settled_at else None,
    }
