"""Inference routes, called without the framework's routing and wrappers: a tenth of a request's processor time.

The routes stay registered as well, which is what describes them and what
answers other methods on their paths.
"""

from collections.abc import Iterable
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from api.dialect import DialectRoute
from api.refusals import refuse
from gateway.errors import GatewayError


class HotPath:
    """Middleware that answers `routes` itself. Their endpoints take the request and nothing else."""

    def __init__(self, app: ASGIApp, *, routes: Iterable[APIRoute]) -> None:
        self._app = app
        self._routes: dict[tuple[Any, Any], DialectRoute] = {
            (method, route.path): route
            for route in routes
            if isinstance(route, DialectRoute)
            for method in route.methods or ()
        }

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        route = self._routes.get((scope.get("method"), scope.get("path")))
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        scope["hasp.dialect"] = route.dialect
        try:
            response: Response = await route.endpoint(Request(scope, receive))
        except GatewayError as error:
            response = await refuse(scope, error)
        await response(scope, receive, send)
