"""Introspection and revocation over real HTTP, as a service that is shown an agent's token uses them."""

import base64
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from gateway.agents.grants import DataRead, ExternalToolInvoke
from gateway.ids import new_ulid
from gateway.tenancy import KeyMode, Scope
from storage.agents.revocation import archive, revoke
from storage.pool import fetch
from tests.agents import MadeCredential, make_credential
from tests.gateway_server import GatewayServer
from tests.tenants import Tenant, make_tenant

INTROSPECT, REVOKE = "/v1/oauth/introspect", "/v1/oauth/revoke"
FORM = "application/x-www-form-urlencoded"
CANARY = "Quillfeather"
INACTIVE = (200, {"active": False})

Answer = tuple[int, dict[str, Any]]


async def make_service(server: GatewayServer, *scopes: Scope, mode: KeyMode = KeyMode.LIVE) -> Tenant:
    return await make_tenant(server.storage, scopes=scopes or (Scope.CONTROL_READ, Scope.CONTROL_WRITE), mode=mode)


async def send(server: GatewayServer, path: str, body: str, *, key: str | None = None, **headers: str) -> Answer:
    authorization = {"authorization": f"Bearer {key}"} if key else {}
    sent = {"content-type": FORM, **authorization, **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with server.session.post(server.url + path, data=body.encode(), headers=sent) as reply:
        assert reply.headers["cache-control"] == "no-store"
        return reply.status, await reply.json()


async def introspect(server: GatewayServer, key: str, token: str) -> Answer:
    return await send(server, INTROSPECT, f"token={quote_plus(token)}", key=key)


def basic(client: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{quote(client)}:{quote(secret)}".encode()).decode()


async def test_a_token_is_told_with_all_that_a_service_has_to_hold(gateway_server: GatewayServer) -> None:
    service = await make_service(gateway_server)
    grants = (
        DataRead(entities=("appointment",), filters={"owner": "{{delegating_user.id}}"}),
        ExternalToolInvoke("look"),
    )
    parent = await make_credential(gateway_server.storage, service.org, grants=grants)
    child = await make_credential(gateway_server.storage, service.org, parent=parent, grants=grants)

    status, told = await introspect(gateway_server, service.token, child.token)

    lived = told.pop("exp") - told.pop("iat")
    assert (status, lived) == (200, 8 * 3600)
    assert told == {
        "active": True,
        "iss": "http://gateway.example",
        "sub": "j.reyes",
        "client_id": child.agent,
        "jti": child.id,
        "token_type": "Bearer",
        "scope": "hasp.data.read external.tool.invoke",
        "authorization_details": [
            {"type": "hasp.data.read", "entities": ["appointment"], "filters": {"owner": "j.reyes"}},
            {"type": "external.tool.invoke", "tool_id": "look"},
        ],
        "act": {"sub": child.agent, "act": {"sub": parent.agent}},
        "hasp_mode": "live",
        "hasp_delegation_path": [parent.id],
    }


async def test_whatever_is_not_usable_is_only_inactive(gateway_server: GatewayServer) -> None:
    server, service, stranger = gateway_server, await make_service(gateway_server), await make_service(gateway_server)
    revoked, archived, expired, parent = [await make_credential(server.storage, service.org) for _ in range(4)]
    child = await make_credential(server.storage, service.org, parent=parent)
    foreign = await make_credential(server.storage, stranger.org)
    async with server.storage.as_operator(service.org, command="test") as tx:
        await revoke(tx, revoked.id, reason="lost")
        await revoke(tx, parent.id, reason="lost")
        await archive(tx, archived.agent)
    ended = "update agent_credentials set expires_at = created_at + interval '1 microsecond' where id = %s returning 1"
    await fetch(server.storage.pool, ended, [expired.id])

    for token in (
        *(each.token for each in (revoked, archived, expired, child, foreign)),
        service.token,
        f"hasp_agent_{'2' * 32}",
        CANARY,
        "\x00",
    ):
        assert await introspect(server, service.token, token) == INACTIVE


async def test_a_client_is_also_known_by_its_keys_id_and_the_key(gateway_server: GatewayServer) -> None:
    service = await make_service(gateway_server)
    credential = await make_credential(gateway_server.storage, service.org)
    body = f"token={credential.token}&token_type_hint=access_token"

    for client in (service.key.id, f"key_{service.key.id}"):
        status, told = await send(gateway_server, INTROSPECT, body, authorization=basic(client, service.token))
        assert (status, told["active"]) == (200, True)


async def test_an_agent_asks_about_itself_and_what_is_below_and_nothing_else(gateway_server: GatewayServer) -> None:
    service = await make_service(gateway_server)
    parent = await make_credential(gateway_server.storage, service.org)
    own = await make_credential(gateway_server.storage, service.org, parent=parent)
    below = await make_credential(gateway_server.storage, service.org, parent=own)
    other = await make_credential(gateway_server.storage, service.org)

    asked = [await introspect(gateway_server, own.token, each.token) for each in (own, below, parent, other)]

    assert [told.get("active") for _, told in asked] == [True, True, False, False]


async def test_a_token_is_revoked_and_then_nothing_and_revoking_it_again_is_answered_alike(
    gateway_server: GatewayServer,
) -> None:
    service = await make_service(gateway_server)
    parent = await make_credential(gateway_server.storage, service.org)
    child = await make_credential(gateway_server.storage, service.org, parent=parent)

    first = await send(gateway_server, REVOKE, f"token={parent.token}", key=service.token)
    again = await send(gateway_server, REVOKE, f"token={parent.token}", key=service.token)
    unknown = await send(gateway_server, REVOKE, f"token={CANARY}", key=service.token)

    assert first == again == unknown == (200, {})
    assert await introspect(gateway_server, service.token, child.token) == INACTIVE
    entries = await gateway_server.get(f"/v1/audit?entity_id={parent.id}", key=service.token)
    (entry, *_) = entries.json()["data"][::-1]
    assert (entry["action"], entry["actor"]) == ("agent_credential.revoked", f"key:{service.key.id}")
    assert entry["metadata"]["cascade_revoked_credential_ids"] == [child.id]
    assert entry["metadata"]["reason"] == "token_revoked"


async def test_an_agent_gives_its_token_back(gateway_server: GatewayServer) -> None:
    service = await make_service(gateway_server)
    parent = await make_credential(gateway_server.storage, service.org)
    own = await make_credential(gateway_server.storage, service.org, parent=parent)

    not_its_own = await send(gateway_server, REVOKE, f"token={parent.token}", key=own.token)
    its_own = await send(gateway_server, REVOKE, f"token={own.token}", key=own.token)

    assert not_its_own == its_own == (200, {})
    assert (await introspect(gateway_server, service.token, parent.token))[1]["active"] is True
    assert await introspect(gateway_server, service.token, own.token) == INACTIVE


async def test_a_test_key_and_another_organisation_end_nothing(gateway_server: GatewayServer) -> None:
    service, stranger = await make_service(gateway_server), await make_service(gateway_server)
    testing = await make_tenant_key(gateway_server, service)
    live = await make_credential(gateway_server.storage, service.org)

    for key in (testing, stranger.token):
        assert await send(gateway_server, REVOKE, f"token={live.token}", key=key) == (200, {})

    assert (await introspect(gateway_server, service.token, live.token))[1]["active"] is True


async def make_tenant_key(server: GatewayServer, tenant: Tenant) -> str:
    made = await server.post(
        "/v1/api_keys", {"name": "t", "scopes": ["control:write", "control:read"], "mode": "test"}, key=tenant.token
    )
    assert made.status == 201, made.body
    return made.json()["data"]["plaintext"]


@pytest.mark.parametrize("path", [INTROSPECT, REVOKE])
@pytest.mark.parametrize(
    ("body", "media_type", "says"),
    [
        ("", FORM, "`token` is required."),
        ("token=", FORM, "`token` is required."),
        (f"token={CANARY}&token={CANARY}", FORM, "`token` was sent more than once."),
        (f"token={CANARY}&token_type_hint=a&token_type_hint=b", FORM, "`token_type_hint` was sent more than once."),
        (f"token={CANARY}%FF", FORM, "The body is not a form of a few fields in UTF-8."),
        (f"token={CANARY}" + "&x=y" * 20, FORM, "The body is not a form of a few fields in UTF-8."),
        (CANARY, FORM, "The body is not a form of a few fields in UTF-8."),
        ('{"token": "x"}', "application/json", f"The body must be {FORM}."),
    ],
)
async def test_a_form_that_is_none_is_an_oauth_error(
    gateway_server: GatewayServer, path: str, body: str, media_type: str, says: str
) -> None:
    service = await make_service(gateway_server)

    status, told = await send(gateway_server, path, body, key=service.token, content_type=media_type)

    assert (status, told["error"], told["error_description"]) == (400, "invalid_request", says)
    assert CANARY not in str(told)


@pytest.mark.parametrize("path", [INTROSPECT, REVOKE])
async def test_who_may_not_ask_is_told_so_by_oauth(gateway_server: GatewayServer, path: str) -> None:
    service, poor = await make_service(gateway_server), await make_service(gateway_server, Scope.AI_CHAT)
    body, own = f"token={CANARY}", basic(service.key.id, service.token)

    refused = [
        await send(gateway_server, path, body),
        await send(gateway_server, path, body, authorization=basic(new_ulid(), service.token)),
        await send(gateway_server, path, body, authorization=basic(service.key.id, f"hasp_key_live_{'2' * 32}")),
        await send(gateway_server, path, body, authorization="Basic not-base64"),
        await send(gateway_server, path, body, authorization=own, x_api_key=service.token),
        await send(gateway_server, path, body, key=f"hasp_agent_{'2' * 32}"),
        await send(gateway_server, path, body, key=poor.token),
    ]

    assert [(status, told["error"]) for status, told in refused] == [
        *[(401, "invalid_client")] * 6,
        (403, "insufficient_scope"),
    ]


async def test_whoever_is_refused_with_basic_is_asked_for_basic(gateway_server: GatewayServer) -> None:
    headers = {"authorization": basic(new_ulid(), f"hasp_key_live_{'2' * 32}"), "content-type": FORM}

    reply = await gateway_server.request("POST", INTROSPECT, None, key=None, headers=headers)

    assert (reply.status, reply.headers["www-authenticate"]) == (401, 'Basic realm="hasp", Bearer realm="hasp"')


async def test_a_reader_of_tokens_cannot_revoke_them(gateway_server: GatewayServer) -> None:
    reader = await make_service(gateway_server, Scope.CONTROL_READ)
    credential: MadeCredential = await make_credential(gateway_server.storage, reader.org)

    status, told = await send(gateway_server, REVOKE, f"token={credential.token}", key=reader.token)

    assert (status, told["error"]) == (403, "insufficient_scope")
    assert (await introspect(gateway_server, reader.token, credential.token))[1]["active"] is True


async def test_the_metadata_tell_only_what_is_there(gateway_server: GatewayServer) -> None:
    reply = await gateway_server.get("/.well-known/oauth-authorization-server", key=None)
    told = reply.json()

    assert told["issuer"] == "http://gateway.example"
    assert told["introspection_endpoint"].endswith(INTROSPECT)
    assert told["revocation_endpoint"].endswith(REVOKE)
    assert told["grant_types_supported"] == told["response_types_supported"] == []
    assert not {"token_endpoint", "authorization_endpoint", "jwks_uri", "registration_endpoint"} & told.keys()
    assert "external.tool.invoke" in told["authorization_details_types_supported"]


@pytest.mark.parametrize("path", ["/.well-known/oauth-authorization-server", "/v1/schemas/authorization_details"])
async def test_what_is_public_is_kept_by_its_tag(gateway_server: GatewayServer, path: str) -> None:
    first = await gateway_server.get(path, key=None)
    again = await gateway_server.get(path, key=None, headers={"if-none-match": first.headers["etag"]})

    assert (first.status, first.headers["cache-control"]) == (200, "public, max-age=300")
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
