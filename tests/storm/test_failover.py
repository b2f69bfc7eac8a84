"""A model that the operator declared equivalent answers instead, where the organisation allows it, and says so."""

from collections.abc import Sequence
from typing import Any

import pytest

from gateway.ids import find_ulid
from gateway.tenancy import KeyMode
from tests.gateway_server import GatewayServer, Json, Reply
from tests.storm.books import Books
from tests.tenants import COVERS, make_tenant

ASKED, OTHER = "claude-haiku-4-5", "gpt-5.4-mini"
DOWN = "script=529,529,529,ok; retry_after=0"


def body(directive: str, text: str, **fields: object) -> Json:
    content = f"[[sandbox: {directive}]] {text}"
    return {"model": ASKED, "max_tokens": 100, "messages": [{"role": "user", "content": content}], **fields}


def entry(books: Books, reply: Reply) -> dict[str, Any]:
    ulid = find_ulid(reply.headers["request-id"], "req_")
    assert ulid
    return books.audited()[ulid]["metadata"]


async def test_an_equivalent_model_answers_and_is_named(storm_server: GatewayServer, books: Books) -> None:
    reply = await storm_server.post("/v1/messages", body(DOWN, "Failover whole"))

    assert reply.status == 200
    assert reply.json()["meta"]["usage"]["model"] == OTHER
    assert reply.headers["hasp-answered-by"] == OTHER
    assert entry(books, reply)["model"] == OTHER
    assert entry(books, reply)["tries"] == 4
    assert entry(books, reply)["failover"] == {"asked": ASKED, "because": "INFERENCE_UNAVAILABLE"}
    assert [row[0] for row in books.usage()] == [OTHER]


async def test_a_stream_fails_over_before_its_first_event(storm_server: GatewayServer, books: Books) -> None:
    reply = await storm_server.post("/v1/messages", body(DOWN, "Failover streamed", stream=True))

    assert reply.events[-1].name == "message_stop"
    assert reply.headers["hasp-answered-by"] == OTHER
    assert entry(books, reply)["failover"]["asked"] == ASKED


async def test_the_native_surface_names_the_model_that_answered(storm_server: GatewayServer) -> None:
    message = f"[[sandbox: {DOWN}]] Failover native"

    reply = await storm_server.post("/v1/ai/chat", {"model": ASKED, "message": message, "stream": False})

    assert reply.json()["meta"]["usage"]["model"] == OTHER
    record = await storm_server.get(f"/v1/ai/messages/{reply.json()['data']['message']['id']}")
    assert record.json()["data"]["model"] == OTHER


async def test_a_short_trouble_is_retried_without_failover(storm_server: GatewayServer, books: Books) -> None:
    reply = await storm_server.post("/v1/messages", body("script=500,ok", "Hiccup"))

    assert reply.json()["meta"]["usage"]["model"] == ASKED
    assert "hasp-answered-by" not in reply.headers
    assert entry(books, reply)["tries"] == 2
    assert "failover" not in entry(books, reply)


async def test_after_the_first_words_nothing_is_tried_again(storm_server: GatewayServer) -> None:
    storm_server.sandbox.clear()

    reply = await storm_server.post("/v1/messages", body("script=half,ok", "Broken off early", stream=True))

    assert reply.events[-1].name == "error"
    sent = [asked for asked in storm_server.sandbox.requests() if "Broken off early" in asked["body"]]
    assert len(sent) == 1


@pytest.mark.parametrize(
    ("policy", "covers"),
    [({}, COVERS), ({"failover_enabled": True}, ["hasp_anthropic_baa_2026"])],
    ids=["not allowed", "not covered"],
)
async def test_an_organisation_that_may_not_fail_over_gets_the_error(
    storm_server: GatewayServer, policy: dict[str, Any], covers: Sequence[str]
) -> None:
    tenant = await make_tenant(storm_server.storage, mode=KeyMode.TEST, covers=covers, **policy)

    reply = await storm_server.post("/v1/messages", body(DOWN, f"No failover {len(covers)}"), key=tenant.token)

    assert reply.status == 503
    assert reply.json()["error"]["hasp_code"] == "INFERENCE_UNAVAILABLE"


async def test_a_request_that_the_other_model_cannot_honour_stays_where_it_is(storm_server: GatewayServer) -> None:
    reply = await storm_server.post("/v1/messages", body(DOWN, "Only one of them can", top_k=5))

    assert reply.status == 503


async def test_a_hint_that_the_other_model_ignores_is_named(storm_server: GatewayServer) -> None:
    asked = body(DOWN, "Cached", cache_control={"type": "ephemeral"})

    reply = await storm_server.post("/v1/messages", asked)

    assert reply.headers["hasp-ignored-parameters"] == "cache_control"
