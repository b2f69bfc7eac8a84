"""What is refused of agents, provoked over HTTP: one audit entry says who asked what, and which gate refused it."""

from typing import Any

import pytest

from gateway.agents.agent import MOST_AGENTS
from gateway.audit.compliance import Gate
from gateway.tenancy import Scope
from storage.pool import fetch
from tests.api.test_every_verdict import CANARY, Controlled, Server, verdict
from tests.gateway_server import GatewayServer, Reply
from tests.tenants import make_tenant

AGENTS = "/v1/agents"
CREDENTIALS = f"{AGENTS}/{{agent_id}}/credentials"
NEW: dict[str, Any] = {
    "name": CANARY,
    "description": CANARY,
    "capabilities": [CANARY],
    "default_expiry_hours": 8,
    "default_revocation_policy": "kill",
}
CREDENTIAL = {
    "name": CANARY,
    "granted_scopes": [{"type": "external.tool.invoke", "tool_id": CANARY}],
    "delegating_user": CANARY,
}


async def _made(server: Server) -> str:
    made = await server.send("POST", AGENTS, NEW)
    return f"{AGENTS}/{made.json()['data']['agent']['id']}"


async def _name_of_another(server: Server) -> Reply:
    await _made(server)
    return await server.send("POST", AGENTS, NEW | {"name": CANARY.upper()})


async def _one_agent_too_many(server: Server) -> Reply:
    await fetch(
        server.http.storage.pool,
        "insert into agents (id, org_id, name, capabilities, default_expiry_hours, default_revocation_policy,"
        " created_at, updated_at)"
        " select left(%(org)s, 20) || lpad(n::text, 6, '0'), %(org)s, n::text, '{}', 8, 'kill', now(), now()"
        " from generate_series(1, %(most)s) n returning 1",
        {"org": server.tenant.org, "most": MOST_AGENTS},
    )
    return await server.send("POST", AGENTS, NEW)


async def _credential_of_an_archived_one(server: Server) -> Reply:
    path = await _made(server)
    await server.send("POST", f"{path}/archive")
    return await server.send("POST", f"{path}/credentials", CREDENTIAL)


CONTROLLED = {
    "AGENT_NAME_TAKEN": Controlled(Gate.STATE, AGENTS, _name_of_another),
    "TOO_MANY_AGENTS": Controlled(Gate.STATE, AGENTS, _one_agent_too_many),
    "AGENT_ARCHIVED": Controlled(Gate.STATE, CREDENTIALS, _credential_of_an_archived_one),
}


@pytest.mark.parametrize("code", CONTROLLED)
async def test_what_is_refused_of_agents_has_one_entry(gateway_server: GatewayServer, code: str) -> None:
    controlled = CONTROLLED[code]
    scopes = (Scope.CONTROL_READ, Scope.CONTROL_WRITE)
    server = Server(gateway_server, await make_tenant(gateway_server.storage, scopes=scopes))

    reply = await controlled.provoke(server)

    entry = await verdict(server, reply, code)
    assert (entry.metadata["route"], entry.metadata["gate"]) == (controlled.route, controlled.gate)
