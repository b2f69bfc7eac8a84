"""`hasp audit review` on a real database."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.operator import operator
from gateway.audit import AuditAction
from gateway.errors import MissingScopeError
from gateway.ids import InferenceId, new_ulid
from gateway.inference.ports import Refusal
from gateway.settings import Settings
from storage import Storage
from storage.refusal_summaries import sum_up
from tests.conftest import Database
from tests.tenants import Tenant, make_tenant

REFUSED = 70
"""More than have entries of their own."""


@pytest.fixture
async def tenant(storage: Storage, settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch) -> Tenant:
    monkeypatch.setenv("HASP_DATABASE_URL", database.app_url)
    monkeypatch.setenv("HASP_KEYRING_FILE", str(settings.keyring_file))
    return await make_tenant(storage)


async def reviewed(tenant: Tenant, *options: str) -> dict[str, list[dict[str, Any]]]:
    argv = ["audit", "review", "--org", tenant.org, "--json", *options]
    ran = await asyncio.to_thread(CliRunner().invoke, app, argv)
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.stdout)


async def test_refusals_that_were_only_counted_count_in_full(storage: Storage, tenant: Tenant) -> None:
    at = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=10)
    for _ in range(REFUSED):
        refusal = Refusal(
            tenant.org, InferenceId(new_ulid()), MissingScopeError(), at, actor="key:k", ip_address="192.0.2.7"
        )
        await storage.journal.refuse(refusal)
    await sum_up(storage.pool, storage.clock)

    refused = (await reviewed(tenant))["refusal"]

    assert {line["what"] for line in refused} == {"scope MISSING_SCOPE"}
    assert sum(line["times"] for line in refused) == REFUSED


async def test_reads_and_commands_are_told_with_who_did_them(storage: Storage, tenant: Tenant) -> None:
    async with storage.as_operator(tenant.org, command="test") as tx:
        tx.audit(AuditAction.AI_MESSAGE_RETRIEVED, entity_type="inference", entity_id=new_ulid())
    await reviewed(tenant)

    told = await reviewed(tenant)

    assert {(line["what"], line["actor"]) for line in told["read"]} == {
        ("ai.message.retrieved", "system:test"),
        ("audit.read", operator()),
    }
    assert [(line["what"], line["times"]) for line in told["command"]] == [("audit.review", 1)]


async def test_what_was_before_is_left_out(tenant: Tenant) -> None:
    tomorrow = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"

    assert (await reviewed(tenant, "--since", tomorrow))["action"] == []


async def test_without_json_it_is_a_table(tenant: Tenant) -> None:
    ran = await asyncio.to_thread(CliRunner().invoke, app, ["audit", "review", "--org", tenant.org])

    assert ran.stdout.startswith("All acts\n       1  organization.created  20")
    assert "\n\nRefused\n       0\n" in ran.stdout
