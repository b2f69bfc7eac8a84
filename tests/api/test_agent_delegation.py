"""Handing on over real HTTP: an agent issues another's credential with its own token."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from gateway.agents.grants import AgentDelegate, ExternalToolInvoke
from gateway.ids import AgentId, new_ulid
from gateway.tenancy import KeyMode, Scope
from tests.agents import MadeCredential, make_agent, make_credential
from tests.api.test_control_plane import told
from tests.gateway_server import GatewayServer, Reply
from tests.tenants import Tenant, make_tenant

LOOKUP = {"type": "external.tool.invoke", "tool_id": "lookup_appointment", "rate_limit": 10}


class Chain:
    """A credential that may hand on to one other agent, and to that alone."""

    def __init__(self, server: GatewayServer, tenant: Tenant, to: AgentId, root: MadeCredential) -> None:
        self.server, self.tenant, self.to, self.root = server, tenant, to, root

    async def hand_on(
        self, token: str | None = None, *, to: str | None = None, headers: dict[str, str] | None = None, **fields: Any
    ) -> Reply:
        return await self.server.post(
            f"/v1/agents/{to or self.to}/credentials",
            {"name": "Lookup", "granted_scopes": [LOOKUP]} | fields,
            key=token or self.root.token,
            headers=headers or {},
        )

    async def ask(self, method: str, path: str, body: object = None, *, key: str | None = None) -> Reply:
        return await self.server.request(method, path, body, key=key or self.tenant.token)


async def make_chain(server: GatewayServer, *, mode: KeyMode = KeyMode.LIVE) -> Chain:
    tenant = await make_tenant(server.storage, scopes=(Scope.CONTROL_READ, Scope.CONTROL_WRITE))
    to = await make_agent(server.storage, tenant.org)
    grants = (ExternalToolInvoke("lookup_appointment", 100), AgentDelegate(to, 2))
    return Chain(
        server, tenant, to, await make_credential(server.storage, tenant.org, grants=grants, mode=mode, most=5)
    )


async def test_an_agent_hands_on_a_part_of_what_it_has(gateway_server: GatewayServer) -> None:
    chain = await make_chain(gateway_server)

    reply = await chain.hand_on()

    assert reply.status == 201, reply.body
    child = reply.json()["data"]["credential"]
    assert (child["parent_id"], child["delegation_path"]) == (chain.root.id, [chain.root.id])
    assert (child["delegating_user"], child["max_concurrent_invocations"], child["mode"]) == ("j.reyes", 5, "live")
    assert child["issued_by"] == f"agent:{chain.root.agent}"
    [entry] = (await chain.ask("GET", f"/v1/audit?entity_id={child['id']}")).json()["data"]
    assert (entry["action"], entry["actor"]) == ("agent_credential.issued", f"agent:{chain.root.agent}")
    assert entry["metadata"]["delegation_path"] == [chain.root.id]
    assert entry["metadata"]["delegating_user"] == "j.reyes"
    event, data = (await told(gateway_server.storage, chain.tenant))[-1]
    assert (event, data["parent_id"]) == ("agent.credential_issued", chain.root.id)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"granted_scopes": [LOOKUP | {"rate_limit": 101}]}, "granted_scopes[0]"),
        ({"granted_scopes": [LOOKUP, {"type": "hasp.data.read"}]}, "granted_scopes[1]"),
        ({"expires_at": "later than the parent"}, "expires_at"),
        ({"max_concurrent_invocations": 6}, "max_concurrent_invocations"),
        ({"mode": "test"}, "mode"),
        ({"delegating_user": "k.ito"}, "delegating_user"),
    ],
)
async def test_more_than_it_has_is_refused_with_its_field(
    gateway_server: GatewayServer, fields: dict[str, Any], param: str
) -> None:
    chain = await make_chain(gateway_server)
    if "expires_at" in fields:
        fields = {"expires_at": (gateway_server.storage.clock.now() + timedelta(hours=9)).isoformat()}

    reply = await chain.hand_on(**fields)

    error = reply.json()["error"]
    assert (reply.status, error["code"], error["param"]) == (403, "DELEGATION_EXCEEDS_PARENT", param)
    refusals = (await chain.ask("GET", "/v1/audit?action=access.refused")).json()["data"]
    assert refusals[0]["metadata"]["gate"] == "scope"


async def test_a_chain_goes_as_deep_as_its_first_grant_says_and_to_no_other_agent(
    gateway_server: GatewayServer,
) -> None:
    chain = await make_chain(gateway_server)
    onward = [LOOKUP, {"type": "agent.delegate", "to_agent_id": chain.to, "max_chain_depth": 1}]

    child = (await chain.hand_on(granted_scopes=onward)).json()["data"]
    below = await chain.hand_on(child["token"])

    assert below.status == 201, below.body
    assert below.json()["data"]["credential"]["delegation_path"] == [chain.root.id, child["credential"]["id"]]
    stranger = await make_agent(gateway_server.storage, chain.tenant.org)
    for refused in (await chain.hand_on(below.json()["data"]["token"]), await chain.hand_on(to=stranger)):
        error = refused.json()["error"]
        assert (refused.status, error["code"], error["param"]) == (403, "DELEGATION_EXCEEDS_PARENT", "agent_id")


async def test_a_revoked_agent_hands_nothing_on(gateway_server: GatewayServer) -> None:
    chain = await make_chain(gateway_server)
    onward = [LOOKUP, {"type": "agent.delegate", "to_agent_id": chain.to, "max_chain_depth": 1}]
    child = (await chain.hand_on(granted_scopes=onward)).json()["data"]["token"]

    path = f"/v1/agents/{chain.root.agent}/credentials/{chain.root.id}/revoke"
    assert (await chain.ask("POST", path)).status == 200

    assert [(await chain.hand_on(token)).status for token in (chain.root.token, child)] == [401, 401]


async def test_an_agent_does_nothing_else_with_credentials(gateway_server: GatewayServer) -> None:
    chain = await make_chain(gateway_server)
    own = f"/v1/agents/{chain.root.agent}/credentials"

    replies = [
        await chain.ask("GET", own, key=chain.root.token),
        await chain.ask("GET", f"{own}/{chain.root.id}", key=chain.root.token),
        await chain.ask("POST", f"{own}/{chain.root.id}/rotate", key=chain.root.token),
        await chain.ask("POST", f"{own}/{chain.root.id}/revoke", key=chain.root.token),
    ]

    assert [(reply.status, reply.json()["error"]["code"]) for reply in replies] == [(403, "MISSING_SCOPE")] * 4


async def test_the_same_request_of_two_credentials_is_two_requests(gateway_server: GatewayServer) -> None:
    """The answer to the first shows a token that the second has no right to."""
    chain = await make_chain(gateway_server)
    grants = (ExternalToolInvoke("lookup_appointment", 100), AgentDelegate(chain.to, 2))
    other = await make_credential(gateway_server.storage, chain.tenant.org, chain.root.agent, grants=grants)
    headers = {"idempotency-key": new_ulid()}

    mine = await asyncio.gather(*(chain.hand_on(headers=headers) for _ in range(3)))
    theirs = await chain.hand_on(other.token, headers=headers)

    assert [reply.status for reply in mine] == [201] * 3
    assert len({reply.body for reply in mine}) == 1
    assert (theirs.status, theirs.json()["error"]["code"]) == (409, "IDEMPOTENCY_CONFLICT")


async def test_what_a_test_credential_hands_on_is_one_too(gateway_server: GatewayServer) -> None:
    chain = await make_chain(gateway_server, mode=KeyMode.TEST)

    assert (await chain.hand_on()).json()["data"]["token"].startswith("hasp_agent_test_")
    assert (await chain.hand_on(mode="live")).status == 403
