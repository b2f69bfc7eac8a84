"""Credentials of agents over real HTTP: issued, listed, rotated, revoked, handed on."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.agents.grants import AgentDelegate, ExternalToolInvoke
from gateway.ids import AgentId, new_ulid
from gateway.tenancy import KeyMode, Scope
from storage.pool import fetch
from tests.agents import make_agent, make_credential
from tests.api.test_control_plane import told
from tests.gateway_server import GatewayServer, Reply
from tests.tenants import Tenant, make_tenant

CANARY = "Quillfeather"
LOOKUP = {"type": "external.tool.invoke", "tool_id": "lookup_appointment", "rate_limit": 100}
SCOPES = (Scope.CONTROL_READ, Scope.CONTROL_WRITE)


class Desk:
    """An organisation's key and one of its agents."""

    def __init__(self, server: GatewayServer, tenant: Tenant, agent: AgentId) -> None:
        self.server, self.tenant, self.agent = server, tenant, agent

    def path(self, *rest: str) -> str:
        return "/".join((f"/v1/agents/{self.agent}/credentials", *rest))

    async def issue(self, *, key: str | None = None, headers: dict[str, str] | None = None, **fields: Any) -> Reply:
        body = {"name": "Night shift", "granted_scopes": [LOOKUP], "delegating_user": "j.reyes"} | fields
        sent = {name: value for name, value in body.items() if value is not None}
        return await self.server.post(self.path(), sent, key=key or self.tenant.token, headers=headers or {})

    async def issued(self, **fields: Any) -> dict[str, Any]:
        reply = await self.issue(**fields)
        assert reply.status == 201, reply.body
        return reply.json()["data"]["credential"]

    async def act(self, credential: str, verb: str, body: object = None) -> Reply:
        path = self.path(credential, verb)
        return await self.server.request("POST", path, body, key=self.tenant.token)

    async def get(self, *rest: str, query: str = "") -> Reply:
        return await self.server.get(self.path(*rest) + query, key=self.tenant.token)

    async def audited(self, entity: str) -> list[dict[str, Any]]:
        reply = await self.server.get(f"/v1/audit?entity_id={entity}", key=self.tenant.token)
        return reply.json()["data"]


async def make_desk(server: GatewayServer, *, mode: KeyMode = KeyMode.LIVE, **agent: Any) -> Desk:
    tenant = await make_tenant(server.storage, scopes=SCOPES, mode=mode)
    return Desk(server, tenant, await make_agent(server.storage, tenant.org, **agent))


async def test_a_credential_is_issued_with_its_token_and_never_shows_that_again(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)

    reply = await desk.issue()

    assert reply.status == 201
    made, token = reply.json()["data"]["credential"], reply.json()["data"]["token"]
    assert token.startswith("hasp_agent_")
    assert token.endswith(made["last_four"])
    assert (made["status"], made["mode"], made["granted_scopes"]) == ("active", "live", [LOOKUP])
    assert (made["delegating_user"], made["delegation_path"], made["parent_id"]) == ("j.reyes", [], None)
    assert (made["max_concurrent_invocations"], made["revocation_policy"]) == (10, "kill")
    assert made["issued_by"] == f"key:{desk.tenant.key.id}"
    shown = await desk.get(made["id"])
    assert shown.json()["data"]["credential"] == made
    assert token not in str((shown.body, (await desk.get()).body))
    kept = await fetch(
        gateway_server.storage.pool, "select c::text from agent_credentials c where id = %s", [made["id"]]
    )
    assert token not in kept[0][0]


async def test_issuing_is_audited_and_told(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)

    made = await desk.issued()

    [entry] = await desk.audited(made["id"])
    assert (entry["action"], entry["actor"]) == ("agent_credential.issued", f"key:{desk.tenant.key.id}")
    assert entry["metadata"] == {
        "agent_id": desk.agent,
        "delegation_path": [],
        "delegating_user": "j.reyes",
        "mode": "live",
        "scope_types": ["external.tool.invoke"],
        "max_concurrent_invocations": 10,
        "expires_at": made["expires_at"],
    }
    assert (await told(gateway_server.storage, desk.tenant))[-1] == (
        "agent.credential_issued",
        {"agent_id": desk.agent, "credential_id": made["id"], "expires_at": made["expires_at"]},
    )


