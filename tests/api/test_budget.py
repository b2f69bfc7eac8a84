"""An organisation's budget over real HTTP: read, changed in mid-period, refused, audited."""

import asyncio
from typing import Any

import pytest

from gateway.credits.budget import LARGEST_CAP
from gateway.settings import Settings
from gateway.tenancy import KeyMode, Scope
from tests.gateway_server import GatewayServer, Json, Reply, serve
from tests.tenants import Tenant, make_tenant

PATH = "/v1/usage/budget"
NAME = "Zachary Quillfeather"
ALLOTMENT = 1_000_000
DEFAULTS: Json = {
    "spend_cap": None,
    "alert_thresholds": [],
    "credits_allotment": ALLOTMENT,
    "rollover_limit": 0,
    "time_zone": "UTC",
    "anchor_day": 1,
    "opus_enabled": False,
    "premium_models_enabled": [],
}
CALL: Json = {"message": "Hi", "stream": False, "max_tokens": 50}


async def put(server: GatewayServer, tenant: Tenant, body: object, **headers: str) -> Reply:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return await server.request("PUT", PATH, body, key=tenant.token, headers=sent)


async def call(server: GatewayServer, tenant: Tenant, **fields: Any) -> Reply:
    return await server.post("/v1/ai/chat", CALL | fields, key=tenant.token)


async def budget_of(server: GatewayServer, tenant: Tenant) -> Json:
    return (await server.get(PATH, key=tenant.token)).json()["data"]


def decided(budget: Json) -> Json:
    """Without what was used."""
    return {name: value for name, value in budget.items() if name != "period"}


def refusal(reply: Reply) -> tuple[int, str, Json]:
    error = reply.json()["error"]
    return reply.status, error["code"], error.get("details", {})


async def test_a_new_organisation_has_its_allotment_and_no_cap(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)

    reply = await gateway_server.get(PATH, key=tenant.token)

    data = reply.json()["data"]
    assert (reply.status, decided(data), reply.headers["etag"]) == (200, DEFAULTS, '"1"')
    assert {name: data["period"][name] for name in ("used", "held", "remaining")} == {
        "used": 0,
        "held": 0,
        "remaining": ALLOTMENT,
    }
    assert data["period"]["end"].endswith("+00:00")


@pytest.mark.parametrize(
    "change",
    [
        {"spend_cap": 0},
        {"spend_cap": LARGEST_CAP},
        {"alert_thresholds": [1, 80, 99]},
        {"opus_enabled": True},
        {"premium_models_enabled": ["gpt-5.5"]},
        {"time_zone": "America/Argentina/Buenos_Aires", "anchor_day": 31},
        {"spend_cap": 500, "opus_enabled": True, "premium_models_enabled": ["gpt-5.5", "gpt-5.5-pro"]},
    ],
    ids=str,
)
async def test_what_a_request_names_changes_and_the_rest_stays(gateway_server: GatewayServer, change: Json) -> None:
    tenant = await make_tenant(gateway_server.storage)

    reply = await put(gateway_server, tenant, change)

    assert (reply.status, decided(reply.json()["data"]), reply.headers["etag"]) == (200, DEFAULTS | change, '"2"')
    assert decided(await budget_of(gateway_server, tenant)) == DEFAULTS | change


async def test_null_removes_the_cap_and_an_empty_list_closes_the_models(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, spend_cap=500, premium_models=("gpt-5.5",))

    reply = await put(gateway_server, tenant, {"spend_cap": None, "premium_models_enabled": []})

    assert decided(reply.json()["data"]) == DEFAULTS


async def test_thresholds_are_kept_once_and_lowest_first(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)

    reply = await put(gateway_server, tenant, {"alert_thresholds": [95, 50, 95, 80, 50]})

    assert (reply.status, reply.json()["data"]["alert_thresholds"]) == (200, [50, 80, 95])


@pytest.mark.parametrize("nothing", [[], None], ids=str)
async def test_thresholds_are_cleared_by_null_and_by_an_empty_list(
    gateway_server: GatewayServer, nothing: list[int] | None
) -> None:
    tenant = await make_tenant(gateway_server.storage, alert_thresholds=(50,))

    reply = await put(gateway_server, tenant, {"alert_thresholds": nothing})

    assert decided(reply.json()["data"]) == DEFAULTS
    [entry] = (await gateway_server.get("/v1/audit?action=budget.updated&limit=1", key=tenant.token)).json()["data"]
    assert entry["metadata"] == {"changes": {"alert_thresholds": {"from": [50], "to": []}}}


