"""`hasp agent` on a real database."""

import asyncio
import json

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from gateway.settings import Settings
from storage import Storage
from tests.agents import make_agent, make_credential
from tests.conftest import Database
from tests.tenants import Tenant, make_tenant

UNKNOWN = "01K0B6W4M7RT2V9YQ3X5ZC8D1E"


@pytest.fixture(autouse=True)
def environ(settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HASP_DATABASE_URL", database.app_url)
    monkeypatch.setenv("HASP_KEYRING_FILE", str(settings.keyring_file))


async def hasp(tenant: Tenant, *arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, ["agent", *arguments, "--org", tenant.org])


async def statuses(tenant: Tenant, *options: str) -> dict[str, str]:
    listed = await hasp(tenant, "list", *options)
    assert listed.exit_code == 0, listed.exception
    return {line["id"]: line["status"] for line in map(json.loads, listed.stdout.splitlines())}


async def test_an_archived_agent_s_credentials_are_refused_and_named(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    agent, other = [await make_agent(storage, tenant.org) for _ in range(2)]
    root = await make_credential(storage, tenant.org, agent)
    child = await make_credential(storage, tenant.org, other, parent=root)

    before = await statuses(tenant)
    said = json.loads((await hasp(tenant, "archive", agent)).stdout)
    again = json.loads((await hasp(tenant, "archive", agent)).stdout)

    assert before == {agent: "active", other: "active"}
    assert sorted(said["cascade_revoked_credential_ids"]) == sorted([root.id, child.id])
    assert again == said
    assert await statuses(tenant) == {other: "active"}
    assert await statuses(tenant, "--all") == {agent: "archived", other: "active"}
    known = await storage.introspection.find(tenant.org, child.token)
    assert known is not None
    assert not known.is_usable


@pytest.mark.parametrize(
    ("given", "reason"), [("nonsense", "AGENT is not an agent's id"), (UNKNOWN, "The agent does not exist")]
)
async def test_what_cannot_be_archived_says_why(storage: Storage, given: str, reason: str) -> None:
    ran = await hasp(await make_tenant(storage), "archive", given)

    assert ran.exit_code != 0
    assert reason in str(ran.exception)
