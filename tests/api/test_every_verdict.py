"""Refusals of calls and of the control plane, provoked over HTTP: one audit entry says who asked what, and which gate
refused it. No entry has anything that the request said.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.audit.compliance import Gate
from gateway.audit.exports import MOST_KEPT
from gateway.baa.template import templates
from gateway.ids import new_ulid
from gateway.inference.records import AuditRecord
from gateway.limits.buckets import Bucket, Draw, LimitName
from gateway.settings import Settings
from gateway.tenancy import PhiMode, Scope, StorageMode
from tests.api.test_refusals import entries_of
from tests.gateway_server import GatewayServer, Reply, serve
from tests.tenants import Tenant, make_tenant

CANARY = "Quillfeather"
SAID = {"user-agent": CANARY, "x-request-id": CANARY, "hasp-version": CANARY, "x-forwarded-for": CANARY}
HAIKU = "claude-haiku-4-5"
RETIRED = "claude-of-old"
SSN = f"{CANARY}, SSN 219-09-9999"
CONTROL = (Scope.CONTROL_READ, Scope.CONTROL_WRITE)
ALL = (Scope.AI_CHAT, *CONTROL)
RANGE = {"from": "2020-01-01T00:00:00Z", "to": "2099-01-01T00:00:00Z"}

MESSAGES, CHAT, COUNT = "/v1/messages", "/v1/ai/chat", "/v1/messages/count_tokens"
ANTHROPIC = "/v1/anthropic/messages"
INFERENCE = (MESSAGES, CHAT, ANTHROPIC)
SURFACES = (*INFERENCE, COUNT)


@dataclass(frozen=True, slots=True)
class Server:
    """A gateway that can be provoked to everything, and one caller of it."""

    http: GatewayServer
    tenant: Tenant

    async def send(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        return await self.http.request(method, path, body, key=self.tenant.token, headers=SAID | headers)


@pytest.fixture(scope="module")
def judging(server_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a gateway that has a retired model, and an operator who signs agreements."""
    file: Path = tmp_path_factory.mktemp("judging") / "catalog.json"
    retired = {"id": RETIRED, "provider": "anthropic", "retired_at": "2020-01-01T00:00:00Z", "ratio_milli": 1000}
    retired |= {"abilities": [], "context_tokens": 1000, "max_output_tokens": 1000}
    file.write_bytes(orjson.dumps({"models": [retired]}))
    changed = {"catalog_file": file, "baa_operator_name": "Example, Inc.", "baa_countersigner": "Jordan Reyes"}
    with serve(server_settings.model_copy(update=changed)) as url:
        yield url


@pytest.fixture
def http(gateway_server: GatewayServer, judging: str) -> GatewayServer:
    return replace(gateway_server, url=judging)


@dataclass(frozen=True, slots=True)
class Asked:
    """What makes a call be refused: whose it is, and what is other about its body."""

    gate: Gate | None
    """None for what no gate refused, but failed on its way."""
    tenant: Mapping[str, Any] = field(default_factory=dict[str, Any])
    body: dict[str, Any] = field(default_factory=dict[str, Any])
    says: str = CANARY
    surfaces: tuple[str, ...] = SURFACES
    model: str | None = HAIKU
    """What the entry names; None where the body is not read by then."""


