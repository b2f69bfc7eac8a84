"""What agents are refused, and what is refused of their credentials: one audit entry says who asked what under what."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import orjson
import pytest

from gateway.agents.credential import MOST_BELOW
from gateway.audit.compliance import Gate
from gateway.ids import new_ulid
from gateway.tenancy import Scope
from storage.agents.revocation import revoke
from storage.pool import fetch
from tests.agents import MadeCredential, make_agent, make_credential
from tests.api.test_every_verdict import CANARY, CHAT, HAIKU, MESSAGES, SAID, Controlled, Server, verdict
from tests.api.test_refusals import entries_of
from tests.gateway_server import GatewayServer, Reply
from tests.tenants import make_tenant

Found = TypeVar("Found")

CREDENTIALS = "/v1/agents/{agent_id}/credentials"
ROTATE = f"{CREDENTIALS}/{{credential_id}}/rotate"


async def _path(server: Server) -> str:
    made = await make_credential(server.http.storage, server.tenant.org)
    return f"/v1/agents/{made.agent}/credentials/{made.id}"


async def _second_rotation(server: Server) -> Reply:
    path = await _path(server)
    await server.send("POST", f"{path}/rotate", {})
    return await server.send("POST", f"{path}/rotate", {})


async def _rotation_of_what_is_revoked(server: Server) -> Reply:
    path = await _path(server)
    await server.send("POST", f"{path}/revoke", {"reason": CANARY})
    return await server.send("POST", f"{path}/rotate", {})


CONTROLLED = {
    "AGENT_CREDENTIAL_ALREADY_ROTATED": Controlled(Gate.STATE, ROTATE, _second_rotation),
    "AGENT_CREDENTIAL_ENDED": Controlled(Gate.STATE, ROTATE, _rotation_of_what_is_revoked),
}


@pytest.mark.parametrize("code", CONTROLLED)
async def test_what_is_refused_of_credentials_has_one_entry(gateway_server: GatewayServer, code: str) -> None:
    controlled = CONTROLLED[code]
    scopes = (Scope.CONTROL_READ, Scope.CONTROL_WRITE)
    server = Server(gateway_server, await make_tenant(gateway_server.storage, scopes=scopes, agreement=False))

    reply = await controlled.provoke(server)

    entry = await verdict(server, reply, code)
    assert (entry.metadata["route"], entry.metadata["gate"]) == (controlled.route, controlled.gate)


@dataclass(frozen=True, slots=True)
class Agent:
    """Of a server's tenant, with a credential for one tool and for one call at a time."""

    server: Server
    credential: MadeCredential

    async def send(self, path: str, body: object) -> Reply:
        return await self.server.http.request("POST", path, body, key=self.credential.token, headers=SAID)

    async def chat(self, says: str = CANARY) -> Reply:
        return await self.send(CHAT, {"model": HAIKU, "message": says, "stream": False})

    async def take_a_place(self) -> None:
        storage = self.server.http.storage
        now = storage.clock.now()
        taken = [new_ulid(), self.server.tenant.org, self.credential.id, now, now + timedelta(minutes=1)]
        insert = "insert into agent_invocations (id, org_id, credential_id, started_at, expires_at)"
        await fetch(storage.pool, f"{insert} values (%s, %s, %s, %s, %s) on conflict do nothing", taken)

    async def runs(self) -> bool:
        asked = "select 1 from agent_invocations where credential_id = %s"
        return bool(await fetch(self.server.http.storage.pool, asked, [self.credential.id]))


async def _more_than_it_has(agent: Agent) -> Reply:
    other = await make_agent(agent.server.http.storage, agent.server.tenant.org)
    wanted = {"name": CANARY, "granted_scopes": [{"type": "hasp.tool.invoke", "tool_id": CANARY}]}
    return await agent.send(f"/v1/agents/{other}/credentials", wanted)


