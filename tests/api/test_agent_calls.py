"""What an agent asks of models with its credential, over real HTTP: its tools, its models, its credits, its records."""

from typing import Any

import pytest

from gateway.agents.grants import ExternalToolInvoke, ToolInvoke
from gateway.ids import AgentId, find_ulid, new_ulid
from gateway.inference.records import AuditRecord
from gateway.tenancy import KeyMode, Scope
from storage.agents.revocation import archive, revoke
from storage.pool import fetch
from tests.agents import MadeCredential, make_agent, make_credential
from tests.api.test_refusals import entries_of
from tests.gateway_server import GatewayServer, Reply
from tests.storage.test_proof import found as discrepancies
from tests.tenants import Tenant, make_tenant

MODEL, OTHER_MODEL = "claude-haiku-4-5", "claude-sonnet-4-6"
TOOL: dict[str, Any] = {
    "name": "find_slot",
    "input_schema": {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]},
}
CANARY = "Quillfeather"
FIND_SLOT = ExternalToolInvoke("find_slot")
SURFACES = ("/v1/messages", "/v1/ai/chat")


def body(text: str = "Tuesday", *tools: dict[str, Any], **more: Any) -> dict[str, Any]:
    asked = {"model": MODEL, "max_tokens": 200, "messages": [{"role": "user", "content": text}], "stream": False}
    return asked | ({"tools": [*tools]} if tools else {}) | more


def code_of(reply: Reply) -> str:
    return reply.json()["error"]["code"]


async def entry_of(server: GatewayServer, tenant: Tenant, reply: Reply) -> AuditRecord:
    [entry] = await entries_of(server, tenant.org, reply)
    return entry


async def row_of(server: GatewayServer, reply: Reply, columns: str, table: str = "inferences") -> tuple[Any, ...]:
    asked = find_ulid(reply.headers["x-request-id"], "req_")
    query: Any = f"select {columns} from {table} where id = %s"
    [row] = await fetch(server.storage.pool, query, [asked])
    return row


@pytest.mark.parametrize("surface", SURFACES)
async def test_what_an_agent_does_is_recorded_under_agent_credential_path_and_user(
    gateway_server: GatewayServer, surface: str
) -> None:
    storage, tenant = gateway_server.storage, await make_tenant(gateway_server.storage)
    parent = await make_credential(storage, tenant.org, grants=(FIND_SLOT,))
    child = await make_credential(storage, tenant.org, parent=parent, grants=(FIND_SLOT,))

    reply = await gateway_server.post(surface, body(), key=child.token)

    assert reply.status == 200, reply.body
    whose = "key_id, agent_id, credential_id, delegation_path, delegating_user"
    assert await row_of(gateway_server, reply, whose) == (None, child.agent, child.id, [parent.id], "j.reyes")
    assert await row_of(gateway_server, reply, "key_id, agent_id", "usage_records") == (None, child.agent)
    entry = await entry_of(gateway_server, tenant, reply)
    assert (entry.action, entry.actor) == ("ai.request.completed", f"agent:{child.agent}")
    under = ("credential_id", "delegation_path", "delegating_user")
    assert [entry.metadata[name] for name in under] == [child.id, [parent.id], "j.reyes"]
    [(data,)] = await fetch(
        storage.pool, "select data from outbox where org_id = %s and type = 'ai.request.completed'", [tenant.org]
    )
    assert (data["key_id"], data["agent_id"], data["credential_id"]) == (None, child.agent, child.id)


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_granted_tool_is_offered_and_used(gateway_server: GatewayServer, surface: str, *, stream: bool) -> None:
    tenant = await make_tenant(gateway_server.storage)
    credential = await make_credential(gateway_server.storage, tenant.org, grants=(FIND_SLOT, ToolInvoke("bash")))
    tools = (TOOL, {"type": "bash_20250124", "name": "bash"})

    reply = await gateway_server.post(
        surface, body("[[sandbox: tool=find_slot]] Tuesday", *tools, stream=stream), key=credential.token
    )

    assert reply.status == 200, reply.body
    assert b"find_slot" in reply.body


