"""Usage as a table for spreadsheets, over real HTTP."""

import csv
import io

import pytest

from gateway.audit import AuditAction
from gateway.tenancy import KeyMode, Scope
from tests.gateway_server import GatewayServer, Reply
from tests.tenants import Tenant, make_tenant

CSV = {"accept": "text/csv"}


async def used(server: GatewayServer, *, key_name: str) -> tuple[Tenant, str]:
    """An organisation with one call, by a key of that name; and the key's id."""
    tenant = await make_tenant(server.storage)
    async with server.storage.as_operator(tenant.org, command="test") as tx:
        key, token = await tx.keys.add(name=key_name, scopes=[Scope.AI_CHAT], mode=KeyMode.LIVE)
        tx.audit(AuditAction.API_KEY_CREATED, entity_type="api_key", entity_id=key.id)
    reply = await server.post("/v1/ai/chat", {"message": "Hi", "stream": False, "max_tokens": 50}, key=token)
    assert reply.status == 200
    return tenant, key.id


def rows_of(reply: Reply) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(reply.body.decode(), newline="")))


async def test_days_models_and_keys_are_lines_with_the_figures_of_the_json(gateway_server: GatewayServer) -> None:
    tenant, key_id = await used(gateway_server, key_name='Clinic "North", 2')

    table = await gateway_server.get("/v1/usage", key=tenant.token, headers=CSV)
    usage = (await gateway_server.get("/v1/usage", key=tenant.token)).json()["data"]

    start = usage["period"]["start"][:10]
    totals = {name: str(usage["by_day"][0][name]) for name in ("requests", "input_tokens", "output_tokens", "credits")}
    totals["cost_usd"] = f"{usage['by_day'][0]['cost_usd']:.6f}"
    assert rows_of(table) == [
        {"period_start": start, "group": group, "id": label, "name": name, **totals}
        for group, label, name in (
            ("day", usage["by_day"][0]["date"], ""),
            ("model", "claude-sonnet-4-6", ""),
            ("key", key_id, 'Clinic "North", 2'),
        )
    ]
    assert b'"Clinic ""North"", 2"' in table.body
    assert table.body.count(b"\r\n") == table.body.count(b"\n") == 4
    assert table.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert table.headers["content-disposition"] == f'attachment; filename="usage-{start}.csv"'


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", " =1+1", "\uff1d1+1"])
async def test_a_name_that_a_spreadsheet_would_run_is_text(gateway_server: GatewayServer, name: str) -> None:
    tenant, _ = await used(gateway_server, key_name=name)

    table = await gateway_server.get("/v1/usage", key=tenant.token, headers=CSV)

    assert [row["name"] for row in rows_of(table) if row["group"] == "key"] == [f"'{name}"]


async def test_an_organisation_without_calls_has_a_table_of_its_header_only(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)

    table = await gateway_server.get("/v1/usage", key=tenant.token, headers=CSV)

    assert table.body == b"period_start,group,id,name,requests,input_tokens,output_tokens,credits,cost_usd\r\n"


@pytest.mark.parametrize(
    ("accept", "given"),
    [
        ("text/csv", "text/csv"),
        ("Text/CSV; charset=utf-8", "text/csv"),
        ("text/csv, */*;q=0.1", "text/csv"),
        ("text/csv, application/json; q=0.9", "text/csv"),
        ("text/csv, application/json", "application/json"),
        ("text/csv;q=0.5, application/json", "application/json"),
        ("text/csv;q=0", "application/json"),
        ("text/csv;q=much", "application/json"),
        ("text/csv;q=1e9", "application/json"),
        ("*/*", "application/json"),
        ("text/html", "application/json"),
        ("", "application/json"),
        (";,;q=,", "application/json"),
    ],
)
async def test_csv_is_for_those_who_want_it_more_than_json(
    gateway_server: GatewayServer, accept: str, given: str
) -> None:
    reply = await gateway_server.get("/v1/usage", headers={"accept": accept})

    assert (reply.status, reply.headers["content-type"].partition(";")[0]) == (200, given)
    assert reply.headers["vary"] == "accept"


async def test_a_refusal_is_json_whatever_was_wanted(gateway_server: GatewayServer) -> None:
    reply = await gateway_server.get("/v1/usage?period=previous", headers=CSV)

    assert (reply.status, reply.json()["error"]["code"]) == (422, "VALIDATION_FAILED")


async def test_a_table_shows_no_other_organisation(gateway_server: GatewayServer) -> None:
    _, foreign = await used(gateway_server, key_name="Elsewhere")
    tenant, own = await used(gateway_server, key_name="Here")

    table = await gateway_server.get("/v1/usage", key=tenant.token, headers=CSV)

    assert own.encode() in table.body
    assert foreign.encode() not in table.body
    assert b"Elsewhere" not in table.body
