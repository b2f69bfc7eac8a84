"""`GET /v1/models` in Anthropic's list shape, and OpenAI's beside it, with tier, context and cover added."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response

from api import examples
from api.anthropic.envelope import ANTHROPIC
from api.anthropic.paging import Lifecycle, ModelsQuery, page_of
from api.authentication import caller
from api.dialect import dialect_route
from api.openapi import KEY_ERRORS, errors
from api.state import gateway_of
from gateway import errors as facts
from gateway.agents.scope import may_call
from gateway.catalog import Ability, Model
from gateway.errors import NotFoundError
from gateway.tenancy import Access

router = APIRouter(route_class=dialect_route(ANTHROPIC), tags=["Models"])

# A list of names, of no organisation's: neither scope nor agreement is asked for.
Caller = Annotated[Access, Depends(caller())]


@router.get(
    "/v1/models",
    summary="List models",
    response_class=Response,
    responses={200: examples.MODELS, **errors(ANTHROPIC, *KEY_ERRORS, facts.ValidationFailedError)},
)
async def list_models(request: Request, access: Caller, query: Annotated[ModelsQuery, Query()]) -> Response:
    """The models on offer, in the catalog's order. Any valid key may ask; an agent is shown those it may call."""
    gateway = gateway_of(request)
    now = gateway.clock.now()
    offered = [model for model in gateway.catalog if may_call(model, access.principal.delegation)]
    shown = [model for model in offered if _lifecycle(retired=model.is_retired(now)) in query.lifecycle]
    page, more = page_of(shown, query)
    body = {
        "object": "list",
        "data": [_model(model, retired=model.is_retired(now)) for model in page],
        "has_more": more,
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }
    return Response(orjson.dumps(body), media_type="application/json")


@router.get(
    "/v1/models/{model_id:path}",
    summary="Retrieve a model",
    response_class=Response,
    responses={200: examples.MODEL, **errors(ANTHROPIC, *KEY_ERRORS, facts.NotFoundError)},
)
async def get_model(request: Request, access: Caller, model_id: str) -> Response:
    """One model, by its id, its vendor's id or an alias. Any valid key may ask."""
    gateway = gateway_of(request)
    model = gateway.catalog.find(model_id)
    if model is None or not may_call(model, access.principal.delegation):
        raise NotFoundError("The model does not exist.", param="model_id")
    shown = _model(model, retired=model.is_retired(gateway.clock.now()))
    return Response(orjson.dumps(shown), media_type="application/json")


def _lifecycle(*, retired: bool) -> Lifecycle:
    return "retired" if retired else "active"


def _model(model: Model, *, retired: bool) -> dict[str, Any]:
    return {
        "type": "model",
        "object": "model",
        "id": model.id,
        "owned_by": model.provider,
        "created": int(model.created_at.timestamp()),
        "display_name": model.display_name,
        "created_at": model.created_at.isoformat(),
        "lifecycle": _lifecycle(retired=retired),
        "line": None,
        "capabilities": None,
        "deprecated_at": None,
        "max_input_tokens": model.context_tokens,
        "max_tokens": model.max_output_tokens,
        "retires_at": model.retired_at.isoformat() if model.retired_at else None,
        "tier": model.tier.value,
        "context_tokens": model.context_tokens,
        "abilities": sorted(ability.value for ability in Ability if ability in model.abilities),
        "baa_coverage": model.covered_by,
        "recommended_replacement": model.recommended_replacement,
    }
