"""What is refused on the surfaces for other vendors' clients and in native chats: one entry each, in their words."""

from typing import Any

import pytest

from gateway.audit.compliance import Gate
from gateway.harness.presets import MOST_PRESETS
from gateway.tenancy import PhiMode, StorageMode
from storage.pool import fetch
from tests.api.test_every_verdict import (
    ALL,
    CANARY,
    CONTROL,
    HAIKU,
    RETIRED,
    SAID,
    SSN,
    Asked,
    Controlled,
    Server,
    http,
    judging,
)
from tests.api.test_refusals import entries_of
from tests.gateway_server import GatewayServer, Reply
from tests.tenants import make_tenant

__all__ = ["http", "judging"]

RESPONSES, COMPLETIONS, CHATS = "/v1/openai/responses", "/v1/openai/chat/completions", "/v1/chat/completions"
AGENTS = "/v1/chat/agents"
CALLS = {
    "MISSING_SCOPE": Asked(Gate.SCOPE, {"scopes": CONTROL}, model=None),
    "BAA_REQUIRED": Asked(Gate.AGREEMENT, {"agreement": False}, model=None),
    "AI_CREDITS_EXHAUSTED": Asked(Gate.CREDITS, {"allotment": 1}),
    "OPUS_NOT_ENABLED": Asked(Gate.MODEL, body={"model": "claude-opus-4-7"}, model="claude-opus-4-7"),
    "MODEL_NOT_ENABLED": Asked(Gate.MODEL, body={"model": "gpt-5.5"}, model="gpt-5.5"),
    "MODEL_RETIRED": Asked(Gate.MODEL, body={"model": RETIRED}, model=RETIRED),
    "RESOURCE_NOT_FOUND": Asked(Gate.REQUEST, body={"model": CANARY}, model=None),
    "VALIDATION_FAILED": Asked(Gate.REQUEST, body={"temperature": CANARY}, model=None),
    "PHI_BLOCKED": Asked(Gate.PHI, {"phi_mode": PhiMode.BLOCK}, says=SSN),
    "PROVIDER_REJECTED": Asked(None, says=f"[[sandbox: error=400]] {CANARY}"),
    "INFERENCE_UPSTREAM_FAILURE": Asked(None, says=f"[[sandbox: drop_after=1]] {CANARY}"),
    "INFERENCE_UNAVAILABLE": Asked(None, says=f"[[sandbox: error=529]] {CANARY}"),
}


def body_of(surface: str, asked: Asked) -> dict[str, Any]:
    if surface == RESPONSES:
        return {"model": HAIKU, "input": asked.says} | asked.body
    return {"model": HAIKU, "messages": [{"role": "user", "content": asked.says}]} | asked.body


@pytest.mark.parametrize("surface", [RESPONSES, COMPLETIONS, CHATS])
@pytest.mark.parametrize("code", CALLS)
async def test_a_refused_call_has_one_entry(http: GatewayServer, code: str, surface: str) -> None:
    asked = CALLS[code]
    tenant = await make_tenant(http.storage, **asked.tenant)
    reply = await _send(Server(http, tenant), "POST", surface, body_of(surface, asked))

    (entry,) = await entries_of(http, tenant.org, reply)
    told = entry.metadata
    assert (told["error_code"], told["route"], told["model"]) == (code, surface, asked.model)
    assert told.get("gate") == asked.gate
    assert CANARY not in str(entry)
    assert CANARY.encode() not in reply.body


async def _send(server: Server, method: str, path: str, body: object) -> Reply:
    headers = {**SAID, "x-api-key": server.tenant.token, "x-request-id": "!"}
    return await server.http.request(method, path, body, key=None, headers=headers)


async def _one_agent_too_many(server: Server) -> Reply:
    await fetch(
        server.http.storage.pool,
        "insert into presets (id, org_id, name, definition, created_at, updated_at)"
        " select %(org)s || n, %(org)s, n::text, '', now(), now() from generate_series(1, %(most)s) n returning 1",
        {"org": server.tenant.org, "most": MOST_PRESETS},
    )
    return await _send(server, "POST", AGENTS, {"name": CANARY})


def _chat(**fields: object) -> dict[str, Any]:
    return body_of(CHATS, Asked(None)) | fields


CONTROLLED = {
    "RUN_NOT_STORABLE": Controlled(
        Gate.STATE,
        CHATS,
        lambda to: _send(to, "POST", CHATS, _chat(background=True)),
        {"storage_mode": StorageMode.NONE},
    ),
    "TOO_MANY_PRESETS": Controlled(Gate.STATE, AGENTS, _one_agent_too_many),
    "MODEL_REQUIRED": Controlled(Gate.REQUEST, CHATS, lambda to: _send(to, "POST", CHATS, _chat(model=None))),
    "CLIENT_TOOLS_NOT_SUPPORTED": Controlled(
        Gate.REQUEST, CHATS, lambda to: _send(to, "POST", CHATS, _chat(tools=[{"name": CANARY}]))
    ),
    "UNKNOWN_TOOL": Controlled(Gate.REQUEST, CHATS, lambda to: _send(to, "POST", CHATS, _chat(tools_to_use=[CANARY]))),
}


@pytest.mark.parametrize("code", CONTROLLED)
async def test_what_is_refused_of_chats_has_one_entry(gateway_server: GatewayServer, code: str) -> None:
    controlled = CONTROLLED[code]
    tenant: dict[str, Any] = {"scopes": ALL, **controlled.tenant}
    server = Server(gateway_server, await make_tenant(gateway_server.storage, **tenant))

    reply = await controlled.provoke(server)

    (entry,) = await entries_of(gateway_server, server.tenant.org, reply)
    assert (entry.metadata["error_code"], entry.metadata["route"]) == (code, controlled.route)
    assert entry.metadata["gate"] == controlled.gate
    assert CANARY not in str(entry)
    assert CANARY.encode() not in reply.body
