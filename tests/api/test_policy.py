"""An organisation's own policy over real HTTP: read, changed, refused, audited."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from gateway.phi.screening import MAX_TERM_LENGTH, MAX_TERMS
from gateway.settings import Settings
from gateway.tenancy import KeyMode, Scope
from tests.gateway_server import GatewayServer, Json, Reply, serve
from tests.tenants import Tenant, make_tenant

PATH = "/v1/compliance/policy"
NAME = "Zachary Quillfeather"
DEFAULTS: Json = {
    "phi_mode": "redact",
    "phi_profile": "safe_harbor",
    "phi_entities": None,
    "phi_threshold": 0.5,
    "phi_deny_terms": [],
    "phi_allow_terms": [],
    "phi_answers": "record",
    "restore_answers": True,
    "unscannable": "refuse",
    "storage_mode": "full",
    "retention_days": 2555,
    "minimum_retention_days": 0,
    "legal_hold": False,
    "retention": {"effective_days": 2555, "held": False, "takes_effect_at": None},
    "phi_retrieval_behavior": "redact",
    "failover_enabled": False,
    "allowed_tools": ["*"],
    "default_model": None,
}
CONTROL = (Scope.CONTROL_READ, Scope.CONTROL_WRITE, Scope.AI_CHAT)
CUSTOM: Json = {"phi_profile": "custom", "phi_entities": ["US_SSN", "PERSON"], "acknowledge_phi_leaves": True}


async def officer(server: GatewayServer, **options: Any) -> Tenant:
    """An organisation with a key that may change its policy."""
    return await make_tenant(server.storage, scopes=CONTROL, **options)


async def put(server: GatewayServer, tenant: Tenant, body: object, **headers: str) -> Reply:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return await server.request("PUT", PATH, body, key=tenant.token, headers=sent)


async def policy_of(server: GatewayServer, tenant: Tenant) -> Json:
    return (await server.get(PATH, key=tenant.token)).json()["data"]


async def changes_of(server: GatewayServer, tenant: Tenant) -> list[Json]:
    """Metadata of the policy's audit entries, newest first."""
    reply = await server.get("/v1/audit?action=policy.updated", key=tenant.token)
    return [entry["metadata"] for entry in reply.json()["data"]]


async def test_a_new_organisation_has_the_defaults(gateway_server: GatewayServer) -> None:
    reply = await gateway_server.get(PATH, key=(await officer(gateway_server)).token)

    assert (reply.status, reply.json()["data"], reply.headers["etag"]) == (200, DEFAULTS, '"1"')


@pytest.mark.parametrize(
    "change",
    [
        {"phi_mode": "block"},
        {"phi_profile": "limited_data_set"},
        {"phi_threshold": 0.4},
        {"phi_threshold": 0.475},
        {"phi_threshold": 0.45},
        {"phi_deny_terms": ["Bluebird", "Ward 7"]},
        {"phi_allow_terms": ["Foley"]},
        {"phi_answers": "block"},
        {"restore_answers": False},
        {"storage_mode": "none"},
        {"phi_retrieval_behavior": "block"},
        {"failover_enabled": True},
        {"allowed_tools": []},
        {"allowed_tools": ["calculator", "desk_*", "desk-2_find_slot"]},
        {"default_model": "claude-haiku-4-5"},
        {"default_model": "auto"},
    ],
    ids=str,
)
async def test_what_a_request_names_changes_and_the_rest_stays(gateway_server: GatewayServer, change: Json) -> None:
    tenant = await officer(gateway_server)

    reply = await put(gateway_server, tenant, change)

    assert (reply.status, reply.json()["data"], reply.headers["etag"]) == (200, DEFAULTS | change, '"2"')
    assert await policy_of(gateway_server, tenant) == DEFAULTS | change


async def test_what_was_read_can_be_sent_back(gateway_server: GatewayServer) -> None:
    tenant = await officer(gateway_server)
    await put(gateway_server, tenant, {"phi_deny_terms": ["Bluebird"]})
    read = await policy_of(gateway_server, tenant)

    reply = await put(gateway_server, tenant, read)

    assert (reply.status, reply.json()["data"], reply.headers["etag"]) == (200, read, '"2"')