async def _one_too_many_handed_on(agent: Agent) -> Reply:
    storage, credential = agent.server.http.storage, agent.credential
    other = await make_agent(storage, agent.server.tenant.org)
    right = orjson.dumps([{"type": "agent.delegate", "to_agent_id": other, "max_chain_depth": 1}]).decode()
    grown = "update agent_credentials set grants = grants || %s::jsonb where id = %s returning 1"
    await fetch(storage.pool, grown, [right, credential.id])
    await fetch(
        storage.pool,
        "insert into agent_credentials (id, org_id, agent_id, agent_epoch, name, mode, last_four, digest, pepper,"
        " grants, delegating_user, parent_id, path, family, revocation_policy, max_concurrent_invocations, created_at,"
        " expires_at)"
        " select left(id, 20) || lpad(n::text, 6, '0'), org_id, %(other)s, 0, name, mode, last_four,"
        " sha256((id || n)::bytea), pepper, grants, delegating_user, id, array[id], id, revocation_policy, 1,"
        " created_at, expires_at"
        " from agent_credentials cross join generate_series(1, %(most)s) n where id = %(credential)s returning 1",
        {"other": other, "most": MOST_BELOW, "credential": credential.id},
    )
    wanted = {"name": CANARY, "granted_scopes": [{"type": "external.tool.invoke", "tool_id": "lookup_appointment"}]}
    return await agent.send(f"/v1/agents/{other}/credentials", wanted)


async def _a_tool_that_no_grant_names(agent: Agent) -> Reply:
    tool = {"name": CANARY, "input_schema": {"type": "object"}}
    asked = {"model": HAIKU, "max_tokens": 9, "messages": [{"role": "user", "content": CANARY}], "tools": [tool]}
    return await agent.send(MESSAGES, asked)


async def _a_call_too_many(agent: Agent) -> Reply:
    await agent.take_a_place()
    return await agent.chat()


@dataclass(frozen=True, slots=True)
class Asked:
    gate: Gate
    route: str
    provoke: Callable[[Agent], Awaitable[Reply]]


BY_AGENTS: Mapping[str, Asked] = {
    "DELEGATION_EXCEEDS_PARENT": Asked(Gate.SCOPE, CREDENTIALS, _more_than_it_has),
    "TOOL_NOT_IN_SCOPE": Asked(Gate.SCOPE, MESSAGES, _a_tool_that_no_grant_names),
    "TOO_MANY_AGENT_CREDENTIALS": Asked(Gate.STATE, CREDENTIALS, _one_too_many_handed_on),
    "TOO_MANY_INVOCATIONS": Asked(Gate.RATE, CHAT, _a_call_too_many),
}


@pytest.mark.parametrize("code", BY_AGENTS)
async def test_what_an_agent_is_refused_has_one_entry_that_says_under_what_it_acted(
    gateway_server: GatewayServer, code: str
) -> None:
    asked = BY_AGENTS[code]
    server = Server(gateway_server, await make_tenant(gateway_server.storage))
    agent = Agent(server, await make_credential(gateway_server.storage, server.tenant.org, most=1))

    reply = await asked.provoke(agent)

    entry = await verdict(server, reply, code, by=f"agent:{agent.credential.agent}")
    assert (entry.metadata["route"], entry.metadata["gate"]) == (asked.route, asked.gate)
    under = {name: entry.metadata[name] for name in ("credential_id", "delegation_path", "delegating_user")}
    assert under == {"credential_id": agent.credential.id, "delegation_path": [], "delegating_user": "j.reyes"}


async def test_a_call_that_is_cut_is_told_why_at_once_and_has_one_entry_that_says_so(
    gateway_server: GatewayServer,
) -> None:
    server = Server(gateway_server, await make_tenant(gateway_server.storage))
    agent = Agent(server, await make_credential(gateway_server.storage, server.tenant.org, most=1))

    calling = asyncio.create_task(agent.chat(f"[[sandbox: first_delay_ms=3000]] {CANARY}"))
    await until(agent.runs)
    async with gateway_server.storage.as_operator(server.tenant.org, command="test") as tx:
        await revoke(tx, agent.credential.id, reason="lost")
    reply = await calling

    assert (reply.status, reply.json()["error"]["code"]) == (401, "CREDENTIAL_REVOKED")
    # The provider bills the whole of it, and is waited for.
    [entry] = await until(lambda: entries_of(gateway_server, server.tenant.org, reply))
    assert (entry.metadata["status"], entry.metadata["ended_because"]) == ("cancelled", "credential_revoked")
    assert (entry.actor, entry.metadata["credential_id"]) == (f"agent:{agent.credential.agent}", agent.credential.id)
    assert CANARY not in str(entry)


async def until(look: Callable[[], Awaitable[Found]]) -> Found:
    """What `look` finds once it finds something."""
    async with asyncio.timeout(15):
        while not (found := await look()):  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.05)
    return found
