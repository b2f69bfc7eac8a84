"""`hasp end-user` on a real database."""

import asyncio
import json

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from gateway.settings import Settings
from storage import Storage
from tests.conftest import Database
from tests.tenants import Tenant, make_tenant

NAME = "maria.lopez@mercy.example"
UNKNOWN = "01K0B6W4M7RT2V9YQ3X5ZC8D1E"


@pytest.fixture(autouse=True)
def environ(settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HASP_DATABASE_URL", database.app_url)
    monkeypatch.setenv("HASP_KEYRING_FILE", str(settings.keyring_file))


async def hasp(tenant: Tenant, *arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, ["end-user", *arguments, "--org", tenant.org])


async def test_people_are_listed_without_their_names(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    person = await storage.end_users.of(tenant.org, NAME)

    listed = await hasp(tenant, "list")

    (line,) = map(json.loads, listed.stdout.splitlines())
    assert (line["id"], line["subject_id_hmac"], line["hold"]) == (person.id, person.digest, None)
    assert NAME not in listed.output


async def test_a_hold_is_set_and_taken_away(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    person = await storage.end_users.of(tenant.org, NAME)

    held = json.loads((await hasp(tenant, "hold", person.id, "--reason", "litigation")).stdout)
    released = json.loads((await hasp(tenant, "release", person.id)).stdout)

    assert held["hold"]["reason"] == "litigation"
    assert released["hold"] is None


@pytest.mark.parametrize("given", [NAME, UNKNOWN])
async def test_who_is_not_known_by_an_id_is_not_held(storage: Storage, given: str) -> None:
    tenant = await make_tenant(storage)
    await storage.end_users.of(tenant.org, NAME)

    ran = await hasp(tenant, "hold", given, "--reason", "other")

    assert ran.exit_code != 0
    assert NAME not in f"{ran.output}{ran.exception}"


async def test_another_organisation_s_people_are_not_held(storage: Storage) -> None:
    person = await storage.end_users.of((await make_tenant(storage)).org, NAME)

    ran = await hasp(await make_tenant(storage), "hold", person.id, "--reason", "other")

    assert ran.exit_code != 0
