"""Agents over real HTTP: registered, listed, changed, archived, reactivated, and by whom."""

import asyncio
from typing import Any

import pytest

from gateway.ids import AgentId, CredentialId, new_ulid
from gateway.tenancy import KeyMode, Scope
from storage.pool import fetch
from tests.agents import make_agent, make_credential
from tests.api.test_control_plane import told
from tests.gateway_server import GatewayServer, Reply
from tests.tenants import Tenant, make_tenant

UNKNOWN = "01K0B6W4M7RT2V9YQ3X5ZC8D1E"

CANARY = "Quillfeather"
NEW: dict[str, Any] = {"name": "Triage", "default_expiry_hours": 8, "default_revocation_policy": "kill"}
HAIKU = "claude-haiku-4-5"


class Desk:
    """An organisation's key, and what it asks of agents."""

    def __init__(self, server: GatewayServer, tenant: Tenant) -> None:
        self.server, self.tenant = server, tenant

    async def send(self, method: str, rest: str = "", body: object = None, **headers: str) -> Reply:
        return await self.server.request(method, f"/v1/agents{rest}", body, key=self.tenant.token, headers=headers)

    async def make(self, **fields: Any) -> dict[str, Any]:
        made = await self.send("POST", body=NEW | fields)
        assert made.status == 201, made.body
        return made.json()["data"]["agent"]

    async def shown(self, agent: str) -> dict[str, Any]:
        return (await self.send("GET", f"/{agent}")).json()["data"]["agent"]

    async def names(self, query: str = "") -> list[str]:
        return [each["name"] for each in (await self.send("GET", query)).json()["data"]]

    async def audited(self, agent: str) -> list[dict[str, Any]]:
        """Oldest first."""
        reply = await self.server.get(f"/v1/audit?entity_id={agent}", key=self.tenant.token)
        return reply.json()["data"][::-1]

    async def events(self) -> list[str]:
        """Those of agents that webhooks hear of."""
        types = [kind for kind, _ in await told(self.server.storage, self.tenant)]
        return [kind for kind in types if kind.startswith("agent.") and kind != "agent.cascade_begun"]


async def make_desk(server: GatewayServer, *, mode: KeyMode = KeyMode.LIVE, scopes: tuple[Scope, ...] = ()) -> Desk:
    return Desk(
        server,
        await make_tenant(server.storage, scopes=scopes or (Scope.CONTROL_READ, Scope.CONTROL_WRITE), mode=mode),
    )


def refusal(reply: Reply) -> tuple[int, str, str | None]:
    error: dict[str, Any] = reply.json()["error"]
    return reply.status, error["code"], error.get("param")


