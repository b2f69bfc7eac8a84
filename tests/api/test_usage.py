"""`GET /v1/usage` of a period by its day, over real HTTP."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.credits.period import period_of
from tests.gateway_server import GatewayServer
from tests.tenants import HAIKU, Tenant, make_call, make_outcome, make_tenant


async def spend(server: GatewayServer, tenant: Tenant, amount: int, *, at: datetime) -> None:
    call = make_call(await server.storage.access.resolve(tenant.token), at=at)
    await server.storage.journal.open(call, HAIKU, amount)
    await server.storage.journal.close(make_outcome(call, charge=amount))


async def test_a_day_of_the_last_period_shows_what_was_used_then(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, allotment=1_000, spend_cap=400)
    now = datetime.now(UTC)
    day = period_of(now).start - timedelta(days=3)
    await spend(gateway_server, tenant, 30, at=day)
    await spend(gateway_server, tenant, 7, at=now)

    reply = await gateway_server.get(f"/v1/usage?period={day:%Y-%m-%d}", key=tenant.token)

    last = period_of(day)
    data = reply.json()["data"]
    assert data["period"] == {"start": last.start.isoformat(), "end": last.end.isoformat(), "time_zone": "UTC"}
    assert data["credits"] == {
        "allotment": 1_000,
        "carried": 0,
        "spend_cap": 400,
        "limit": 400,
        "used": 30,
        "held": 0,
        "remaining": 370,
        "overrun": 0,
        "overage_purchased": 0,
        "overage_consumed": 0,
    }
    assert [(line["date"], line["credits"]) for line in data["by_day"]] == [(f"{day:%Y-%m-%d}", 30)]


async def test_today_shows_what_no_day_shows(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    now = datetime.now(UTC)
    await spend(gateway_server, tenant, 7, at=now)

    shown = [
        (await gateway_server.get(path, key=tenant.token)).json()["data"]
        for path in ("/v1/usage", f"/v1/usage?period={now:%Y-%m-%d}")
    ]

    assert shown[0] == shown[1]


async def test_a_past_period_is_a_table_too(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    day = period_of(datetime.now(UTC)).start - timedelta(days=3)
    await spend(gateway_server, tenant, 30, at=day)

    table = await gateway_server.get(
        f"/v1/usage?period={day:%Y-%m-%d}", key=tenant.token, headers={"accept": "text/csv"}
    )

    first = f"{period_of(day).start:%Y-%m-%d}"
    assert table.headers["content-disposition"] == f'attachment; filename="usage-{first}.csv"'
    assert f"{first},day,{day:%Y-%m-%d},,1,20,10,30,".encode() in table.body


OTHERS = ("2099-01-01", "2020-01-01", "0001-01-01", "9999-12-31")
"""Days of periods that are not on record."""
GARBAGE = ("", "%20", "0", "1767225600", "2026-02-30", "2026-13-01", "0000-01-01", "2026-1-1", "2026-01", "current")
DIGITS_OF_OTHERS = "2026-01-0%D9%A1"


@pytest.mark.parametrize("period", [*OTHERS, *GARBAGE, "2026-01-01T00:00:00Z", DIGITS_OF_OTHERS])
async def test_a_day_of_no_period_is_422_naming_the_parameter(gateway_server: GatewayServer, period: str) -> None:
    reply = await gateway_server.get(f"/v1/usage?period={period}")

    error = reply.json()["error"]
    assert (reply.status, error["code"], error["param"]) == (422, "VALIDATION_FAILED", "period")
    assert not period or period not in error["message"]


async def test_two_days_are_not_one(gateway_server: GatewayServer) -> None:
    reply = await gateway_server.get("/v1/usage?period=2026-01-01&period=2026-02-01")

    assert reply.status == 422