async def test_terms_are_trimmed_and_kept_once_whatever_their_case(gateway_server: GatewayServer) -> None:
    tenant = await officer(gateway_server)

    await put(gateway_server, tenant, {"phi_deny_terms": ["  Bluebird ", "BLUEBIRD", "Ward 7", "Øø"]})

    assert (await policy_of(gateway_server, tenant))["phi_deny_terms"] == ["Bluebird", "Ward 7", "Øø"]


async def test_lists_of_the_largest_size_are_kept_whole_and_can_be_emptied(gateway_server: GatewayServer) -> None:
    tenant = await officer(gateway_server)
    terms = [f"{number:04}".rjust(MAX_TERM_LENGTH, "x") for number in range(MAX_TERMS)]

    await put(gateway_server, tenant, {"phi_deny_terms": terms, "phi_allow_terms": terms})
    full = await policy_of(gateway_server, tenant)
    await put(gateway_server, tenant, {"phi_deny_terms": [], "phi_allow_terms": []})

    assert full == DEFAULTS | {"phi_deny_terms": terms, "phi_allow_terms": terms}
    assert await policy_of(gateway_server, tenant) == DEFAULTS


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"phi_mode": "off"}, "phi_mode"),
        ({"phi_mode": 1}, "phi_mode"),
        ({"phi_profile": "expert_determination"}, "phi_profile"),
        ({"phi_profile": "custom", "acknowledge_phi_leaves": True}, "phi_entities"),
        ({"phi_profile": "custom", "phi_entities": [], "acknowledge_phi_leaves": True}, "phi_entities"),
        ({"phi_entities": ["US_SSN"], "acknowledge_phi_leaves": True}, "phi_entities"),
        (CUSTOM | {"phi_profile": "safe_harbor"}, "phi_entities"),
        (CUSTOM | {"phi_entities": "US_SSN"}, "phi_entities"),
        (CUSTOM | {"phi_entities": ["US_SSN", NAME]}, "phi_entities[1]"),
        (CUSTOM | {"phi_entities": ["US_SSN", "CUSTOM_TERM"]}, "phi_entities[1]"),
        ({"phi_threshold": 0.39}, "phi_threshold"),
        ({"phi_threshold": 0.81}, "phi_threshold"),
        ({"phi_threshold": "0.5"}, "phi_threshold"),
        ({"phi_threshold": True}, "phi_threshold"),
        ({"phi_deny_terms": NAME}, "phi_deny_terms"),
        ({"phi_deny_terms": [NAME, 5]}, "phi_deny_terms[1]"),
        ({"phi_deny_terms": [NAME, "x"]}, "phi_deny_terms[1]"),
        ({"phi_deny_terms": [NAME, " x "]}, "phi_deny_terms[1]"),
        ({"phi_deny_terms": [NAME, "--"]}, "phi_deny_terms[1]"),
        ({"phi_deny_terms": ["x" * 201]}, "phi_deny_terms[0]"),
        ({"phi_deny_terms": [f"{NAME}\x00"]}, "phi_deny_terms[0]"),
        ({"phi_deny_terms": ["Zachary\nQuillfeather"]}, "phi_deny_terms[0]"),
        ({"phi_deny_terms": [f"{NAME} {number}" for number in range(1001)]}, "phi_deny_terms"),
        ({"phi_allow_terms": {"0": NAME}}, "phi_allow_terms"),
        ({"phi_allow_terms": [""]}, "phi_allow_terms[0]"),
        ({"phi_answers": "redact"}, "phi_answers"),
        ({"restore_answers": "yes"}, "restore_answers"),
        ({"restore_answers": 1}, "restore_answers"),
        ({"unscannable": "block"}, "unscannable"),
        ({"storage_mode": "some"}, "storage_mode"),
        ({"retention_days": 0}, "retention_days"),
        ({"retention_days": -1}, "retention_days"),
        ({"retention_days": 36_501}, "retention_days"),
        ({"retention_days": 30.5}, "retention_days"),
        ({"retention_days": True}, "retention_days"),
        ({"minimum_retention_days": -1}, "minimum_retention_days"),
        ({"minimum_retention_days": 36_501}, "minimum_retention_days"),
        ({"minimum_retention_days": "30"}, "minimum_retention_days"),
        ({"minimum_retention_days": 2556}, "minimum_retention_days"),
        ({"minimum_retention_days": 31, "retention_days": 30}, "minimum_retention_days"),
        ({"legal_hold": "yes"}, "legal_hold"),
        ({"legal_hold": 1}, "legal_hold"),
        ({"retention": {"effective_days": "x"}, "retention_days": 5}, "retention.effective_days"),
        ({"retention": {"effective_days": 1}}, None),
        ({"retention_floor_days": 1}, None),
        ({"phi_retrieval_behavior": "refuse"}, "phi_retrieval_behavior"),
        ({"failover_enabled": "on"}, "failover_enabled"),
        ({"failover_enabled": 1}, "failover_enabled"),
        ({"acknowledge_phi_leaves": "true", "phi_mode": "allow"}, "acknowledge_phi_leaves"),
        ({"phi_mode": "block", "opus_enabled": True}, "opus_enabled"),
        ({"phi_mode": "block", NAME: 1}, None),
        ({}, None),
        ({"phi_mode": None}, None),
        ({"acknowledge_phi_leaves": True}, None),
        ([], None),
        (b"", None),
        (b'{"phi_deny_terms": ["\xff"]}', None),
        (b'{"phi_deny_terms": ["\\ud800 Quillfeather"]}', None),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_a_bad_form_is_422_naming_the_field_and_changes_nothing(
    gateway_server: GatewayServer, body: object, param: str | None
) -> None:
    tenant = await officer(gateway_server)

    reply = await put(gateway_server, tenant, body)

    assert reply.status == 422, reply.body
    error = reply.json()["error"]
    assert (error["code"], error.get("param")) == ("VALIDATION_FAILED", param)
    assert b"Quillfeather" not in reply.body
    assert await policy_of(gateway_server, tenant) == DEFAULTS


