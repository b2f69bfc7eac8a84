"""A model that keeps failing is left alone for a while, and nobody else suffers from it."""

import pytest

from gateway.tenancy import KeyMode
from tests.gateway_server import GatewayServer, Json
from tests.tenants import make_tenant

DOWN, UP = "gpt-5.4", "gpt-5.3-codex"
SHARED = "claude-sonnet-4-6"
ENOUGH_TO_OPEN = 5


def body(model: str) -> Json:
    return {"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": "Is anyone there?"}]}


async def test_a_model_that_is_down_is_not_asked_again_at_once(storm_server: GatewayServer) -> None:
    live = (await make_tenant(storm_server.storage, mode=KeyMode.LIVE)).token
    with storm_server.sandbox.outage(statuses={DOWN: 500}):
        for _ in range(ENOUGH_TO_OPEN):
            assert (await storm_server.post("/v1/messages", body(DOWN), key=live)).status in (502, 503)
        storm_server.sandbox.clear()

        refused = await storm_server.post("/v1/messages", body(DOWN), key=live)
        other = await storm_server.post("/v1/messages", body(UP), key=live)

        assert refused.status == 503
        assert refused.json()["error"]["hasp_code"] == "INFERENCE_UNAVAILABLE"
        assert 1 <= int(refused.headers["retry-after"]) <= 15
        assert other.status == 200
        assert [asked["model"] for asked in storm_server.sandbox.bodies()] == [UP]
    tried_by_test_key = await storm_server.post("/v1/messages", body(DOWN))
    assert tried_by_test_key.status == 200


async def test_what_one_organisation_makes_a_model_fail_of_shuts_out_no_other(storm_server: GatewayServer) -> None:
    one, another = [(await make_tenant(storm_server.storage, mode=KeyMode.LIVE)).token for _ in range(2)]
    for number in range(ENOUGH_TO_OPEN):
        poison = f"[[sandbox: script=500,500,500]] Poison {number}"
        asked = body(SHARED) | {"messages": [{"role": "user", "content": poison}]}
        assert (await storm_server.post("/v1/messages", asked, key=one)).status in (502, 503)
    storm_server.sandbox.clear()

    assert (await storm_server.post("/v1/messages", body(SHARED), key=one)).status == 503
    assert storm_server.sandbox.requests() == []
    assert (await storm_server.post("/v1/messages", body(SHARED), key=another)).status == 200


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_the_vendors_patience_is_told_to_the_caller(storm_server: GatewayServer, stream: bool) -> None:
    text = "[[sandbox: script=429,429,429; retry_after=30]] Slow down"
    asked = {**body(UP), "stream": stream, "messages": [{"role": "user", "content": text}]}

    reply = await storm_server.post("/v1/messages", asked)

    assert reply.status == 503
    assert reply.headers["retry-after"] == "30"
    assert reply.headers["content-type"] == "application/json"
