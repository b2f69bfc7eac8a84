"""What a client may get wrong about webhooks: every field by its name, and never in its own words."""

from typing import Any

import pytest

from tests.api.test_webhooks import CANARY, URL, create, make_writer, refusal
from tests.gateway_server import GatewayServer

BAD_URLS = [
    "",
    "nonsense",
    "http://93.184.215.14/",
    "ftp://93.184.215.14/",
    "https://",
    "https:///path",
    "https://user:word@93.184.215.14/",
    "https://93.184.215.14/#part",
    "https://93.184.215.14:0/",
    "https://93.184.215.14:65536/",
    "https://93.184.215.14/a b",
    "https://93.184.215.14\\@evil.example/",
    "https://127.0.0.1/",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://\uff11\uff12\uff17.0.0.1/",
    "https://[::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://10.1.2.3/",
    "https://169.254.169.254/latest/meta-data",
    "https://localhost/",
    "https://hooks.localhost/",
    "https://Quillfeather.internal/",
    "https://nobody.invalid/",
    "https://93.184.215.14/" + "x" * 2048,
    "https://93.184.215.14/" + "ä" * 700,
]


@pytest.mark.parametrize("url", BAD_URLS)
async def test_a_url_that_nothing_is_sent_to_is_refused_without_being_repeated(
    gateway_server: GatewayServer, url: str
) -> None:
    tenant = await make_writer(gateway_server)

    reply = await gateway_server.post("/v1/webhooks", {"url": url, "events": ["*"]}, key=tenant.token)

    assert refusal(reply) == (422, "VALIDATION_FAILED", "url")
    assert CANARY.encode() not in reply.body


BAD_FIELDS: list[tuple[dict[str, Any], str | None]] = [
    ({"url": None}, "url"),
    ({"url": 7}, "url"),
    ({"events": []}, "events"),
    ({"events": None}, "events"),
    ({"events": "*"}, "events"),
    ({"events": [7]}, "events[0]"),
    ({"events": ["phi.blocked", CANARY]}, "events[1]"),
    ({"events": ["audit.export_requested"]}, "events[0]"),
    ({"events": ["webhook_endpoint.test"]}, "events[0]"),
    ({"events": ["*"] * 101}, "events"),
    ({"app_id": CANARY}, "app_id"),
    ({"app_id": 7}, "app_id"),
    ({"description": "x" * 256}, "description"),
    ({"description": "two\nlines"}, "description"),
    ({"description": 7}, "description"),
    ({"is_ordered": "yes"}, "is_ordered"),
    ({"is_ordered": None}, "is_ordered"),
    ({"rate_per_minute": 0}, "rate_per_minute"),
    ({"rate_per_minute": 60_001}, "rate_per_minute"),
    ({"rate_per_minute": 1.5}, "rate_per_minute"),
    ({"signs_asymmetrically": 1}, "signs_asymmetrically"),
    ({CANARY: 1}, None),
    ({"is_active": False}, None),
]


@pytest.mark.parametrize(("fields", "param"), BAD_FIELDS)
async def test_a_bad_field_is_named_and_not_repeated(
    gateway_server: GatewayServer, fields: dict[str, Any], param: str | None
) -> None:
    tenant = await make_writer(gateway_server)

    reply = await gateway_server.post("/v1/webhooks", {"url": URL, "events": ["*"]} | fields, key=tenant.token)

    assert refusal(reply) == (422, "VALIDATION_FAILED", param)
    assert CANARY.encode() not in reply.body


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, None),
        ({"url": None}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"events": None}, "events"),
        ({"events": []}, "events"),
        ({"events": [CANARY]}, "events[0]"),
        ({"is_active": None}, "is_active"),
        ({"is_active": "no"}, "is_active"),
        ({"is_ordered": None}, "is_ordered"),
        ({"description": "x" * 256}, "description"),
        ({"rate_per_minute": 0}, "rate_per_minute"),
        ({"app_id": None}, "app_id"),
        ({"secret": "whsec_"}, None),
    ],
)
async def test_a_bad_change_is_refused_by_its_field(
    gateway_server: GatewayServer, fields: dict[str, Any], param: str | None
) -> None:
    tenant = await make_writer(gateway_server)
    webhook = await create(gateway_server, tenant)

    reply = await gateway_server.request("PATCH", f"/v1/webhooks/{webhook['id']}", fields, key=tenant.token)

    assert refusal(reply) == (422, "VALIDATION_FAILED", param)


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("rotate-secret", {"overlap_hours": -1}, "overlap_hours"),
        ("rotate-secret", {"overlap_hours": 169}, "overlap_hours"),
        ("rotate-secret", {"overlap_hours": None}, "overlap_hours"),
        ("rotate-secret", {"signs_asymmetrically": "yes"}, "signs_asymmetrically"),
        ("rotate-secret", {"grace": 1}, None),
        ("test", {"event": CANARY}, "event"),
        ("test", {"event": "baa.accepted"}, "event"),
        ("test", {"event": 7}, "event"),
        ("test", {"url": URL}, "url"),
    ],
)
async def test_a_bad_act_is_refused_by_its_field(
    gateway_server: GatewayServer, path: str, body: dict[str, Any], param: str | None
) -> None:
    tenant = await make_writer(gateway_server)
    webhook = await create(gateway_server, tenant)

    reply = await gateway_server.post(f"/v1/webhooks/{webhook['id']}/{path}", body, key=tenant.token)

    assert refusal(reply) == (422, "VALIDATION_FAILED", param)
    assert CANARY.encode() not in reply.body


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "cursor=nonsense", "active=true"])
async def test_a_bad_page_is_refused(gateway_server: GatewayServer, query: str) -> None:
    tenant = await make_writer(gateway_server)

    assert (await gateway_server.get(f"/v1/webhooks?{query}", key=tenant.token)).status == 422
