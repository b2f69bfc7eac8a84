"""What is refused of apps, provoked over HTTP: one audit entry says who asked what, and which gate refused it."""

from typing import Any

import pytest

from gateway.apps.definition import MOST_APPS
from gateway.audit.compliance import Gate
from gateway.tenancy import StorageMode
from storage.pool import fetch
from tests.api.apps import ALL, APP, WORKFLOW
from tests.api.test_every_verdict import CANARY, SAID, Controlled, Server, verdict
from tests.gateway_server import GatewayServer, Reply
from tests.tenants import make_tenant

RUN = "/v1/workflows/run"


async def _send(server: Server, method: str, path: str, body: object) -> Reply:
    headers = {**SAID, "x-api-key": server.tenant.token}
    return await server.http.request(method, path, body, key=None, headers=headers)


async def _made(server: Server, body: dict[str, Any]) -> str:
    return (await _send(server, "POST", "/v1/app", body | {"name": CANARY, "description": CANARY})).json()["id"]


async def _run(server: Server, body: dict[str, Any]) -> Reply:
    app = await _made(server, body)
    return await _send(server, "POST", RUN, {"app_id": app, "inputs": {"note": CANARY}})


async def _one_app_too_many(server: Server) -> Reply:
    await fetch(
        server.http.storage.pool,
        "insert into apps (id, org_id, name, definition, created_at, updated_at)"
        " select %(org)s || n, %(org)s, n::text, '', now(), now() from generate_series(1, %(most)s) n returning 1",
        {"org": server.tenant.org, "most": MOST_APPS},
    )
    return await _send(server, "POST", "/v1/app", APP)


CONTROLLED = {
    "TOO_MANY_APPS": Controlled(Gate.STATE, "/v1/app", _one_app_too_many),
    "WRONG_KIND_OF_APP": Controlled(Gate.REQUEST, RUN, lambda to: _run(to, APP)),
    "JOB_NOT_STORABLE": Controlled(Gate.STATE, RUN, lambda to: _run(to, WORKFLOW), {"storage_mode": StorageMode.NONE}),
}


@pytest.mark.parametrize("code", CONTROLLED)
async def test_what_is_refused_of_apps_has_one_entry(gateway_server: GatewayServer, code: str) -> None:
    controlled = CONTROLLED[code]
    tenant: dict[str, Any] = {"scopes": ALL, **controlled.tenant}
    server = Server(gateway_server, await make_tenant(gateway_server.storage, **tenant))

    reply = await controlled.provoke(server)

    entry = await verdict(server, reply, code)
    assert (entry.metadata["route"], entry.metadata["gate"]) == (controlled.route, controlled.gate)