async def test_what_is_not_said_is_the_agent_s_and_what_is_said_holds(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=700)

    usual = await desk.issued()
    said = await desk.issued(
        expires_at=ends.isoformat(), revocation_policy="drain", max_concurrent_invocations=1, mode="test"
    )

    life = datetime.fromisoformat(usual["expires_at"]) - datetime.fromisoformat(usual["created_at"])
    assert abs(life - timedelta(hours=8)) < timedelta(seconds=5)
    assert (said["expires_at"], said["revocation_policy"]) == (ends.isoformat(), "drain")
    assert (said["max_concurrent_invocations"], said["mode"], said["prefix"]) == (1, "test", "hasp_agent_test_")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"name": "x"}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "Shift "}, "name"),
        ({"name": "\u200b\u200b"}, "name"),
        ({"name": None}, "name"),
        ({"description": f"{CANARY}\n"}, "description"),
        ({"granted_scopes": []}, "granted_scopes"),
        ({"granted_scopes": [{"type": CANARY}]}, "granted_scopes[0].type"),
        ({"granted_scopes": [LOOKUP | {CANARY: 1}]}, "granted_scopes[0]"),
        ({"granted_scopes": [LOOKUP | {"constraints": {"x": "{{me}}"}}]}, "granted_scopes[0].constraints"),
        ({"delegating_user": None}, "delegating_user"),
        ({"delegating_user": f"{CANARY} {CANARY}"}, "delegating_user"),
        ({"expires_at": "2026-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2999-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": 1}, "expires_at"),
        ({"revocation_policy": CANARY}, "revocation_policy"),
        ({"max_concurrent_invocations": 0}, "max_concurrent_invocations"),
        ({"max_concurrent_invocations": 1001}, "max_concurrent_invocations"),
        ({"mode": CANARY}, "mode"),
        ({CANARY: 1}, None),
    ],
)
async def test_a_bad_wish_is_answered_with_its_field(
    gateway_server: GatewayServer, fields: dict[str, Any], param: str | None
) -> None:
    desk = await make_desk(gateway_server)

    reply = await desk.issue(**fields)

    assert (reply.status, reply.json()["error"].get("param")) == (422, param), reply.body
    assert CANARY.encode() not in reply.body


