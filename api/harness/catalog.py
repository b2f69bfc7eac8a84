"""What a caller may name in a native chat: models and tools (spec, hatz 4 and U26)."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response

from api.authentication import caller
from api.dialect import dialect_route
from api.harness import examples
from api.harness.envelope import HARNESS
from api.openapi import KEY_ERRORS, errors
from api.state import Gateway, gateway_of
from gateway.catalog import Ability, Model
from gateway.inference.admission import is_enabled
from gateway.tenancy import AUTO, Access

router = APIRouter(route_class=dialect_route(HARNESS), tags=["Native chat"])

Caller = Annotated[Access, Depends(caller())]


@router.get(
    "/v1/app/models",
    summary="List the models that apps may name",
    response_class=Response,
    responses={200: examples.MODELS, **errors(HARNESS, *KEY_ERRORS)},
)
@router.get(
    "/v1/chat/models",
    summary="List the models that chats may name",
    response_class=Response,
    responses={200: examples.MODELS, **errors(HARNESS, *KEY_ERRORS)},
)
async def list_models(request: Request, access: Caller) -> Response:
    """Those that are enabled for the caller and covered by the agreement, and `auto`, which chooses among them."""
    gateway = gateway_of(request)
    now = gateway.clock.now()
    enabled = [model for model in gateway.catalog if is_enabled(model, access, now=now)]
    shown = [_model(gateway, model) for model in enabled]
    return _json({"data": [*shown, *([_auto(enabled)] if enabled else [])]})


@router.get(
    "/v1/chat/tools",
    summary="List the tools that chats may use (extension)",
    response_class=Response,
    responses={200: examples.TOOLS, **errors(HARNESS, *KEY_ERRORS)},
)
async def list_tools(request: Request, access: Caller) -> Response:
    """Those that this gateway runs, and that the caller may use. `leaves` says whether somebody outside is asked."""
    allowed = gateway_of(request).toolbox.allowed(access)
    shown = [
        {
            "name": tool.name,
            "description": tool.description,
            "input_schema": tool.schema,
            "leaves": tool.leaves,
            "credits": tool.surcharge,
        }
        for tool in allowed
    ]
    return _json({"data": shown})


def _model(gateway: Gateway, model: Model) -> dict[str, Any]:
    provider = gateway.catalog.provider(model.provider)
    return {
        "name": model.id,
        "developer": provider.display_name if provider else model.provider,
        "display_name": model.display_name,
        "max_tokens": model.context_tokens,
        "max_output_tokens": model.max_output_tokens,
        "vision": Ability.VISION in model.abilities,
    }


def _auto(enabled: list[Model]) -> dict[str, Any]:
    return {
        "name": AUTO,
        "developer": "Hasp",
        "display_name": "Auto",
        "max_tokens": max(model.context_tokens for model in enabled),
        "max_output_tokens": max(model.max_output_tokens for model in enabled),
        "vision": any(Ability.VISION in model.abilities for model in enabled),
    }


def _json(body: dict[str, Any]) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")