@pytest.mark.parametrize(
    "change",
    [{"phi_mode": "allow"}, CUSTOM, {"phi_threshold": 0.51}, {"phi_threshold": 0.8}, {"unscannable": "pass"}],
    ids=str,
)
@pytest.mark.parametrize("said", [None, False])
async def test_letting_phi_leave_must_be_acknowledged_in_the_same_request(
    gateway_server: GatewayServer, change: Json, said: bool | None
) -> None:
    tenant = await officer(gateway_server)
    await put(gateway_server, tenant, {"storage_mode": "none", "acknowledge_phi_leaves": True})

    unsaid = await put(gateway_server, tenant, change | {"acknowledge_phi_leaves": said})
    before = await changes_of(gateway_server, tenant)
    acknowledged = await put(gateway_server, tenant, change | {"acknowledge_phi_leaves": True})

    assert (unsaid.status, unsaid.json()["error"]["param"]) == (422, "acknowledge_phi_leaves")
    assert len(before) == 1
    assert acknowledged.status == 200
    assert (await changes_of(gateway_server, tenant))[0]["acknowledged_phi_leaves"] is True


async def test_a_test_key_cannot_let_identifiers_of_live_calls_leave(gateway_server: GatewayServer) -> None:
    tenant = await officer(gateway_server, mode=KeyMode.TEST)

    refused = await put(gateway_server, tenant, {"phi_mode": "allow", "acknowledge_phi_leaves": True})

    assert (refused.status, refused.json()["error"]["code"]) == (403, "MISSING_SCOPE")
    assert await policy_of(gateway_server, tenant) == DEFAULTS


async def test_fewer_kinds_of_a_custom_profile_must_be_acknowledged_too(gateway_server: GatewayServer) -> None:
    tenant = await officer(gateway_server)
    await put(gateway_server, tenant, CUSTOM)

    unsaid = await put(gateway_server, tenant, {"phi_entities": ["US_SSN"]})
    said = await put(gateway_server, tenant, {"phi_entities": ["US_SSN"], "acknowledge_phi_leaves": True})

    assert (unsaid.status, unsaid.json()["error"]["param"]) == (422, "acknowledge_phi_leaves")
    assert (said.status, said.json()["data"]["phi_entities"]) == (200, ["US_SSN"])