TOOL = {"name": "f", "input_schema": {"type": "object", "description": SSN}}
CALLS = {
    "MISSING_SCOPE": Asked(Gate.SCOPE, {"scopes": CONTROL}, model=None),
    "BAA_REQUIRED": Asked(Gate.AGREEMENT, {"agreement": False}, model=None),
    "AI_CREDITS_EXHAUSTED": Asked(Gate.CREDITS, {"allotment": 1}, surfaces=INFERENCE),
    "OPUS_NOT_ENABLED": Asked(Gate.MODEL, body={"model": "claude-opus-4-7"}, model="claude-opus-4-7"),
    "MODEL_NOT_ENABLED": Asked(Gate.MODEL, body={"model": "gpt-5.5"}, model="gpt-5.5"),
    "MODEL_RETIRED": Asked(Gate.MODEL, body={"model": RETIRED}, model=RETIRED),
    "RESOURCE_NOT_FOUND": Asked(Gate.REQUEST, body={"model": CANARY}, model=None),
    "VALIDATION_FAILED": Asked(Gate.REQUEST, body={"system": {CANARY: CANARY}}, model=None),
    "UNSUPPORTED_PARAMETER": Asked(Gate.REQUEST, body={"store": CANARY}, surfaces=(MESSAGES, COUNT), model=None),
    "PHI_BLOCKED": Asked(Gate.PHI, {"phi_mode": PhiMode.BLOCK}, says=SSN),
    "PHI_IN_TOOL_SCHEMA": Asked(Gate.PHI, body={"tools": [TOOL]}),
    "FEATURE_NOT_HIPAA_ELIGIBLE": Asked(
        Gate.FEATURE, body={"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, model=None
    ),
    "PROVIDER_REJECTED": Asked(None, says=f"[[sandbox: error=400]] {CANARY}", surfaces=INFERENCE),
    "INFERENCE_UPSTREAM_FAILURE": Asked(None, says=f"[[sandbox: drop_after=1]] {CANARY}", surfaces=INFERENCE),
    "INFERENCE_UNAVAILABLE": Asked(None, says=f"[[sandbox: error=529]] {CANARY}", surfaces=INFERENCE),
}
CASES = [(code, surface) for code, asked in CALLS.items() for surface in asked.surfaces]


def body_of(surface: str, asked: Asked) -> dict[str, Any]:
    if surface == CHAT:
        body: dict[str, Any] = {"model": HAIKU, "stream": False}
        if "tools" in asked.body:
            return body | {"messages": [{"role": "user", "content": asked.says}], "max_tokens": 9} | asked.body
        return body | {"message": asked.says} | asked.body
    body = {"model": HAIKU, "messages": [{"role": "user", "content": asked.says}]} | asked.body
    return body if surface == COUNT else body | {"max_tokens": 9, "metadata": {"user_id": "u-1"}}


@pytest.mark.parametrize(("code", "surface"), CASES)
async def test_a_refused_call_has_one_entry(http: GatewayServer, code: str, surface: str) -> None:
    asked = CALLS[code]
    server = Server(http, await make_tenant(http.storage, **asked.tenant))

    reply = await server.send("POST", surface, body_of(surface, asked))

    entry = await verdict(server, reply, code)
    assert (entry.metadata["route"], entry.metadata["model"]) == (surface, asked.model)
    assert entry.metadata.get("gate") == asked.gate


@pytest.mark.parametrize("surface", SURFACES)
async def test_a_body_that_is_too_large_has_an_entry(http: GatewayServer, surface: str) -> None:
    server = Server(http, await make_tenant(http.storage))

    reply = await server.send("POST", surface, BytesIO(TOO_LARGE))

    entry = await verdict(server, reply, "REQUEST_TOO_LARGE")
    assert (entry.metadata["route"], entry.metadata["gate"]) == (surface, Gate.REQUEST)


async def test_a_prompt_whose_counting_fails_was_recorded_before_it_left(http: GatewayServer) -> None:
    server = Server(http, await make_tenant(http.storage))
    orphan = {"type": "tool_result", "tool_use_id": "call_00000001", "content": CANARY}
    turns = [{"role": "user", "content": "Hi"}, {"role": "user", "content": [orphan]}]

    reply = await server.send("POST", COUNT, {"model": HAIKU, "messages": turns})

    entries = await entries_of(http, server.tenant.org, reply)
    assert sorted(entry.action for entry in entries) == ["ai.request.refused", "ai.tokens.counted"]
    assert CANARY not in str(entries)


async def test_a_call_over_its_rate_has_an_entry_that_says_so(http: GatewayServer) -> None:
    server = Server(http, await make_tenant(http.storage, tier="developer"))
    bucket = Bucket(LimitName.KEY_RPM, server.tenant.org, server.tenant.key.id, 60)
    await http.storage.rate_buckets.draw(Draw((bucket,), (60,), forced=True))

    reply = await server.send("POST", MESSAGES, body_of(MESSAGES, Asked(None)))

    entry = await verdict(server, reply, "RATE_LIMITED")
    assert (entry.metadata["gate"], entry.metadata["model"]) == (Gate.RATE, HAIKU)
    assert entry.metadata["compliance_events"] == ["baa.verified"]


@pytest.mark.parametrize("surface", [MESSAGES, CHAT])
@pytest.mark.parametrize("code", ["IDEMPOTENCY_CONFLICT", "IDEMPOTENCY_IN_PROGRESS", "IDEMPOTENCY_NOT_REPLAYABLE"])
async def test_a_call_whose_name_was_used_has_an_entry(http: GatewayServer, code: str, surface: str) -> None:
    server = Server(http, await make_tenant(http.storage, storage_mode=StorageMode.NONE))
    slow = "[[sandbox: first_delay_ms=500]] " if code == "IDEMPOTENCY_IN_PROGRESS" else ""
    body = body_of(surface, Asked(None, says=slow + CANARY))
    other = body_of(surface, Asked(None, says=CANARY * 2)) if code == "IDEMPOTENCY_CONFLICT" else body
    named = {"idempotency-key": CANARY}

    if slow:
        both = await asyncio.gather(*(server.send("POST", surface, body, **named) for _ in range(2)))
        (reply,) = (each for each in both if each.status == 409)
    else:
        await server.send("POST", surface, body, **named)
        reply = await server.send("POST", surface, other, **named)

    entry = await verdict(server, reply, code)
    assert (entry.metadata["gate"], entry.metadata["model"]) == (Gate.IDEMPOTENCY, HAIKU)


Provoke = Callable[[Server], Awaitable[Reply]]


async def _twice(server: Server, method: str, path: str, body: object, **headers: str) -> Reply:
    await server.send(method, path, body, **headers)
    return await server.send(method, path, body, **headers)


SIGNED: dict[str, Any] = {
    "template_sha256": "0" * 64,
    "token": CANARY,
    "signer": {"name": CANARY, "title": CANARY, "organization_name": CANARY, "email": f"{CANARY}@h.example"},
    "authority": True,
    "consent_sha256": "0" * 64,
}


async def _accepted(server: Server, **changes: object) -> Reply:
    offered = (await server.send("GET", "/v1/compliance/baa")).json()["data"]
    body = SIGNED | {
        "template_sha256": offered["template"]["sha256"],
        "token": offered["signing"]["token"],
        "consent_sha256": offered["signing"]["consent_sha256"],
    }
    return await server.send("POST", "/v1/compliance/baa/acceptances", body | changes)


async def _outside(server: Server) -> Reply:
    path = f"/v1/api_keys/{server.tenant.key.id}"
    await server.send("PATCH", path, {"ip_allowlist": ["192.0.2.0/24"]})
    return await until(server, 403)


async def _revoked(server: Server) -> Reply:
    await server.send("DELETE", f"/v1/api_keys/{server.tenant.key.id}")
    return await until(server, 401)


async def until(server: Server, status: int) -> Reply:
    async with asyncio.timeout(5):
        while (reply := await server.send("GET", "/v1/usage")).status != status:
            pass
    return reply


async def _download(server: Server, *, expired: bool) -> Reply:
    export = (await server.send("POST", "/v1/audit/exports", RANGE)).json()["data"]["id"]
    if expired:
        async with server.http.storage.pool.connection() as connection:
            await connection.execute("update audit_exports set state = 'expired' where id = %s", [export])
    return await server.send("GET", f"/v1/audit/exports/{export}/download")


async def _one_export_too_many(server: Server) -> Reply:
    replies = [await server.send("POST", "/v1/audit/exports", RANGE) for _ in range(MOST_KEPT + 1)]
    return replies[-1]


async def _conflict(server: Server) -> Reply:
    await server.send("POST", KEYS, NEW_KEY, **{"idempotency-key": CANARY})
    return await server.send("POST", KEYS, NEW_KEY | {"name": CANARY * 2}, **{"idempotency-key": CANARY})


@dataclass(frozen=True, slots=True)
class Controlled:
    """What makes the control plane refuse."""

    gate: Gate
    route: str
    provoke: Provoke
    tenant: Mapping[str, Any] = field(default_factory=dict[str, Any])


KEYS, POLICY, ACCEPT, EXPORTS = (
    "/v1/api_keys",
    "/v1/compliance/policy",
    "/v1/compliance/baa/acceptances",
    "/v1/audit/exports",
)
NEW_KEY = {"name": CANARY, "scopes": ["ai:chat"]}
SCAN = "/v1/phi/scan"
TOO_LARGE = CANARY.encode() * 100_000
RECORD = "/v1/ai/messages/{message_id}"
CONTROLLED = {
    "INVALID_API_KEY": Controlled(Gate.API_KEY, "/v1/usage", _revoked),
    "IP_NOT_ALLOWED": Controlled(Gate.NETWORK, "/v1/usage", _outside),
    "MISSING_SCOPE": Controlled(
        Gate.SCOPE, KEYS, lambda to: to.send("POST", KEYS, NEW_KEY), {"scopes": (Scope.AI_CHAT,)}
    ),
    "BAA_REQUIRED": Controlled(
        Gate.AGREEMENT, RECORD, lambda to: to.send("GET", f"/v1/ai/messages/{CANARY}"), {"agreement": False}
    ),
    "VALIDATION_FAILED": Controlled(Gate.REQUEST, KEYS, lambda to: to.send("POST", KEYS, NEW_KEY | {CANARY: CANARY})),
    "RESOURCE_NOT_FOUND": Controlled(
        Gate.REQUEST, f"{KEYS}/{{key_id}}", lambda to: to.send("DELETE", f"{KEYS}/{new_ulid()}")
    ),
    "REQUEST_TOO_LARGE": Controlled(Gate.REQUEST, SCAN, lambda to: to.send("POST", SCAN, BytesIO(TOO_LARGE))),
    "API_KEY_ALREADY_ROTATED": Controlled(
        Gate.STATE,
        f"{KEYS}/{{key_id}}/rotate",
        lambda to: _twice(to, "POST", f"{KEYS}/{to.tenant.key.id}/rotate", {}),
    ),
    "BAA_REVISION_STALE": Controlled(
        Gate.STATE, ACCEPT, lambda to: _accepted(to, template_sha256=templates()[0].sha256), {"agreement": False}
    ),
    "BAA_TOKEN_INVALID": Controlled(Gate.STATE, ACCEPT, lambda to: _accepted(to, token=CANARY), {"agreement": False}),
    "PRECONDITION_FAILED": Controlled(
        Gate.STATE, POLICY, lambda to: to.send("PUT", POLICY, {"restore_answers": False}, **{"if-match": f'"{CANARY}"'})
    ),
    "IDEMPOTENCY_CONFLICT": Controlled(Gate.IDEMPOTENCY, KEYS, _conflict),
    "TOO_MANY_EXPORTS": Controlled(Gate.STATE, EXPORTS, _one_export_too_many),
    "EXPORT_NOT_READY": Controlled(
        Gate.STATE, f"{EXPORTS}/{{export_id}}/download", lambda to: _download(to, expired=False)
    ),
    "EXPORT_EXPIRED": Controlled(
        Gate.STATE, f"{EXPORTS}/{{export_id}}/download", lambda to: _download(to, expired=True)
    ),
}


@pytest.mark.parametrize("code", CONTROLLED)
async def test_what_the_control_plane_refuses_a_known_caller_has_one_entry(http: GatewayServer, code: str) -> None:
    controlled = CONTROLLED[code]
    tenant: dict[str, Any] = {"scopes": ALL, **controlled.tenant}
    server = Server(http, await make_tenant(http.storage, **tenant))

    reply = await controlled.provoke(server)

    entry = await verdict(server, reply, code)
    assert (entry.metadata["route"], entry.metadata["gate"]) == (controlled.route, controlled.gate)


async def test_an_agreement_that_nobody_offers_is_audited(gateway_server: GatewayServer) -> None:
    server = Server(gateway_server, await make_tenant(gateway_server.storage, scopes=ALL, agreement=False))

    reply = await server.send("POST", ACCEPT, SIGNED)

    entry = await verdict(server, reply, "BAA_NOT_OFFERED")
    assert entry.metadata["gate"] == Gate.STATE


async def verdict(server: Server, reply: Reply, code: str, *, by: str | None = None) -> AuditRecord:
    """The one entry that tells of `reply`, which was a refusal with `code`; of the tenant's key unless `by` others."""
    # Anthropic's own body has no code.
    assert reply.json()["error"].get("code", code) == code, reply.body
    [entry] = await entries_of(server.http, server.tenant.org, reply)
    assert entry.metadata["error_code"] == code
    assert entry.actor == (by or f"key:{server.tenant.key.id}")
    assert CANARY not in str(entry)
    return entry
