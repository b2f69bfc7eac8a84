"""`GET /v1/openai/models` in OpenAI's list shape, and the base of its surface (spec U20, U21)."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response

from api.authentication import caller
from api.dialect import dialect_route
from api.openai import examples
from api.openai.envelope import OPENAI
from api.openapi import KEY_ERRORS, errors
from api.state import gateway_of
from gateway import errors as facts
from gateway.catalog import Model
from gateway.errors import NotFoundError
from gateway.inference.admission import is_enabled
from gateway.tenancy import Access

BASE = "/v1/openai"

router = APIRouter(route_class=dialect_route(OPENAI), tags=["OpenAI-compatible inference"])

Caller = Annotated[Access, Depends(caller())]


@router.get(
    f"{BASE}/models",
    summary="List the models that the caller may use, as OpenAI does",
    response_class=Response,
    responses={200: examples.MODELS, **errors(OPENAI, *KEY_ERRORS)},
)
async def list_models(request: Request, access: Caller) -> Response:
    """Those that are enabled for the caller and covered by the agreement, in the catalog's order."""
    gateway = gateway_of(request)
    now = gateway.clock.now()
    enabled = [_model(model) for model in gateway.catalog if is_enabled(model, access, now=now)]
    return Response(orjson.dumps({"object": "list", "data": enabled}), media_type="application/json")


@router.get(
    f"{BASE}/models/{{model_id:path}}",
    summary="Retrieve a model that the caller may use, as OpenAI does",
    response_class=Response,
    responses={200: examples.MODEL, **errors(OPENAI, *KEY_ERRORS, facts.NotFoundError)},
)
async def get_model(request: Request, access: Caller, model_id: str) -> Response:
    """One model, by any name that requests take for it."""
    gateway = gateway_of(request)
    model = gateway.catalog.find(model_id)
    if model is None or not is_enabled(model, access, now=gateway.clock.now()):
        raise NotFoundError("The model does not exist.", param="model")
    return Response(orjson.dumps(_model(model)), media_type="application/json")


async def greet(_: Request) -> Response:
    """That somebody is there, as clients ask before their first request: without a key, and without a word."""
    return Response()


for _base in (BASE, f"{BASE}/"):
    for _method in ("GET", "HEAD"):
        router.add_api_route(
            _base,
            greet,
            methods=[_method],
            summary="See that the gateway is there",
            include_in_schema=not _base.endswith("/"),
            response_class=Response,
            openapi_extra={"security": []},
        )


def _model(model: Model) -> dict[str, Any]:
    return {
        "id": model.id,
        "object": "model",
        "created": int(model.created_at.timestamp()),
        "owned_by": model.provider,
    }