async def test_leaving_the_custom_profile_drops_its_kinds(gateway_server: GatewayServer) -> None:
    tenant = await officer(gateway_server)
    chosen = (await put(gateway_server, tenant, CUSTOM)).json()["data"]

    reply = await put(gateway_server, tenant, {"phi_profile": "safe_harbor"})

    assert (chosen["phi_profile"], chosen["phi_entities"]) == ("custom", ["PERSON", "US_SSN"])
    assert reply.json()["data"] == DEFAULTS


async def test_a_change_on_top_of_one_that_was_not_seen_is_412(gateway_server: GatewayServer) -> None:
    tenant = await officer(gateway_server)
    seen = (await gateway_server.get(PATH, key=tenant.token)).headers["etag"]
    await put(gateway_server, tenant, {"retention_days": 30})

    stale = await put(gateway_server, tenant, {"retention_days": 60}, if_match=seen)
    foreign = await put(gateway_server, tenant, {"retention_days": 60}, if_match='"something", W/"2", 2')
    fresh = await put(gateway_server, tenant, {"retention_days": 90}, if_match='"7", "2"')
    anyway = await put(gateway_server, tenant, {"retention_days": 120}, if_match="*")

    assert (stale.status, stale.json()["error"]["code"]) == (412, "PRECONDITION_FAILED")
    assert foreign.status == 412
    assert (fresh.status, fresh.headers["etag"]) == (200, '"3"')
    assert (anyway.status, anyway.json()["data"]["retention_days"]) == (200, 120)


async def test_of_two_changes_on_top_of_one_version_one_wins(gateway_server: GatewayServer) -> None:
    tenant = await officer(gateway_server)

    replies = await asyncio.gather(
        *(put(gateway_server, tenant, {"retention_days": days}, if_match='"1"') for days in range(30, 36))
    )

    assert sorted(reply.status for reply in replies) == [200, 412, 412, 412, 412, 412]


async def test_a_change_is_audited_with_both_values_but_of_terms_only_their_number(
    gateway_server: GatewayServer,
) -> None:
    tenant = await officer(gateway_server)

    await put(
        gateway_server, tenant, {"phi_deny_terms": [NAME, "Bluebird"], "phi_threshold": 0.4, "phi_answers": "record"}
    )
    await gateway_server.get(PATH, key=tenant.token)

    log = (await gateway_server.get(f"/v1/audit?entity_id={tenant.org}", key=tenant.token)).json()["data"]
    read, changed, *_ = log
    assert (read["action"], read["phi_disposition"]) == ("policy.retrieved", "contains_phi")
    assert (changed["action"], changed["actor"]) == ("policy.updated", f"key:{tenant.key.id}")
    assert changed["metadata"] == {
        "changes": {"phi_threshold_milli": {"from": 500, "to": 400}, "phi_deny_terms": {"from": 0, "to": 2}}
    }
    assert changed["ip_address"] == "127.0.0.1"


async def test_terms_are_in_the_database_sealed_only(gateway_server: GatewayServer, server_settings: Settings) -> None:
    tenant = await officer(gateway_server)
    await put(gateway_server, tenant, {"phi_deny_terms": [NAME], "phi_allow_terms": ["Quillfeather Clinic"]})

    with psycopg.connect(str(server_settings.database_url), options="-c hasp.system=on") as connection:
        rows = connection.execute("select o::text from organizations o where id = %s", [tenant.org]).fetchall()
        rows += connection.execute("select e::text from audit_entries e where org_id = %s", [tenant.org]).fetchall()
        lists = connection.execute("select phi_terms from organizations where id = %s", [tenant.org]).fetchall()

    assert len(lists[0][0]) > len(NAME)
    assert "Quillfeather" not in str(rows)
    assert b"Quillfeather".hex() not in str(rows)


async def test_a_policy_is_its_organisations_own(gateway_server: GatewayServer) -> None:
    tenant, other = await officer(gateway_server), await officer(gateway_server)
    await put(gateway_server, tenant, {"phi_mode": "block", "phi_deny_terms": ["Bluebird"]})

    assert await policy_of(gateway_server, other) == DEFAULTS


