"""`GET /v1/provider-status`: how the providers answer, from everybody's calls and our own probes (spec B12, D31)."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api import examples
from api.authentication import caller
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.native.envelope import CONTROL, success
from api.openapi import KEY_ERRORS, errors
from api.state import gateway_of
from gateway import errors as facts
from gateway.routing.board import FRESH_S, Standings
from gateway.routing.status import Past, ProviderStanding, Standing, overall
from gateway.tenancy import Access

router = APIRouter(route_class=dialect_route(CONTROL), tags=["Providers"])


class ProviderStatusQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    history: Annotated[bool, Field(description="With the last 24 hours of each provider, 5 minutes an entry.")] = False


@router.get(
    "/v1/provider-status",
    summary="Status of the providers",
    response_class=Response,
    responses={200: examples.PROVIDER_STATUS, **errors(CONTROL, *KEY_ERRORS, facts.ValidationFailedError)},
)
async def get_provider_status(
    request: Request,
    _: Annotated[Access, Depends(caller())],
    query: Annotated[ProviderStatusQuery, Query()],
) -> Response:
    """How each provider and model answers: of all organizations' calls together and a probe each minute.

    Any valid key may ask, with or without an agreement in force. Rates and
    latencies only, rounded. Kept for 15 seconds.
    """
    standings = await gateway_of(request).status_board.read(history=query.history)
    response = success(_data(standings, history=query.history), request_id=exchange_of(request).request_id)
    response.headers["cache-control"] = f"private, max-age={FRESH_S}"
    return response


def _data(standings: Standings, *, history: bool) -> dict[str, Any]:
    return {
        "status": overall(standings.providers).value,
        "providers": [
            _provider(each) | ({"history": [*map(_past, standings.history[each.id])]} if history else {})
            for each in standings.providers
        ],
    }


def _provider(provider: ProviderStanding) -> dict[str, Any]:
    return {
        "id": provider.id,
        **_standing(provider.standing),
        "models": [{"id": model, **_standing(standing)} for model, standing in provider.models],
    }


def _standing(standing: Standing) -> dict[str, Any]:
    return {
        "status": standing.status.value,
        "latency_ms_p50": standing.latency_ms_p50,
        "error_rate": standing.error_rate,
        "circuit": standing.circuit.value,
        "last_checked_at": standing.last_checked_at.isoformat() if standing.last_checked_at else None,
    }


def _past(past: Past) -> dict[str, Any]:
    return {
        "at": past.at.isoformat(),
        "status": past.status.value,
        "latency_ms_p50": past.latency_ms_p50,
        "error_rate": past.error_rate,
    }