async def test_models_are_kept_once_by_their_own_ids(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)

    reply = await put(gateway_server, tenant, {"premium_models_enabled": ["gpt-5.5-pro", "gpt-5.5", "gpt-5.5-pro"]})

    assert reply.json()["data"]["premium_models_enabled"] == ["gpt-5.5", "gpt-5.5-pro"]


@pytest.mark.parametrize("body", [{}, b""], ids=["no field", "no body"])
async def test_a_change_of_nothing_only_reads(gateway_server: GatewayServer, body: object) -> None:
    tenant = await make_tenant(gateway_server.storage, spend_cap=500)

    reply = await put(gateway_server, tenant, body)
    stale = await put(gateway_server, tenant, body, if_match='"9"')

    assert (reply.status, decided(reply.json()["data"])) == (200, DEFAULTS | {"spend_cap": 500})
    assert stale.status == 412
    assert (await gateway_server.get("/v1/audit?action=budget.updated", key=tenant.token)).json()["data"] == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"spend_cap": -1}, "spend_cap"),
        ({"spend_cap": LARGEST_CAP + 1}, "spend_cap"),
        ({"spend_cap": 10.5}, "spend_cap"),
        ({"spend_cap": "500"}, "spend_cap"),
        ({"spend_cap": True}, "spend_cap"),
        ({"time_zone": None}, "time_zone"),
        ({"time_zone": NAME}, "time_zone"),
        ({"time_zone": "+02:00"}, "time_zone"),
        ({"time_zone": "UTC\x00"}, "time_zone"),
        ({"anchor_day": 0}, "anchor_day"),
        ({"anchor_day": 32}, "anchor_day"),
        ({"anchor_day": "1"}, "anchor_day"),
        ({"spend_cap": 5, "rollover_limit": 5}, "rollover_limit"),
        ({"opus_enabled": None}, "opus_enabled"),
        ({"opus_enabled": 1}, "opus_enabled"),
        ({"opus_enabled": "yes"}, "opus_enabled"),
        ({"premium_models_enabled": None}, "premium_models_enabled"),
        ({"premium_models_enabled": "gpt-5.5"}, "premium_models_enabled"),
        ({"premium_models_enabled": ["gpt-5.5", 5]}, "premium_models_enabled[1]"),
        ({"premium_models_enabled": ["gpt-5.5", NAME]}, "premium_models_enabled[1]"),
        ({"premium_models_enabled": ["gpt-5.4"]}, "premium_models_enabled[0]"),
        ({"premium_models_enabled": ["claude-opus-4-7"]}, "premium_models_enabled[0]"),
        ({"premium_models_enabled": ["gpt-5.5"] * 1001}, "premium_models_enabled"),
        ({"spend_cap": 5, "credits_allotment": 5}, "credits_allotment"),
        ({"alert_thresholds": 80}, "alert_thresholds"),
        ({"alert_thresholds": [80, 0]}, "alert_thresholds[1]"),
        ({"alert_thresholds": [100]}, "alert_thresholds[0]"),
        ({"alert_thresholds": [80.0]}, "alert_thresholds[0]"),
        ({"alert_thresholds": [80, "90"]}, "alert_thresholds[1]"),
        ({"alert_thresholds": [True]}, "alert_thresholds[0]"),
        ({"alert_thresholds": [None]}, "alert_thresholds[0]"),
        ({"alert_thresholds": [20, 40, 60, 80]}, "alert_thresholds"),
        ({"alert_thresholds": [80] * 101}, "alert_thresholds"),
        ({"spend_cap": 5, "alert_thresholds": [NAME]}, "alert_thresholds[0]"),
        ({"spend_cap": 5, NAME: 1}, None),
        ([], None),
        (b"nothing", None),
        (b'{"spend_cap": 99999999999999999999999}', None),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_a_bad_form_is_422_naming_the_field_and_changes_nothing(
    gateway_server: GatewayServer, body: object, param: str | None
) -> None:
    tenant = await make_tenant(gateway_server.storage)

    reply = await put(gateway_server, tenant, body)

    assert reply.status == 422, reply.body
    error = reply.json()["error"]
    assert (error["code"], error.get("param")) == ("VALIDATION_FAILED", param)
    assert b"Quillfeather" not in reply.body
    assert decided(await budget_of(gateway_server, tenant)) == DEFAULTS