async def test_a_change_holds_in_every_process_within_a_second(
    gateway_server: GatewayServer, server_settings: Settings
) -> None:
    tenant = await officer(gateway_server)
    body = {"message": "The Bluebird study, please.", "stream": False}

    with serve(server_settings) as elsewhere:
        other = GatewayServer(
            elsewhere,
            tenant.token,
            tenant,
            gateway_server.storage,
            gateway_server.sandbox,
            gateway_server.session,
        )
        first = await other.post("/v1/ai/chat", body)
        await put(gateway_server, tenant, {"phi_mode": "block", "phi_deny_terms": ["bluebird"]})
        async with asyncio.timeout(1):
            while (reply := await other.post("/v1/ai/chat", body)).status == 200:
                pass

    assert first.status == 200
    assert (reply.status, reply.json()["error"]["details"]) == (403, {"entity_types": ["CUSTOM_TERM"]})


@pytest.mark.parametrize(
    ("method", "scopes", "required"),
    [
        ("GET", [Scope.AI_CHAT, Scope.CONTROL_WEBHOOKS], "control:read"),
        ("PUT", [Scope.AI_CHAT, Scope.CONTROL_READ], "control:write"),
    ],
)
async def test_each_method_needs_its_scope(
    gateway_server: GatewayServer, method: str, scopes: list[Scope], required: str
) -> None:
    tenant = await make_tenant(gateway_server.storage, scopes=scopes)

    reply = await gateway_server.request(method, PATH, {"phi_mode": "block"}, key=tenant.token)

    assert (reply.status, reply.json()["error"]["details"]) == (403, {"required_scope": required})
    assert (await gateway_server.request(method, PATH, {}, key=None)).status == 401


async def test_a_policy_can_be_read_and_changed_before_an_agreement_is_signed(gateway_server: GatewayServer) -> None:
    tenant = await officer(gateway_server, agreement=False, mode=KeyMode.TEST)

    assert (await put(gateway_server, tenant, {"phi_mode": "block"})).status == 200
    assert (await policy_of(gateway_server, tenant))["phi_mode"] == "block"


async def test_no_field_of_an_inference_reaches_the_policy(gateway_server: GatewayServer) -> None:
    reply = await gateway_server.post("/v1/ai/chat", {"message": "Hi", "phi_mode": "allow"})

    assert (reply.status, reply.json()["error"]["param"]) == (400, "phi_mode")


async def test_a_key_that_cannot_change_the_policy_cannot_make_one_that_can(gateway_server: GatewayServer) -> None:
    reader = await make_tenant(gateway_server.storage, scopes=[Scope.CONTROL_READ])
    writer = await make_tenant(gateway_server.storage, scopes=[Scope.CONTROL_WRITE])
    wanted = {"name": "Policy", "scopes": ["ai:chat", "control:write"]}

    refused = await gateway_server.post("/v1/api_keys", wanted, key=reader.token)
    made = await gateway_server.post("/v1/api_keys", wanted, key=writer.token)

    error = refused.json()["error"]
    assert (refused.status, error["code"], error["param"]) == (403, "MISSING_SCOPE", "scopes")
    assert error["details"] == {"required_scope": "control:write"}
    assert made.status == 201
    key = made.json()["data"]["plaintext"]
    assert (await gateway_server.request("PUT", PATH, {"phi_mode": "block"}, key=key)).status == 200


async def test_the_reference_shows_what_is_answered(gateway_server: GatewayServer) -> None:
    document = (await gateway_server.get("/openapi.json", key=None)).json()
    shown = document["paths"][PATH]["get"]["responses"]["200"]

    # The framework leaves nulls out of examples.
    assert {*shown["content"]["application/json"]["example"]["data"], "phi_entities"} == set(DEFAULTS)
    assert "ETag" in shown["headers"]


def bearing(answer: Json) -> timedelta:
    """How long from now it takes until all of the policy bears."""
    return datetime.fromisoformat(answer["retention"]["takes_effect_at"]) - datetime.now(UTC)


async def test_a_longer_time_bears_at_once(gateway_server: GatewayServer) -> None:
    tenant = await officer(gateway_server)

    reply = await put(gateway_server, tenant, {"retention_days": 36_500})

    retention = {"effective_days": 36_500, "held": False, "takes_effect_at": None}
    assert reply.json()["data"] == DEFAULTS | {"retention_days": 36_500, "retention": retention}


