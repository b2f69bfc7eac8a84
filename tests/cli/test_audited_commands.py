"""Every `hasp` command either leaves an audit entry that says who gave it, or there is a reason why it does not."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli.main import app
from cli.operator import operator
from gateway.audit import AuditAction
from gateway.clock import SystemClock
from gateway.ids import PLATFORM, OrganizationId
from gateway.inference.records import AuditFilter, AuditRecord
from gateway.settings import Settings
from gateway.tenancy import KeyMode, Principal
from storage import Storage
from storage.audit_keys import signing_key
from storage.sequencer import Sequencer
from tests.agents import make_agent
from tests.conftest import Database
from tests.embedded import free_port
from tests.storage.webhooks import put_endpoint
from tests.tenants import Tenant, make_tenant

CANARY = "Quillfeather"
SIGNER = f"--signer-name {CANARY} --signer-title Officer --signer-email {CANARY}@hospital.example"


@dataclass(frozen=True, slots=True)
class Audited:
    """What a command leaves, in the chain of `{org}` or of the platform."""

    action: AuditAction
    arguments: str = "--org {org}"
    by_platform: bool = False


AUDITED = {
    "org create": Audited(AuditAction.ORGANIZATION_CREATED, f"--name {CANARY}"),
    "org policy": Audited(AuditAction.POLICY_UPDATED, "--org {org} --storage-mode none"),
    "org credits": Audited(AuditAction.CREDITS_ALLOTTED, "--org {org} --allotment 5"),
    "key create": Audited(AuditAction.API_KEY_CREATED, "--org {org} --name " + CANARY),
    "key list": Audited(AuditAction.API_KEY_LISTED),
    "key rotate": Audited(AuditAction.API_KEY_ROTATED, "{key} --org {org}"),
    "key revoke": Audited(AuditAction.API_KEY_REVOKED, "{key} --org {org}"),
    "baa accept": Audited(AuditAction.BAA_ACCEPTED, "--org {org} " + SIGNER),
    "baa terminate": Audited(AuditAction.BAA_TERMINATED),
    "webhook list": Audited(AuditAction.WEBHOOK_ENDPOINT_LISTED),
    "webhook disable": Audited(AuditAction.WEBHOOK_ENDPOINT_UPDATED, "{webhook} --org {org}"),
    "webhook enable": Audited(AuditAction.WEBHOOK_ENDPOINT_UPDATED, "{webhook} --org {org}"),
    "webhook test": Audited(AuditAction.WEBHOOK_ENDPOINT_TESTED, "{webhook} --org {org}"),
    "agent list": Audited(AuditAction.AGENT_LISTED),
    "agent archive": Audited(AuditAction.AGENT_ARCHIVED, "{agent} --org {org}"),
    "end-user list": Audited(AuditAction.END_USER_LISTED),
    "end-user hold": Audited(AuditAction.END_USER_HELD, "{end_user} --org {org} --reason other"),
    "end-user release": Audited(AuditAction.END_USER_RELEASED, "{end_user} --org {org}"),
    "books verify": Audited(AuditAction.BOOKS_VERIFIED),
    "retention show": Audited(AuditAction.RETENTION_READ),
    "audit verify": Audited(AuditAction.AUDIT_VERIFIED),
    "audit review": Audited(AuditAction.AUDIT_READ),
    "audit keys retire": Audited(AuditAction.AUDIT_KEY_RETIRED, "{audit_key}", by_platform=True),
    "audit keys revoke": Audited(AuditAction.AUDIT_KEY_REVOKED, "{audit_key}", by_platform=True),
    "keyring rotate": Audited(AuditAction.KEYRING_ROTATED, "root", by_platform=True),
    "keyring rewrap": Audited(AuditAction.DATA_KEYS_REWRAPPED, "", by_platform=True),
    "migrate": Audited(AuditAction.DATABASE_MIGRATED, "", by_platform=True),
}

STARTS = "starts or stops processes, which audit what they do"
FILES = "reads files that it is given, and needs no installation"
PUBLIC = "shows what is published"
UNAUDITED = {
    "up": STARTS,
    "down": STARTS,
    "api": STARTS,
    "worker": STARTS,
    "sandbox": STARTS,
    "demo-seed": "is `migrate`, `org create`, `baa accept` and `key create`, which are audited",
    "retention purge": "audits whatever it destroys, and does nothing else",
    "restore tombstones": "audits whom it erases again, and does nothing else",
    "keyring init": "makes a file before there is an installation, and never changes one",
    "baa seal": "makes files that no process uses yet; every document names the certificate that sealed it",
    "baa show": PUBLIC,
    "audit keys list": PUBLIC,
    "audit certificate": FILES,
    "baa verify": FILES,
    "phi scan": FILES,
    "catalog check": FILES,
}


def commands(group: typer.Typer, *above: str) -> Iterator[str]:
    root = typer.main.get_command(group)

    def below(command: object, *names: str) -> Iterator[str]:
        nested = getattr(command, "commands", None)
        if nested is None:
            yield " ".join(names)
            return
        for name, each in nested.items():
            yield from below(each, *names, name)

    yield from below(root, *above)


def test_every_command_is_audited_or_says_why_not() -> None:
    assert sorted(commands(app)) == sorted([*AUDITED, *UNAUDITED])


@pytest.fixture
async def tenant(
    storage: Storage, settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Tenant:
    monkeypatch.setenv("HASP_DATABASE_URL", database.app_url)
    monkeypatch.setenv("HASP_DATABASE_OWNER_URL", database.owner_url)
    monkeypatch.setenv("HASP_KEYRING_FILE", str(settings.keyring_file))
    monkeypatch.setenv("HASP_OPERATOR", "jordan.reyes")
    monkeypatch.chdir(tmp_path)
    await Sequencer(storage.pool, SystemClock(), signing_key(storage.keyring.audit)).seal()
    return await make_tenant(storage)


@pytest.mark.parametrize("command", AUDITED)
async def test_a_command_leaves_one_entry_that_says_who_gave_it(storage: Storage, tenant: Tenant, command: str) -> None:
    audited = AUDITED[command]

    said = await hasp(storage, tenant, command, audited.arguments)

    org = PLATFORM if audited.by_platform else said if command == "org create" else tenant.org
    [entry] = [each for each in await entries(storage, org, audited.action) if each.actor == operator()]
    assert operator().endswith("/jordan.reyes")
    assert CANARY not in str(entry.metadata)


async def test_a_ring_is_not_rotated_where_nobody_can_be_told(
    storage: Storage, settings: Settings, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HASP_DATABASE_URL", f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    before = settings.keyring_file.read_bytes()

    ran = await asyncio.to_thread(CliRunner().invoke, app, ["keyring", "rotate", "root"])

    assert ran.exit_code == 1
    assert settings.keyring_file.read_bytes() == before


async def test_a_schema_is_told_of_once(storage: Storage, tenant: Tenant) -> None:
    for _ in range(2):
        await hasp(storage, tenant, "migrate", "")

    assert len(await entries(storage, PLATFORM, AuditAction.DATABASE_MIGRATED)) == 1


async def hasp(storage: Storage, tenant: Tenant, command: str, arguments: str) -> str:
    names = {
        "org": tenant.org,
        "key": tenant.key.id,
        "audit_key": signing_key(storage.keyring.audit).key_id,
        "webhook": await put_endpoint(storage, tenant) if "{webhook}" in arguments else None,
        "agent": await make_agent(storage, tenant.org) if "{agent}" in arguments else None,
        "end_user": (await storage.end_users.of(tenant.org, CANARY)).id if "{end_user}" in arguments else None,
    }
    argv = [*command.split(), *arguments.format(**names).split()]
    ran = await asyncio.to_thread(CliRunner().invoke, app, argv)
    assert ran.exit_code == 0, ran.output
    return ran.stdout.strip()


async def entries(storage: Storage, org: str, action: AuditAction) -> list[AuditRecord]:
    principal = Principal(OrganizationId(org), None, frozenset(), KeyMode.LIVE)
    async with storage.read(principal) as view:
        return list((await view.audit_log.page(AuditFilter(action=action), cursor=None, limit=10)).items)