@pytest.mark.parametrize("surface", [*SURFACES, "/v1/messages/count_tokens"])
@pytest.mark.parametrize(
    ("tools", "param"),
    [
        ([TOOL, TOOL | {"name": CANARY}], "tools[1].name"),
        ([{"type": "bash_20250124", "name": "bash"}], "tools[0].name"),
        ([{"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"}], "tools[0].name"),
    ],
    ids=["the caller's own", "bash", "the editor"],
)
async def test_a_tool_outside_the_grants_is_refused_before_the_agreement_and_named_by_its_place(
    gateway_server: GatewayServer, surface: str, tools: list[dict[str, Any]], param: str
) -> None:
    tenant = await make_tenant(gateway_server.storage, agreement=False)
    credential = await make_credential(gateway_server.storage, tenant.org, grants=(FIND_SLOT,))
    asked = body("Tuesday", *tools)
    if surface.endswith("count_tokens"):
        asked = {name: asked[name] for name in ("model", "messages", "tools")}

    reply = await gateway_server.post(surface, asked, key=credential.token)

    error = reply.json()["error"]
    assert (reply.status, error["code"], error["param"]) == (403, "TOOL_NOT_IN_SCOPE", param)
    assert CANARY not in reply.body.decode()
    entry = await entry_of(gateway_server, tenant, reply)
    assert (entry.actor, entry.metadata["gate"]) == (f"agent:{credential.agent}", "scope")
    assert (entry.metadata["error_code"], entry.metadata["credential_id"]) == ("TOOL_NOT_IN_SCOPE", credential.id)
    assert CANARY not in str(entry.metadata)


@pytest.mark.parametrize("surface", [*SURFACES, "/v1/messages/count_tokens"])
async def test_an_agent_needs_the_agreement_as_a_key_does(gateway_server: GatewayServer, surface: str) -> None:
    tenant = await make_tenant(gateway_server.storage, agreement=False)
    credential = await make_credential(gateway_server.storage, tenant.org)
    asked = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}

    reply = await gateway_server.post(
        surface, asked if surface.endswith("tokens") else asked | {"max_tokens": 5}, key=credential.token
    )

    assert (reply.status, code_of(reply)) == (402, "BAA_REQUIRED")


@pytest.mark.parametrize("surface", SURFACES)
async def test_a_tool_that_the_model_invents_is_withheld_and_charged(
    gateway_server: GatewayServer, surface: str
) -> None:
    tenant = await make_tenant(gateway_server.storage)
    credential = await make_credential(gateway_server.storage, tenant.org, grants=(FIND_SLOT,))

    reply = await gateway_server.post(
        surface, body("[[sandbox: invents=delete_slot]] Tuesday", TOOL), key=credential.token
    )

    assert (reply.status, code_of(reply)) == (403, "TOOL_NOT_IN_SCOPE")
    assert b"delete_slot" not in reply.body
    assert await row_of(gateway_server, reply, "status, error_code") == ("failed", "TOOL_NOT_IN_SCOPE")
    assert (await row_of(gateway_server, reply, "credits", "usage_records"))[0] > 0
    entry = await entry_of(gateway_server, tenant, reply)
    assert (entry.metadata["gate"], entry.metadata["error_code"]) == ("scope", "TOOL_NOT_IN_SCOPE")
    assert "answer.withheld" in entry.metadata["compliance_events"]  # pyright: ignore[reportOperatorIssue]


@pytest.mark.parametrize("surface", SURFACES)
async def test_a_stream_ends_where_the_model_invents_a_tool(gateway_server: GatewayServer, surface: str) -> None:
    tenant = await make_tenant(gateway_server.storage)
    credential = await make_credential(gateway_server.storage, tenant.org, grants=(FIND_SLOT,))
    asked = body("[[sandbox: invents=delete_slot; delay_ms=5]] One two three", TOOL, stream=True)

    reply = await gateway_server.post(surface, asked, key=credential.token)

    assert b"delete_slot" not in reply.body
    last = reply.events[-1].data
    assert "TOOL_NOT_IN_SCOPE" in str(last) or "TOOL_NOT_IN_SCOPE" in str(reply.events[-2].data)
    assert await row_of(gateway_server, reply, "status, error_code") == ("failed", "TOOL_NOT_IN_SCOPE")
    assert (await row_of(gateway_server, reply, "credits", "usage_records"))[0] > 0