async def test_an_agent_is_registered_and_shown_with_all_that_was_sent(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    wanted = NEW | {
        "description": "Sorts what comes in at night.",
        "owner": "j.reyes@mercy.example",
        "capabilities": ["summarize", "translate"],
        "allowed_scope_types": ["external.tool.invoke"],
        "allowed_models": [HAIKU],
        "credit_cap": 50_000,
    }

    made = await desk.send("POST", body=wanted)
    agent = made.json()["data"]["agent"]
    shown = await desk.send("GET", f"/{agent['id']}")

    assert (made.status, made.headers["etag"], shown.headers["etag"]) == (201, '"1"', '"1"')
    assert {name: agent[name] for name in wanted} == wanted
    assert (agent["status"], agent["archived_at"], agent["credits_used"]) == ("active", None, 0)
    assert agent["created_at"] == agent["updated_at"]
    assert shown.json()["data"] == {"agent": agent}
    assert (await desk.send("GET")).json()["data"] == [agent]
    assert await desk.events() == ["agent.created"]


async def test_what_is_not_sent_is_not_restricted(gateway_server: GatewayServer) -> None:
    agent = await (await make_desk(gateway_server)).make()

    left_out = ("description", "owner", "allowed_scope_types", "allowed_models", "credit_cap")
    assert [agent[name] for name in left_out] == [None] * 5
    assert agent["capabilities"] == []


async def test_a_model_is_kept_by_its_id_whatever_name_was_sent(gateway_server: GatewayServer) -> None:
    agent = await (await make_desk(gateway_server)).make(allowed_models=["claude-haiku-4-5-20251001", HAIKU])

    assert agent["allowed_models"] == [HAIKU]


async def test_two_who_ask_for_one_name_at_once_make_one_agent(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)

    replies = await asyncio.gather(
        *(desk.send("POST", body=NEW | {"name": name}) for name in ("Triage", "TRIAGE", "triage", "tRIAGE"))
    )

    assert sorted(reply.status for reply in replies) == [201, 409, 409, 409]
    refused = [reply for reply in replies if reply.status == 409]
    assert {refusal(each) for each in refused} == {(409, "AGENT_NAME_TAKEN", "name")}
    assert all(b"riage" not in each.body.lower() for each in refused)
    assert len(await desk.names()) == 1


async def test_names_that_look_alike_are_one_name(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    composed, apart = "\u00c9mile", "e\u0301mile"

    made = await desk.make(name=composed)
    refused = await desk.send("POST", body=NEW | {"name": apart})
    renamed = await desk.send("PATCH", f"/{made['id']}", {"name": apart})

    assert refusal(refused) == (409, "AGENT_NAME_TAKEN", "name")
    assert renamed.json()["data"]["agent"]["name"] == "\u00e9mile"


async def test_a_name_is_free_for_another_organization_and_after_a_change(gateway_server: GatewayServer) -> None:
    desk, other = await make_desk(gateway_server), await make_desk(gateway_server)
    first, second = await desk.make(), await desk.make(name="Appointments")
    await other.make()

    taken = await desk.send("PATCH", f"/{second['id']}", {"name": "TRIAGE"})
    own = await desk.send("PATCH", f"/{first['id']}", {"name": "TRIAGE"})
    await desk.send("POST", f"/{first['id']}/archive")
    archived = await desk.send("PATCH", f"/{second['id']}", {"name": "triage"})
    await desk.send("PATCH", f"/{first['id']}", {"name": "Triage of old"})
    free = await desk.send("PATCH", f"/{second['id']}", {"name": "triage"})

    for refused in (taken, archived):
        assert refusal(refused) == (409, "AGENT_NAME_TAKEN", "name")
    assert (own.status, free.status) == (200, 200)


async def test_what_is_changed_is_kept_versioned_audited_and_told(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    agent = await desk.make(name=CANARY, description=CANARY, capabilities=[CANARY])
    path = f"/{agent['id']}"
    other = {
        "name": f"{CANARY} the second",
        "description": None,
        "owner": "j.reyes",
        "capabilities": [],
        "default_expiry_hours": 720,
        "default_revocation_policy": "drain",
        "allowed_scope_types": [],
        "allowed_models": [HAIKU],
        "credit_cap": 0,
    }

    changed = await desk.send("PATCH", path, other, **{"if-match": '"1"'})
    stale = await desk.send("PATCH", path, other, **{"if-match": '"1"'})
    same = await desk.send("PATCH", path, other)

    assert {name: changed.json()["data"]["agent"][name] for name in other} == other
    assert (changed.headers["etag"], same.headers["etag"]) == ('"2"', '"2"')
    assert refusal(stale)[:2] == (412, "PRECONDITION_FAILED")
    assert await desk.events() == ["agent.created", "agent.updated"]
    created, updated, *_ = await desk.audited(agent["id"])
    assert (created["action"], updated["action"]) == ("agent.created", "agent.updated")
    assert CANARY not in str([created, updated])
    assert updated["metadata"]["changed"] == sorted(other)
    assert updated["metadata"]["after"]["credit_cap"] == 0
    assert updated["metadata"]["before"]["allowed_scope_types"] is None


async def test_null_takes_what_restricts_away(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    bounds = {"owner": "j.reyes", "allowed_scope_types": ["agent.delegate"], "allowed_models": [HAIKU], "credit_cap": 5}
    agent = await desk.make(**bounds)

    freed = await desk.send("PATCH", f"/{agent['id']}", dict.fromkeys(bounds))

    assert [freed.json()["data"]["agent"][name] for name in bounds] == [None] * len(bounds)


async def test_an_archived_agent_is_listed_only_where_it_is_asked_for(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    await desk.make(name="Active")
    gone = await desk.make(name="Archived")
    await desk.send("POST", f"/{gone['id']}/archive")

    assert await desk.names() == ["Active"]
    assert await desk.names("?status=active") == ["Active"]
    assert await desk.names("?status=archived") == ["Archived"]
    assert await desk.names("?status=all") == ["Archived", "Active"]


async def test_a_page_of_agents_leads_to_the_next(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    made = [(await desk.make(name=f"Agent {number}"))["id"] for number in range(3)]

    first = (await desk.send("GET", "?limit=2")).json()
    rest = (await desk.send("GET", f"?limit=2&cursor={first['meta']['next_cursor']}")).json()

    assert [each["id"] for each in first["data"] + rest["data"]] == made[::-1]
    assert (first["meta"]["has_more"], rest["meta"]["has_more"]) == (True, False)


async def test_archiving_tells_what_goes_along_and_again_the_same(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    agent = AgentId((await desk.make())["id"])
    root = await make_credential(gateway_server.storage, desk.tenant.org, agent)
    child = await make_credential(gateway_server.storage, desk.tenant.org, parent=root)

    archived = (await desk.send("POST", f"/{agent}/archive")).json()["data"]
    again = await desk.send("POST", f"/{agent}/archive")

    assert archived["agent"]["status"] == "archived"
    assert archived["agent"]["archived_at"] == archived["agent"]["updated_at"]
    assert sorted(archived["cascade_revoked_credential_ids"]) == sorted([root.id, child.id])
    assert archived["cascade"]["pending"] == 2
    assert (again.status, again.json()["data"]) == (200, archived)
    assert await desk.events() == ["agent.created", "agent.archived"]
    first, second = (each for each in await desk.audited(agent) if each["action"] == "agent.archived")
    assert sorted(first["metadata"]["cascade_revoked_credential_ids"]) == sorted([root.id, child.id])
    assert second["metadata"] == {"again": True}


async def test_two_who_archive_at_once_begin_one_cascade(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    agent = await desk.make()

    replies = await asyncio.gather(*(desk.send("POST", f"/{agent['id']}/archive") for _ in range(4)))

    assert [reply.status for reply in replies] == [200] * 4
    assert len({reply.json()["data"]["cascade"]["id"] for reply in replies}) == 1
    assert await desk.events() == ["agent.created", "agent.archived"]


async def test_a_reactivated_agent_is_as_it_was_without_its_credentials(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    agent = await desk.make(description="Sorts", credit_cap=5)
    before = await make_credential(gateway_server.storage, desk.tenant.org, AgentId(agent["id"]))
    await desk.send("POST", f"/{agent['id']}/archive")

    back = await desk.send("POST", f"/{agent['id']}/reactivate")
    again = await desk.send("POST", f"/{agent['id']}/reactivate")
    after = await make_credential(gateway_server.storage, desk.tenant.org, AgentId(agent["id"]))

    shown = back.json()["data"]["agent"]
    assert shown == agent | {"updated_at": shown["updated_at"]}
    assert (again.status, again.body.partition(b'"meta"')[0]) == (200, back.body.partition(b'"meta"')[0])
    assert again.headers["etag"] == back.headers["etag"] == '"3"'
    assert await desk.events() == ["agent.created", "agent.archived", "agent.reactivated"]
    assert await active(desk, before.token) is False
    assert await active(desk, after.token) is True
    assert [each["metadata"] for each in (await desk.audited(agent["id"]))[-2:]] == [{}, {"again": True}]


async def active(desk: Desk, token: str) -> bool:
    known = await desk.server.storage.introspection.find(desk.tenant.org, token)
    assert known is not None
    return known.is_usable


async def test_a_second_archiving_begins_a_cascade_of_its_own(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    agent = AgentId((await desk.make())["id"])
    first = (await desk.send("POST", f"/{agent}/archive")).json()["data"]["cascade"]["id"]
    await desk.send("POST", f"/{agent}/reactivate")
    credential = await make_credential(gateway_server.storage, desk.tenant.org, agent)

    second = (await desk.send("POST", f"/{agent}/archive")).json()["data"]

    assert second["cascade"]["id"] != first
    assert second["cascade_revoked_credential_ids"] == [CredentialId(credential.id)]


async def test_asking_twice_under_one_name_is_done_once(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    named = {"idempotency-key": "agent-1"}

    first = await desk.send("POST", body=NEW, **named)
    again = await desk.send("POST", body=NEW, **named)
    other = await desk.send("POST", body=NEW | {"name": "Another"}, **named)

    assert (again.status, again.body, again.headers["etag"]) == (201, first.body, '"1"')
    assert again.headers["idempotent-replayed"] == "true"
    assert refusal(other)[:2] == (409, "IDEMPOTENCY_CONFLICT")
    assert await desk.names() == ["Triage"]


async def test_an_archiving_that_is_asked_again_by_name_leaves_the_reactivated_agent_alone(
    gateway_server: GatewayServer,
) -> None:
    desk = await make_desk(gateway_server)
    agent, named = (await desk.make())["id"], {"idempotency-key": "archive-1"}

    first = await desk.send("POST", f"/{agent}/archive", **named)
    await desk.send("POST", f"/{agent}/reactivate")
    again = await desk.send("POST", f"/{agent}/archive", **named)

    assert again.body == first.body
    assert (await desk.shown(agent))["status"] == "active"


@pytest.mark.parametrize("cap", [7, None])
async def test_a_changed_cap_holds_in_the_period_that_runs_and_in_later_ones(
    gateway_server: GatewayServer, cap: int | None
) -> None:
    desk = await make_desk(gateway_server)
    agent = await desk.make(credit_cap=500)
    own, of_another = f"agent:{agent['id']}", f"agent:{new_ulid()}"
    await fetch(
        gateway_server.storage.pool,
        "insert into credit_accounts (org_id, period_start, holder, period_end, allotment, spend_cap, posted)"
        " select %s, now() + n * interval '1 day', holder, now() + (n + 1) * interval '1 day',"
        " case holder when 'organization' then 1000 end, 500, 3"
        " from unnest(array[-1.5, -0.5, 0.5]) n, unnest(array['organization', %s, %s]) holder returning 1",
        [desk.tenant.org, own, of_another],
    )

    changed = await desk.send("PATCH", f"/{agent['id']}", {"credit_cap": cap})

    caps = await fetch(
        gateway_server.storage.pool,
        "select holder = %s as is_own, array_agg(spend_cap order by period_start) from credit_accounts"
        " where org_id = %s group by is_own order by is_own",
        [own, desk.tenant.org],
    )
    assert caps == [(False, [500] * 6), (True, [500, cap, cap])]
    assert changed.json()["data"]["agent"]["credits_used"] == 3


ROUTES: list[tuple[str, str, object]] = [
    ("GET", "", None),
    ("PATCH", "", {"credit_cap": 1}),
    ("POST", "/archive", None),
    ("POST", "/reactivate", None),
]


@pytest.mark.parametrize(("method", "suffix", "body"), ROUTES)
async def test_an_agent_of_others_or_of_nobody_is_not_there(
    gateway_server: GatewayServer, method: str, suffix: str, body: object
) -> None:
    owner, stranger = await make_desk(gateway_server), await make_desk(gateway_server)
    agent = await owner.make()

    replies = [await stranger.send(method, f"/{id_}{suffix}", body) for id_ in (agent["id"], new_ulid(), "nonsense")]

    assert [refusal(reply) for reply in replies] == [(404, "RESOURCE_NOT_FOUND", "agent_id")] * 3
    assert len({reply.json()["error"]["message"] for reply in replies}) == 1
    assert await owner.shown(agent["id"]) == agent


WRITING = [("POST", "", NEW), *((method, f"/{UNKNOWN}{rest}", body) for method, rest, body in ROUTES[1:])]


@pytest.mark.parametrize(("method", "rest", "body"), WRITING)
async def test_who_only_reads_or_has_a_test_key_changes_no_agent(
    gateway_server: GatewayServer, method: str, rest: str, body: object
) -> None:
    reader = await make_desk(gateway_server, scopes=(Scope.AI_CHAT, Scope.CONTROL_READ))
    tester = await make_desk(gateway_server, mode=KeyMode.TEST)

    for desk in (reader, tester):
        assert refusal(await desk.send(method, rest, body))[:2] == (403, "MISSING_SCOPE")
        assert (await desk.send("GET")).status == 200


@pytest.mark.parametrize(("method", "suffix", "body"), [("GET", "", None), *ROUTES])
async def test_an_agent_s_own_token_reaches_no_agent(
    gateway_server: GatewayServer, method: str, suffix: str, body: object
) -> None:
    desk = await make_desk(gateway_server)
    agent = await make_agent(gateway_server.storage, desk.tenant.org)
    token = (await make_credential(gateway_server.storage, desk.tenant.org, agent)).token

    for key in (token, None):
        reply = await gateway_server.request(method, f"/v1/agents/{agent}{suffix}", body, key=key)
        assert reply.status == (403 if key else 401)
    assert (await desk.shown(agent))["status"] == "active"