async def test_a_shorter_time_bears_a_week_later_and_can_be_taken_back(gateway_server: GatewayServer) -> None:
    tenant = await officer(gateway_server)

    shortened = (await put(gateway_server, tenant, {"retention_days": 1})).json()["data"]
    taken_back = (await put(gateway_server, tenant, {"retention_days": 2555})).json()["data"]

    assert (shortened["retention_days"], shortened["retention"]["effective_days"]) == (1, 2555)
    assert timedelta(days=6, hours=23) < bearing(shortened) <= timedelta(days=7)
    assert taken_back == DEFAULTS
    changes = (await changes_of(gateway_server, tenant))[1]["changes"]
    assert changes["retention_days"] == {"from": 2555, "to": 1}
    assert changes["retention_floor_until"] == {"from": None, "to": shortened["retention"]["takes_effect_at"]}


async def test_content_is_not_kept_for_less_than_its_minimum(gateway_server: GatewayServer) -> None:
    tenant = await officer(gateway_server)

    raised = await put(gateway_server, tenant, {"minimum_retention_days": 365})
    refused = await put(gateway_server, tenant, {"retention_days": 364})

    assert (raised.status, raised.json()["data"]["minimum_retention_days"]) == (200, 365)
    assert (refused.status, refused.json()["error"]["param"]) == (422, "retention_days")


async def test_a_hold_bears_at_once_and_its_end_a_week_later(gateway_server: GatewayServer) -> None:
    tenant = await officer(gateway_server)

    held = (await put(gateway_server, tenant, {"legal_hold": True})).json()["data"]
    lifted = (await put(gateway_server, tenant, {"legal_hold": False})).json()["data"]

    assert held == DEFAULTS | {"legal_hold": True, "retention": DEFAULTS["retention"] | {"held": True}}
    assert (lifted["legal_hold"], lifted["retention"]["held"]) == (False, True)
    assert timedelta(days=6, hours=23) < bearing(lifted) <= timedelta(days=7)


async def test_whoever_listens_hears_that_content_will_be_destroyed_sooner(
    gateway_server: GatewayServer, server_settings: Settings
) -> None:
    tenant = await officer(gateway_server)

    await put(gateway_server, tenant, {"retention_days": 3000, "legal_hold": True})
    shortened = (await put(gateway_server, tenant, {"retention_days": 30})).json()["data"]

    with psycopg.connect(str(server_settings.database_url), options="-c hasp.system=on") as connection:
        told = connection.execute(
            "select data from outbox where org_id = %s and type = 'retention.reduced'", [tenant.org]
        ).fetchall()
    takes_effect_at = shortened["retention"]["takes_effect_at"]
    assert told == [({"retention_days": 30, "legal_hold": True, "takes_effect_at": takes_effect_at},)]


async def test_a_read_policy_with_what_is_pending_can_be_sent_back(gateway_server: GatewayServer) -> None:
    tenant = await officer(gateway_server)
    await put(gateway_server, tenant, {"retention_days": 30})
    read = await policy_of(gateway_server, tenant)

    reply = await put(gateway_server, tenant, read)

    assert (reply.json()["data"], reply.headers["etag"]) == (read, '"2"')


@pytest.mark.parametrize(
    "change",
    [{"retention_days": 3000}, {"retention_days": 30}, {"minimum_retention_days": 30}, {"legal_hold": True}],
    ids=str,
)
async def test_a_test_key_cannot_change_how_long_content_of_live_calls_is_kept(
    gateway_server: GatewayServer, change: Json
) -> None:
    tenant = await officer(gateway_server, mode=KeyMode.TEST)

    refused = await put(gateway_server, tenant, {"phi_mode": "block"} | change)
    kept = await put(gateway_server, tenant, DEFAULTS | {"phi_mode": "block"})

    assert (refused.status, refused.json()["error"]["code"]) == (403, "MISSING_SCOPE")
    assert (kept.status, kept.json()["data"]) == (200, DEFAULTS | {"phi_mode": "block"})