async def test_a_type_that_the_agent_may_not_have_is_named(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    await fetch(
        gateway_server.storage.pool,
        "update agents set allowed_scope_types = array['human.escalate'] where id = %s returning 1",
        [desk.agent],
    )

    reply = await desk.issue()

    assert (reply.status, reply.json()["error"]["param"]) == (422, "granted_scopes[0].type")


async def test_a_key_needs_the_scope_and_a_test_key_stays_among_test_credentials(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    reader = await make_tenant(gateway_server.storage)
    sandboxed = await make_desk(gateway_server, mode=KeyMode.TEST)
    live = await make_credential(gateway_server.storage, sandboxed.tenant.org, sandboxed.agent)

    assert (await desk.issue(key=reader.token)).json()["error"]["details"] == {"required_scope": "control:write"}
    assert (await sandboxed.issued())["mode"] == "test"
    for reply in (
        await sandboxed.issue(mode="live"),
        await sandboxed.act(live.id, "revoke"),
        await sandboxed.act(live.id, "rotate"),
    ):
        assert (reply.status, reply.json()["error"]["param"]) == (422, "mode")
    assert (await sandboxed.get(live.id)).json()["data"]["credential"]["status"] == "active"


async def test_nobody_is_given_a_credential_without_an_agreement(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, scopes=SCOPES, agreement=False)
    agent = await make_agent(gateway_server.storage, tenant.org)
    grants = (ExternalToolInvoke("lookup_appointment"), AgentDelegate(agent))
    parent = await make_credential(gateway_server.storage, tenant.org, agent, grants=grants)
    desk = Desk(gateway_server, tenant, agent)

    replies = [await desk.issue(), await desk.issue(key=parent.token)]

    assert [(reply.status, reply.json()["error"]["code"]) for reply in replies] == [(402, "BAA_REQUIRED")] * 2
    assert [each["id"] for each in (await desk.get()).json()["data"]] == [parent.id]
    assert (await desk.act(parent.id, "revoke", {})).status == 200


async def test_another_organisation_s_agents_and_credentials_are_not_there(gateway_server: GatewayServer) -> None:
    desk, other = await make_desk(gateway_server), await make_desk(gateway_server)
    made = await other.issued()
    foreign = Desk(gateway_server, desk.tenant, other.agent)

    replies = [
        await foreign.issue(),
        await foreign.get(),
        await foreign.get(made["id"]),
        await foreign.act(made["id"], "revoke"),
        await foreign.act(made["id"], "rotate"),
        await desk.act(made["id"], "revoke"),
        await desk.get(new_ulid()),
        await desk.get("nobody"),
    ]

    assert [reply.status for reply in replies] == [404] * len(replies)
    assert (await other.get(made["id"])).json()["data"]["credential"]["status"] == "active"


async def test_a_credential_of_another_agent_is_not_revoked_under_this_one(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    other = Desk(gateway_server, desk.tenant, await make_agent(gateway_server.storage, desk.tenant.org))
    made = await other.issued()

    assert (await desk.act(made["id"], "revoke")).status == 404

    assert (await other.get(made["id"])).json()["data"]["credential"]["status"] == "active"


async def test_an_archived_agent_is_given_nothing(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    await fetch(
        gateway_server.storage.pool,
        "update agents set status = 'archived', archived_at = now(), epoch = 1 where id = %s returning 1",
        [desk.agent],
    )

    reply = await desk.issue()

    assert (reply.status, reply.json()["error"]["code"]) == (409, "AGENT_ARCHIVED")


async def test_the_list_is_of_active_credentials_unless_it_is_asked_for_others(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    kept, lost, turned = [(await desk.issued())["id"] for _ in range(3)]
    await desk.act(lost, "revoke")
    successor = (await desk.act(turned, "rotate", {"overlap_seconds": 0})).json()["data"]["credential"]["id"]

    async def ids(query: str) -> list[str]:
        return [each["id"] for each in (await desk.get(query=query)).json()["data"]]

    assert await ids("") == await ids("?status=active") == sorted([kept, successor], reverse=True)
    assert await ids("?status=revoked") == [lost]
    assert await ids("?status=expired") == [turned]
    assert len(await ids("?status=all")) == 4
    assert (await desk.get(query="?status=gone")).status == 422
    first = (await desk.get(query="?status=all&limit=3")).json()
    rest = await ids(f"?status=all&limit=3&cursor={first['meta']['next_cursor']}")
    assert len({*rest, *(each["id"] for each in first["data"])}) == 4


async def test_a_rotation_shows_the_successor_s_token_once_and_when_the_old_one_ends(
    gateway_server: GatewayServer,
) -> None:
    desk = await make_desk(gateway_server)
    old = await desk.issued()

    reply = await desk.act(old["id"], "rotate")

    assert reply.status == 201
    data = reply.json()["data"]
    new = data["credential"]
    same = ("granted_scopes", "expires_at", "delegating_user", "delegation_path", "mode", "name")
    assert {name: new[name] for name in same} == {name: old[name] for name in same}
    assert (new["replaces"], new["retires_at"]) == (old["id"], None)
    ends = datetime.fromisoformat(data["replaced"]["retires_at"])
    assert abs(ends - datetime.now(UTC) - timedelta(hours=1)) < timedelta(seconds=30)
    entries = [entry["action"] for entry in await desk.audited(old["id"])]
    assert entries == ["agent_credential.rotated", "agent_credential.issued"]
    assert [event for event, _ in await told(gateway_server.storage, desk.tenant)][-2:] == [
        "agent.credential_rotated",
        "agent.credential_issued",
    ]
    again = await desk.act(old["id"], "rotate")
    assert (again.status, again.json()["error"]["code"]) == (409, "AGENT_CREDENTIAL_ALREADY_ROTATED")


@pytest.mark.parametrize("seconds", [-1, 604_801, 1.5, "1", None])
async def test_an_overlap_is_up_to_a_week(gateway_server: GatewayServer, seconds: object) -> None:
    desk = await make_desk(gateway_server)
    old = await desk.issued()

    reply = await desk.act(old["id"], "rotate", {"overlap_seconds": seconds})

    assert (reply.status, reply.json()["error"]["param"]) == (422, "overlap_seconds")


async def test_a_revocation_is_told_with_what_goes_along_and_repeated_unchanged(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    storage, org = gateway_server.storage, desk.tenant.org
    root = await make_credential(storage, org, desk.agent)
    child = await make_credential(storage, org, parent=root)
    below = await make_credential(storage, org, parent=child)

    first = await desk.act(root.id, "revoke", {"reason": "shift_over"})
    again = await desk.act(root.id, "revoke", {"reason": "another"})

    assert (first.status, again.status) == (200, 200)
    data = first.json()["data"]
    assert data == again.json()["data"]
    assert (data["credential"]["status"], data["credential"]["revocation_reason"]) == ("revoked", "shift_over")
    assert sorted(data["cascade_revoked_credential_ids"]) == sorted([child.id, below.id])
    assert (data["cascade"]["state"], data["cascade"]["irrevocable"]) == ("running", 0)
    refused = await desk.act(root.id, "rotate")
    assert (refused.status, refused.json()["error"]["code"]) == (409, "AGENT_CREDENTIAL_ENDED")


async def test_the_same_request_issues_once_and_shows_its_token_again(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    headers = {"idempotency-key": new_ulid()}

    replies = await asyncio.gather(*(desk.issue(headers=headers) for _ in range(4)))

    assert [reply.status for reply in replies] == [201] * 4
    assert len({reply.body for reply in replies}) == 1
    made = replies[0].json()["data"]["credential"]["id"]
    actions = [entry["action"] for entry in await desk.audited(made)]
    assert actions == ["agent_credential.shown_again"] * 3 + ["agent_credential.issued"]
    assert len((await desk.get()).json()["data"]) == 1
    other = await desk.issue(headers=headers, name="Day shift")
    assert (other.status, other.json()["error"]["code"]) == (409, "IDEMPOTENCY_CONFLICT")
