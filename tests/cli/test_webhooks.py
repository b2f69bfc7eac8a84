"""`hasp webhook` on a real database."""

import asyncio
import json

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from gateway.ids import new_ulid
from gateway.settings import Settings
from storage import Storage
from storage.pool import fetch
from tests.conftest import Database
from tests.storage.webhooks import deliveries, put_endpoint
from tests.tenants import Tenant, make_tenant


@pytest.fixture(autouse=True)
def environ(settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HASP_DATABASE_URL", database.app_url)
    monkeypatch.setenv("HASP_KEYRING_FILE", str(settings.keyring_file))


async def hasp(tenant: Tenant, *arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, ["webhook", *arguments, "--org", tenant.org])


async def state_of(tenant: Tenant, endpoint: str) -> tuple[str, str | None]:
    (line,) = [json.loads(line) for line in (await hasp(tenant, "list")).stdout.splitlines() if endpoint in line]
    return line["state"], line["disabled_because"]


async def test_a_webhook_is_listed_without_the_path_of_its_url(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    endpoint = await put_endpoint(storage, tenant, ["phi.blocked"])
    await put_endpoint(storage, tenant, state="deleted")
    url = "update webhook_endpoints set url = 'https://hooks.example/T0P-SECRET' where id = %s returning id"
    await fetch(storage.pool, url, [endpoint])

    listed = await hasp(tenant, "list")

    (webhook,) = map(json.loads, listed.stdout.splitlines())
    assert (webhook["id"], webhook["host"], webhook["events"]) == (endpoint, "hooks.example", ["phi.blocked"])
    assert "T0P-SECRET" not in listed.stdout


async def test_a_webhook_is_disabled_and_enabled_again(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    endpoint, gone = await put_endpoint(storage, tenant), await put_endpoint(storage, tenant, state="disabled")

    assert (await hasp(tenant, "disable", endpoint)).exit_code == 0
    paused = await state_of(tenant, endpoint)
    for each in (endpoint, gone):
        assert (await hasp(tenant, "enable", each)).exit_code == 0

    assert paused == ("paused", None)
    assert [await state_of(tenant, each) for each in (endpoint, gone)] == [("active", None)] * 2


async def test_a_test_is_sent_to_one_webhook(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    endpoint, _ = await put_endpoint(storage, tenant), await put_endpoint(storage, tenant)

    said = await hasp(tenant, "test", endpoint, "--event", "phi.blocked")

    ((to, _, kind, state),) = await deliveries(storage, tenant)
    assert (to, kind, state) == (endpoint, "phi.blocked", "pending")
    found = await fetch(storage.pool, "select id from webhook_deliveries where org_id = %s", [tenant.org])
    assert found == [(said.stdout.strip(),)]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("disable", "nonsense"), "WEBHOOK is not a webhook's id"),
        (("enable", new_ulid()), "The webhook does not exist"),
        (("test", new_ulid(), "--event", "nonsense"), "`--event` is not an event"),
        (("test", new_ulid()), "The webhook does not exist"),
    ],
)
async def test_what_cannot_be_done_says_why(storage: Storage, arguments: tuple[str, ...], reason: str) -> None:
    ran = await hasp(await make_tenant(storage), *arguments)

    assert ran.exit_code != 0
    assert reason in str(ran.exception)