async def test_an_agent_calls_its_models_alone_and_is_shown_no_others(gateway_server: GatewayServer) -> None:
    storage, tenant = gateway_server.storage, await make_tenant(gateway_server.storage)
    agent = await make_agent(storage, tenant.org, allowed_models=(MODEL,))
    token = (await make_credential(storage, tenant.org, agent)).token

    refused = await gateway_server.post("/v1/messages", body(model=OTHER_MODEL), key=token)
    counted = await gateway_server.post(
        "/v1/messages/count_tokens", {"model": OTHER_MODEL, "messages": body()["messages"]}, key=token
    )
    listed = await gateway_server.get("/v1/models", key=token)

    assert (refused.status, code_of(refused)) == (403, "MODEL_NOT_ENABLED")
    assert (counted.status, code_of(counted)) == (403, "MODEL_NOT_ENABLED")
    assert [model["id"] for model in listed.json()["data"]] == [MODEL]
    assert (await gateway_server.get(f"/v1/models/{OTHER_MODEL}", key=token)).status == 404
    assert (await gateway_server.post("/v1/messages", body(), key=token)).status == 200
    assert (await entry_of(gateway_server, tenant, refused)).metadata["gate"] == "model"


async def test_an_agent_that_used_up_its_credits_is_refused_while_its_organisation_has_some(
    gateway_server: GatewayServer,
) -> None:
    storage, tenant = gateway_server.storage, await make_tenant(gateway_server.storage)
    agent = await make_agent(storage, tenant.org, credit_cap=1)
    token = (await make_credential(storage, tenant.org, agent)).token

    reply = await gateway_server.post("/v1/messages", body(), key=token)

    assert (reply.status, code_of(reply)) == (402, "AI_CREDITS_EXHAUSTED")
    assert reply.json()["error"]["details"]["reason"] == "agent_cap"
    assert (await gateway_server.post("/v1/messages", body(), key=tenant.token)).status == 200
    [(data,)] = await fetch(
        storage.pool, "select data from outbox where org_id = %s and type = 'credits.exhausted'", [tenant.org]
    )
    assert (data["reason"], data["agent_id"]) == ("agent_cap", agent)


async def test_nobody_gets_models_or_credits_by_handing_on(gateway_server: GatewayServer) -> None:
    storage, tenant = gateway_server.storage, await make_tenant(gateway_server.storage)
    first = await make_agent(storage, tenant.org, allowed_models=(MODEL,), credit_cap=1)
    parent = await make_credential(storage, tenant.org, first)
    child = await make_credential(storage, tenant.org, parent=parent)
    below = await make_credential(storage, tenant.org, parent=child)

    for each in (child, below):
        other = await gateway_server.post("/v1/messages", body(model=OTHER_MODEL), key=each.token)
        own = await gateway_server.post("/v1/messages", body(), key=each.token)

        assert (other.status, code_of(other)) == (403, "MODEL_NOT_ENABLED")
        assert (own.status, code_of(own)) == (402, "AI_CREDITS_EXHAUSTED")