async def test_a_change_on_top_of_one_that_was_not_seen_is_412(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    seen = (await gateway_server.get(PATH, key=tenant.token)).headers["etag"]
    await put(gateway_server, tenant, {"spend_cap": 10})

    stale = await put(gateway_server, tenant, {"spend_cap": 20}, if_match=seen)
    weak = await put(gateway_server, tenant, {"spend_cap": 20}, if_match='W/"2", 2, "two"')
    fresh = await put(gateway_server, tenant, {"spend_cap": 30}, if_match='"2"')

    assert [refusal(reply)[:2] for reply in (stale, weak)] == [(412, "PRECONDITION_FAILED")] * 2
    assert (fresh.status, fresh.headers["etag"], fresh.json()["data"]["spend_cap"]) == (200, '"3"', 30)


async def test_of_changes_on_top_of_one_version_one_wins(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)

    replies = await asyncio.gather(
        *(put(gateway_server, tenant, {"spend_cap": cap}, if_match='"1"') for cap in range(100, 106))
    )

    assert sorted(reply.status for reply in replies) == [200, 412, 412, 412, 412, 412]


async def test_a_change_is_audited_with_what_was_and_what_is(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, spend_cap=500)

    await put(gateway_server, tenant, {"spend_cap": None, "opus_enabled": True, "premium_models_enabled": ["gpt-5.5"]})

    [entry] = (await gateway_server.get("/v1/audit?action=budget.updated", key=tenant.token)).json()["data"]
    assert (entry["actor"], entry["entity_id"], entry["ip_address"]) == (
        f"key:{tenant.key.id}",
        tenant.org,
        "127.0.0.1",
    )
    assert entry["metadata"] == {
        "changes": {
            "spend_cap": {"from": 500, "to": None},
            "opus_enabled": {"from": False, "to": True},
            "premium_models": {"from": [], "to": ["gpt-5.5"]},
        }
    }


async def test_a_cap_set_in_mid_period_holds_for_the_next_call(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    charged = (await call(gateway_server, tenant)).json()["meta"]["usage"]["sonnet_equivalent_tokens"]

    below = await put(gateway_server, tenant, {"spend_cap": charged - 1})
    refused = await call(gateway_server, tenant)
    await put(gateway_server, tenant, {"spend_cap": 100_000})
    raised = await call(gateway_server, tenant)
    await put(gateway_server, tenant, {"spend_cap": 0})
    await put(gateway_server, tenant, {"spend_cap": None})
    uncapped = await call(gateway_server, tenant)

    period = below.json()["data"]["period"]
    assert (period["used"], period["remaining"]) == (charged, 0)
    assert refusal(refused) == (
        402,
        "AI_CREDITS_EXHAUSTED",
        {"cycle_reset_at": period["end"], "reason": "spend_cap"},
    )
    assert (raised.status, uncapped.status) == (200, 200)


async def test_the_cap_that_the_budget_shows_is_the_one_that_usage_shows(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    await call(gateway_server, tenant)
    await put(gateway_server, tenant, {"spend_cap": 700})

    usage = (await gateway_server.get("/v1/usage", key=tenant.token)).json()["data"]["credits"]

    period = (await budget_of(gateway_server, tenant))["period"]
    assert (usage["spend_cap"], usage["used"]) == (700, period["used"])
    assert period["remaining"] == 700 - period["used"]


async def test_a_cap_lowered_under_fifty_running_calls_is_never_overspent(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, spend_cap=100_000)
    cap = 1_500

    calls = [asyncio.create_task(call(gateway_server, tenant)) for _ in range(50)]
    lowered = (await put(gateway_server, tenant, {"spend_cap": cap})).json()["data"]["period"]
    replies = await asyncio.gather(*calls)

    after = (await budget_of(gateway_server, tenant))["period"]
    # What was set aside when the cap came may still be spent; nothing else may go beyond it.
    assert after["used"] <= max(cap, lowered["used"] + lowered["held"])
    assert after["held"] == 0
    answered = [reply for reply in replies if reply.status == 200]
    assert after["used"] == sum(reply.json()["meta"]["usage"]["sonnet_equivalent_tokens"] for reply in answered)
    assert {refusal(reply)[1] for reply in replies if reply.status != 200} <= {"AI_CREDITS_EXHAUSTED"}


async def test_caps_changing_all_the_time_stop_no_call_that_fits_them_all(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)

    calls = [asyncio.create_task(call(gateway_server, tenant)) for _ in range(50)]
    changes = await asyncio.gather(
        *(put(gateway_server, tenant, {"spend_cap": 900_000 + number}) for number in range(20))
    )

    assert {reply.status for reply in await asyncio.gather(*calls)} == {200}
    assert {reply.status for reply in changes} == {200}


async def test_a_model_opens_and_closes_in_every_process_within_a_second(
    gateway_server: GatewayServer, server_settings: Settings
) -> None:
    tenant = await make_tenant(gateway_server.storage)

    with serve(server_settings) as elsewhere:
        other = GatewayServer(
            elsewhere,
            tenant.token,
            tenant,
            gateway_server.storage,
            gateway_server.sandbox,
            gateway_server.session,
        )

        async def answers_come(model: str, code: str) -> None:
            async with asyncio.timeout(1):
                while (reply := await call(other, tenant, model=model)).status != 200:
                    assert refusal(reply)[1] == code

        async def refusals_come(model: str) -> str:
            async with asyncio.timeout(1):
                while (reply := await call(other, tenant, model=model)).status == 200:
                    pass
            return refusal(reply)[1]

        assert refusal(await call(other, tenant, model="claude-opus-4-7"))[1] == "OPUS_NOT_ENABLED"
        await put(gateway_server, tenant, {"opus_enabled": True, "premium_models_enabled": ["gpt-5.5"]})
        await answers_come("claude-opus-4-7", "OPUS_NOT_ENABLED")
        await answers_come("gpt-5.5", "MODEL_NOT_ENABLED")
        await put(gateway_server, tenant, {"opus_enabled": False, "premium_models_enabled": []})

        assert await refusals_come("claude-opus-4-7") == "OPUS_NOT_ENABLED"
        assert await refusals_come("gpt-5.5") == "MODEL_NOT_ENABLED"


async def test_a_budget_is_its_organisations_own(gateway_server: GatewayServer) -> None:
    tenant, other = await make_tenant(gateway_server.storage), await make_tenant(gateway_server.storage)
    await call(gateway_server, other)

    await put(gateway_server, tenant, {"spend_cap": 0, "opus_enabled": True})

    assert decided(await budget_of(gateway_server, other)) == DEFAULTS
    assert (await call(gateway_server, other)).status == 200


@pytest.mark.parametrize("scope", [Scope.CONTROL_READ, Scope.CONTROL_WRITE])
async def test_either_control_scope_reads_and_changes(gateway_server: GatewayServer, scope: Scope) -> None:
    tenant = await make_tenant(gateway_server.storage, scopes=[scope], agreement=False)

    assert (await put(gateway_server, tenant, {"spend_cap": 5})).status == 200
    assert (await budget_of(gateway_server, tenant))["spend_cap"] == 5


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_key_without_a_control_scope_is_refused(gateway_server: GatewayServer, method: str) -> None:
    tenant = await make_tenant(gateway_server.storage, scopes=[Scope.AI_CHAT, Scope.CONTROL_WEBHOOKS])

    reply = await gateway_server.request(method, PATH, {"spend_cap": 5}, key=tenant.token)

    assert refusal(reply) == (403, "MISSING_SCOPE", {"required_scope": "control:read"})
    assert (await gateway_server.request(method, PATH, {}, key=None)).status == 401


async def test_a_test_key_reads_the_budget_and_cannot_change_it(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, mode=KeyMode.TEST)

    refused = await put(gateway_server, tenant, {"spend_cap": 5})

    assert refusal(refused)[:2] == (403, "MISSING_SCOPE")
    assert decided(await budget_of(gateway_server, tenant)) == DEFAULTS


async def test_the_reference_shows_what_is_answered(gateway_server: GatewayServer) -> None:
    document = (await gateway_server.get("/openapi.json", key=None)).json()
    shown = document["paths"][PATH]["get"]["responses"]["200"]
    answered = await budget_of(gateway_server, await make_tenant(gateway_server.storage))

    example = shown["content"]["application/json"]["example"]["data"]
    assert (set(example), set(example["period"])) == (set(answered), set(answered["period"]))
    fields = shown["content"]["application/json"]["schema"]["properties"]["data"]["properties"]
    assert fields["spend_cap"]["type"] == ["integer", "null"]
    assert "ETag" in shown["headers"]


async def test_a_changed_cycle_leaves_the_period_that_runs_as_it_is(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    await call(gateway_server, tenant)
    before = (await budget_of(gateway_server, tenant))["period"]

    reply = await put(gateway_server, tenant, {"time_zone": "Asia/Tokyo", "anchor_day": 15})

    assert reply.json()["data"]["period"] == before
    [entry] = (await gateway_server.get("/v1/audit?action=budget.updated", key=tenant.token)).json()["data"]
    assert entry["metadata"]["changes"] == {
        "time_zone": {"from": "UTC", "to": "Asia/Tokyo"},
        "anchor_day": {"from": 1, "to": 15},
    }
