"""Every route of the application, asked with a key in each place where one may travel (spec, hatz 2 and 15.1).

The routes are the application's own: one that is new is asked too, and belongs to its prefix's row below.
"""

from collections.abc import Iterator, Mapping
from enum import Enum, auto

import pytest
import pytest_asyncio
from fastapi.routing import iter_route_contexts
from starlette.routing import Route

from api.main import create_app
from gateway.settings import Settings
from gateway.tenancy import Scope
from tests.gateway_server import GatewayServer, Reply
from tests.tenants import Tenant, make_tenant

ANYBODYS = {
    "/.well-known/audit-keys.json": "public keys",
    "/.well-known/oauth-authorization-server": "what OAuth's clients discover",
    "/docs": "the reference",
    "/livez": "whether the process is there",
    "/openapi.json": "the reference",
    "/readyz": "whether it can work",
    "/trust": "what strangers check proofs with",
    "/v1/anthropic": "a base: clients look whether somebody is there",
    "/v1/anthropic/": "the same",
    "/v1/anthropic/v1": "the same",
    "/v1/files/{file_id}/content": "who has the link may upload, once",
    "/v1/oauth": "clients of OAuth have secrets of their own, in forms",
    "/v1/openai": "a base",
    "/v1/openai/": "the same",
    "/v1/schemas/authorization_details": "what discovery refers to",
}
"""Paths, and prefixes of paths, that ask for no key, each for its reason."""


class Takes(Enum):
    EITHER = auto()
    """`X-API-Key` or `Authorization: Bearer`, and both where they agree."""
    KEY_FIRST = auto()
    """Either; of two `X-API-Key` decides."""
    KEY_ONLY = auto()


ROWS: Mapping[str, Takes] = {
    "/v1/openai": Takes.KEY_FIRST,
    "/v1/anthropic": Takes.KEY_FIRST,
    "/v1/chat": Takes.KEY_ONLY,
    "/v1/app": Takes.KEY_ONLY,
    "/v1/files": Takes.KEY_ONLY,
    "/v1/workflows": Takes.KEY_ONLY,
    "/v1": Takes.EITHER,
}
"""The first that a path is, or lies below, holds."""

KEY, WRONG = "KEY", "hasp_key_live_" + "2" * 32
CASES: Mapping[str, tuple[dict[str, str], frozenset[Takes]]] = {
    "X-API-Key": ({"x-api-key": KEY}, frozenset(Takes)),
    "Bearer": ({"authorization": f"Bearer {KEY}"}, frozenset({Takes.EITHER, Takes.KEY_FIRST})),
    "both": ({"x-api-key": KEY, "authorization": f"Bearer {KEY}"}, frozenset(Takes)),
    "none": ({}, frozenset()),
    "X-API-Key beside another Bearer": (
        {"x-api-key": KEY, "authorization": f"Bearer {WRONG}"},
        frozenset({Takes.KEY_FIRST, Takes.KEY_ONLY}),
    ),
    "Bearer beside another X-API-Key": ({"x-api-key": WRONG, "authorization": f"Bearer {KEY}"}, frozenset()),
    "Basic": ({"authorization": f"Basic {KEY}"}, frozenset()),
}
"""What is sent, and the rows whose routes take it."""


def takes(path: str) -> Takes:
    return next(row for top, row in ROWS.items() if path == top or path.startswith(f"{top}/"))


def keyed_routes(settings: Settings) -> Iterator[tuple[str, str]]:
    """Every method and path that asks for a key."""
    for context in iter_route_contexts(create_app(settings).routes):
        route = context.original_route
        assert isinstance(route, Route), f"{route} is of a kind that this test does not ask"
        if not is_anybodys(route.path):
            for method in route.methods or ():
                yield method, route.path


def all_paths(settings: Settings) -> list[str]:
    contexts = iter_route_contexts(create_app(settings).routes)
    return [context.path for context in contexts if context.path]


def is_anybodys(path: str) -> bool:
    return any(path == each or (path.startswith(f"{each}/") and each in ("/trust", "/v1/oauth")) for each in ANYBODYS)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stranger_to_every_scope(gateway_server: GatewayServer) -> Tenant:
    """Whom no route that asks for a scope lets in: asked with the key, they change nothing."""
    return await make_tenant(gateway_server.storage, scopes=[Scope.AI_EMBEDDINGS])


def sent_as(headers: Mapping[str, str], token: str) -> dict[str, str]:
    return {name: value.replace(KEY, token) for name, value in headers.items()}


async def ask(server: GatewayServer, method: str, path: str, headers: Mapping[str, str]) -> Reply:
    filled = "/".join("01K0B6W4M7RT2V9YQ3X5ZC8D1E" if part.startswith("{") else part for part in path.split("/"))
    return await server.request(method, filled, b"{}", key=None, headers=dict(headers))


@pytest.mark.parametrize("case", CASES)
async def test_a_key_opens_a_route_where_its_surface_takes_it_and_nowhere_else(
    gateway_server: GatewayServer, server_settings: Settings, stranger_to_every_scope: Tenant, case: str
) -> None:
    headers, rows = CASES[case]
    headers = sent_as(headers, stranger_to_every_scope.token)
    wrong: dict[str, int] = {}
    for method, path in keyed_routes(server_settings):
        reply = await ask(gateway_server, method, path, headers)
        if (reply.status != 401) is not (takes(path) in rows):
            wrong[f"{method} {path}"] = reply.status

    assert wrong == {}


def test_nothing_is_said_to_be_anybodys_that_is_not_there(server_settings: Settings) -> None:
    paths = all_paths(server_settings)

    assert [each for each in ANYBODYS if not any(path == each or path.startswith(f"{each}/") for path in paths)] == []


async def test_a_key_in_a_query_or_a_body_is_nobodys(
    gateway_server: GatewayServer, stranger_to_every_scope: Tenant
) -> None:
    token = stranger_to_every_scope.token
    for path in ("/v1/messages", "/v1/ai/chat", "/v1/anthropic/messages", "/v1/openai/responses", "/v1/api_keys"):
        for name in ("api_key", "key", "x-api-key", "access_token"):
            reply = await gateway_server.post(f"{path}?{name}={token}", {name: token}, key=None)
            assert reply.status == 401, (path, name)


@pytest.mark.parametrize("path", ["/v1/anthropic/messages", "/v1/anthropic/models", "/v1/openai/responses"])
async def test_who_is_not_let_in_is_told_how_to_be(gateway_server: GatewayServer, path: str) -> None:
    reply = await gateway_server.request("GET" if path.endswith("models") else "POST", path, b"{}", key=None)

    assert (reply.status, reply.headers["www-authenticate"]) == (401, 'Bearer realm="hasp"')
    assert reply.json()["error"]["type"] == "authentication_error"
    assert reply.headers["x-should-retry"] == "false"