async def test_what_was_handed_on_is_charged_to_every_agent_that_let_it_and_the_books_are_sound(
    gateway_server: GatewayServer,
) -> None:
    storage, tenant = gateway_server.storage, await make_tenant(gateway_server.storage)
    parent = await make_credential(storage, tenant.org)
    child = await make_credential(storage, tenant.org, parent=parent)
    again = await make_credential(storage, tenant.org, parent.agent, parent=child)

    for each in (parent, child, again):
        assert (await gateway_server.post("/v1/messages", body(), key=each.token)).status == 200

    rows = await fetch(
        storage.pool, "select holder, posted, pending from credit_accounts where org_id = %s", [tenant.org]
    )
    posted = {holder: (amount, pending) for holder, amount, pending in rows}
    whole, _ = posted["organization"]
    assert posted == {
        "organization": (whole, 0),
        f"agent:{parent.agent}": (whole, 0),
        f"agent:{child.agent}": (whole * 2 // 3, 0),
    }
    assert await discrepancies(storage, only=tenant.org) == []


async def test_uses_of_a_tool_are_counted_along_the_chain_and_run_out_for_all_of_it(
    gateway_server: GatewayServer,
) -> None:
    storage, tenant = gateway_server.storage, await make_tenant(gateway_server.storage)
    parent = await make_credential(storage, tenant.org, grants=(ExternalToolInvoke("find_slot", 2),))
    child = await make_credential(storage, tenant.org, parent=parent, grants=(ExternalToolInvoke("find_slot", 2),))
    sibling = await make_credential(storage, tenant.org, parent=parent, grants=(ExternalToolInvoke("find_slot", 1),))
    uses = body("[[sandbox: tool=find_slot; tools=2]] Tuesday", TOOL)
    assert (await gateway_server.post("/v1/messages", uses, key=child.token)).status == 200

    refused = [await gateway_server.post("/v1/messages", uses, key=each.token) for each in (child, sibling, parent)]

    assert [reply.status for reply in refused] == [429] * 3
    error = refused[0].json()["error"]
    assert (error["code"], error["details"]["limit"]) == ("RATE_LIMITED", "tool_hourly")
    assert 0 < int(refused[0].headers["retry-after"]) <= 3600
    assert (await gateway_server.post("/v1/messages", body(), key=child.token)).status == 200


async def test_an_agent_reads_and_continues_what_it_asked_itself_and_nothing_else(
    gateway_server: GatewayServer,
) -> None:
    storage, tenant = gateway_server.storage, await make_tenant(gateway_server.storage)
    agent = await make_agent(storage, tenant.org)
    own, successor = [await make_credential(storage, tenant.org, agent) for _ in range(2)]
    stranger = await make_credential(storage, tenant.org)
    asked = {"model": MODEL, "message": "Remember blue.", "stream": False}
    first = await gateway_server.post("/v1/ai/chat", asked, key=own.token)
    keys = await gateway_server.post("/v1/ai/chat", asked, key=tenant.token)
    thread = first.json()["data"]["conversation_id"]

    async def read(token: str, reply: Reply) -> int:
        asked_as = find_ulid(reply.headers["x-request-id"], "req_")
        return (await gateway_server.get(f"/v1/ai/messages/{asked_as}", key=token)).status

    async def continued(token: str, conversation: str) -> int:
        more = asked | {"message": "And now?", "conversation_id": conversation}
        return (await gateway_server.post("/v1/ai/chat", more, key=token)).status

    assert [await read(token, first) for token in (own.token, successor.token, stranger.token)] == [200, 200, 404]
    assert await read(tenant.token, first) == 200
    assert await read(own.token, keys) == 404
    assert [await continued(token, thread) for token in (successor.token, stranger.token)] == [200, 404]
    assert await continued(own.token, keys.json()["data"]["conversation_id"]) == 404


async def test_one_idempotency_key_of_two_credentials_is_not_one_request(gateway_server: GatewayServer) -> None:
    storage, tenant = gateway_server.storage, await make_tenant(gateway_server.storage)
    agent = await make_agent(storage, tenant.org)
    one, other = [await make_credential(storage, tenant.org, agent) for _ in range(2)]
    named = {"idempotency-key": new_ulid()}

    first, again, foreign = [
        await gateway_server.post("/v1/messages", body(), key=token, headers=named)
        for token in (one.token, one.token, other.token)
    ]

    assert (first.status, again.body) == (200, first.body)
    assert (foreign.status, code_of(foreign)) == (409, "IDEMPOTENCY_CONFLICT")


async def test_a_test_credential_reaches_the_sandbox_only(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    credential = await make_credential(gateway_server.storage, tenant.org, mode=KeyMode.TEST)

    reply = await gateway_server.post("/v1/messages", body(), key=credential.token)

    assert credential.token.startswith("hasp_agent_test_")
    assert (reply.status, reply.headers["hasp-upstream"]) == (200, "sandbox")
    assert await row_of(gateway_server, reply, "mode") == ("test",)


CONTROL_PLANE = [
    ("GET", "/v1/api_keys"),
    ("POST", "/v1/api_keys"),
    ("GET", "/v1/usage"),
    ("GET", "/v1/usage/budget"),
    ("PUT", "/v1/usage/budget"),
    ("GET", "/v1/audit"),
    ("POST", "/v1/audit/exports"),
    ("GET", "/v1/webhooks"),
    ("POST", "/v1/webhooks"),
    ("GET", "/v1/agents"),
    ("POST", "/v1/agents"),
    ("GET", "/v1/compliance/baa"),
]


@pytest.mark.parametrize(("method", "path"), CONTROL_PLANE)
async def test_the_control_plane_is_closed_to_agents(gateway_server: GatewayServer, method: str, path: str) -> None:
    tenant = await make_tenant(gateway_server.storage)
    credential = await make_credential(gateway_server.storage, tenant.org)

    reply = await gateway_server.request(method, path, {} if method != "GET" else None, key=credential.token)

    assert (reply.status, code_of(reply)) == (403, "MISSING_SCOPE")
    entry = await entry_of(gateway_server, tenant, reply)
    assert (entry.actor, entry.metadata["credential_id"]) == (f"agent:{credential.agent}", credential.id)


async def _revoked(server: GatewayServer, tenant: Tenant) -> MadeCredential:
    made = await make_credential(server.storage, tenant.org)
    async with server.storage.as_operator(tenant.org, command="test") as tx:
        await revoke(tx, made.id, reason="lost")
    return made


async def _below_a_revoked_one(server: GatewayServer, tenant: Tenant) -> MadeCredential:
    return await make_credential(server.storage, tenant.org, parent=await _revoked(server, tenant))


async def _archived(server: GatewayServer, tenant: Tenant) -> MadeCredential:
    made = await make_credential(server.storage, tenant.org)
    async with server.storage.as_operator(tenant.org, command="test") as tx:
        await archive(tx, AgentId(made.agent))
    return made


async def _expired(server: GatewayServer, tenant: Tenant) -> MadeCredential:
    made = await make_credential(server.storage, tenant.org)
    past = "update agent_credentials set created_at = now() - interval '2 h', expires_at = now() - interval '1 s'"
    await fetch(server.storage.pool, past + " where id = %s returning 1", [made.id])
    return made


ENDED = {"revoked": _revoked, "below": _below_a_revoked_one, "archived": _archived, "expired": _expired}


@pytest.mark.parametrize("how", ENDED)
@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/messages"), ("GET", "/v1/models"), ("GET", "/v1/usage")])
async def test_what_has_ended_is_let_in_nowhere_and_audited_under_its_agent(
    gateway_server: GatewayServer, how: str, method: str, path: str
) -> None:
    tenant = await make_tenant(gateway_server.storage)
    credential = await ENDED[how](gateway_server, tenant)

    reply = await gateway_server.request(method, path, body() if method == "POST" else None, key=credential.token)

    assert (reply.status, code_of(reply)) == (401, "INVALID_API_KEY")
    entry = await entry_of(gateway_server, tenant, reply)
    assert (entry.actor, entry.metadata["gate"]) == (f"agent:{credential.agent}", "api_key")
    assert entry.metadata["credential_id"] == credential.id


async def test_a_revocation_is_heard_by_who_had_let_the_credential_in(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    parent = await make_credential(gateway_server.storage, tenant.org)
    child = await make_credential(gateway_server.storage, tenant.org, parent=parent)
    assert (await gateway_server.post("/v1/messages", body(), key=child.token)).status == 200

    async with gateway_server.storage.as_operator(tenant.org, command="test") as tx:
        await revoke(tx, parent.id, reason="lost")

    # However fast the announcement is: the call's place is taken under the chain as it is.
    assert (await gateway_server.post("/v1/messages", body(), key=child.token)).status == 401


@pytest.mark.parametrize("token", ["hasp_agent_" + "X" * 32, "hasp_agent_" + "X" * 31, "hasp_agent_live_" + "X" * 32])
async def test_an_unknown_token_is_nobody_s(gateway_server: GatewayServer, token: str) -> None:
    reply = await gateway_server.post("/v1/messages", body(), key=token)

    assert (reply.status, code_of(reply)) == (401, "INVALID_API_KEY")


async def test_usage_tells_what_each_agent_used(gateway_server: GatewayServer) -> None:
    storage = gateway_server.storage
    tenant = await make_tenant(storage, scopes=(Scope.AI_CHAT, Scope.CONTROL_READ))
    credential = await make_credential(storage, tenant.org)
    for token in (credential.token, tenant.token):
        assert (await gateway_server.post("/v1/messages", body(), key=token)).status == 200

    usage = (await gateway_server.get("/v1/usage", key=tenant.token)).json()["data"]
    table = await gateway_server.get("/v1/usage", key=tenant.token, headers={"accept": "text/csv"})

    assert [line["key_id"] for line in usage["by_key"]] == [tenant.key.id]
    assert [(line["agent_id"], line["requests"]) for line in usage["by_agent"]] == [(credential.agent, 1)]
    assert f",agent,{credential.agent},Agent {credential.agent},1," in table.body.decode()
