"""Liveness and readiness, for orchestrators: no key, no tenant, no secrets."""

from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from api import examples
from api.dialect import dialect_route
from api.native.envelope import NATIVE
from api.state import gateway_of

router = APIRouter(route_class=dialect_route(NATIVE), tags=["Health"])
_NO_KEY: dict[str, Any] = {"security": []}


@router.get(
    "/livez",
    summary="Liveness",
    response_class=Response,
    responses={200: examples.ALIVE},
    openapi_extra=_NO_KEY,
)
async def livez() -> Response:
    """The process runs and its event loop turns."""
    return Response(orjson.dumps({"status": "alive"}), media_type="application/json")


@router.get(
    "/readyz",
    summary="Readiness",
    response_class=Response,
    responses={200: examples.READY, 503: examples.NOT_READY},
    openapi_extra=_NO_KEY,
)
async def readyz(request: Request) -> Response:
    """Whether to send requests here, and each dependency's state. 503 when one is down, or when stopping."""
    gateway = gateway_of(request)
    working = await gateway.probe()
    ready = all(working.values()) and not gateway.draining
    body = {
        "status": "stopping" if gateway.draining else "ready" if ready else "unavailable",
        "dependencies": {name: "up" if works else "down" for name, works in working.items()},
    }
    return Response(orjson.dumps(body), status_code=200 if ready else 503, media_type="application/json")
