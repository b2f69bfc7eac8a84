"""`hasp audit verify` without an export: the chains of a real database."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from gateway.audit.signing import SigningKey
from gateway.clock import SystemClock
from gateway.settings import Settings
from storage import Storage, audit_checkpoints
from storage.audit_keys import signing_key
from storage.sequencer import Sequencer
from tests.conftest import Database
from tests.tenants import Tenant, make_tenant

NOBODY = "01JQ0000000000000000000009"


@pytest.fixture
def environ(settings: Settings, database: Database) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HASP_")}
    return inherited | {"HASP_DATABASE_URL": database.app_url, "HASP_KEYRING_FILE": str(settings.keyring_file)}


def verify(environ: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "cli", "audit", "verify", *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, env=environ)


async def sealed_tenant(storage: Storage) -> Tenant:
    tenant = await make_tenant(storage)
    await Sequencer(storage.pool, SystemClock(), signing_key(storage.keyring.audit)).seal()
    return tenant


async def kept(storage: Storage, tenant: Tenant, path: Path) -> Path:
    """The event that told of a checkpoint, as the customer kept it."""
    await audit_checkpoints.advance(storage.pool, tenant.org, signing_key(storage.keyring.audit), SystemClock())
    latest = await audit_checkpoints.latest(storage.pool, tenant.org)
    assert latest is not None
    path.write_text(json.dumps({"type": "audit.checkpoint", "data": audit_checkpoints.described(latest.checkpoint)}))  # noqa: ASYNC240
    return path


async def test_a_sound_chain_is_ok_and_what_waits_is_told(storage: Storage, environ: dict[str, str]) -> None:
    sealed, waiting = await sealed_tenant(storage), await make_tenant(storage)

    answer = verify(environ)

    lines = answer.stdout.splitlines()
    assert answer.returncode == 0
    (of_waiting,) = [number for number, line in enumerate(lines) if waiting.org in line]
    assert lines[of_waiting + 1].startswith("      1 not sealed yet, the oldest for ")
    assert f"ok    {sealed.org}  1 entries" in answer.stdout


@pytest.mark.parametrize("given", [NOBODY, "nobody"])
async def test_an_organisation_that_is_not_there_is_not_sound(
    storage: Storage, environ: dict[str, str], given: str
) -> None:
    answer = verify(environ, "--org", given)

    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr == "hasp: --org is no organization here\n"


async def test_a_log_cut_off_with_its_checkpoints_is_caught_by_a_kept_one(
    storage: Storage, environ: dict[str, str], database: Database, tmp_path: Path
) -> None:
    tenant = await sealed_tenant(storage)
    checkpoint = await kept(storage, tenant, tmp_path / "kept.json")
    before = verify(environ, "--org", tenant.org, "--checkpoint", checkpoint)

    with psycopg.connect(database.owner_url) as owner:
        owner.execute("set session_replication_role = replica")
        for table in ("audit_seals", "audit_pending", "audit_entries", "audit_checkpoints"):
            owner.execute(f"delete from {table} where true")  # pyright: ignore[reportArgumentType, reportCallIssue]
    after = verify(environ, "--org", tenant.org, "--checkpoint", checkpoint)

    assert (before.returncode, after.returncode) == (0, 1)
    assert after.stdout.startswith(f"BAD   {tenant.org}  truncated after entry 0\n")


async def test_a_checkpoint_that_would_be_passed_over_is_refused(
    storage: Storage, environ: dict[str, str], tmp_path: Path
) -> None:
    tenant, other = await sealed_tenant(storage), await sealed_tenant(storage)
    checkpoint = await kept(storage, tenant, tmp_path / "kept.json")

    answer = verify(environ, "--org", other.org, "--checkpoint", checkpoint)

    assert (answer.returncode, answer.stdout) == (2, "")


async def test_a_key_that_somebody_added_to_the_published_ones_is_named(
    storage: Storage, environ: dict[str, str], database: Database
) -> None:
    tenant, added = await sealed_tenant(storage), SigningKey(bytes(32))
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("set session_replication_role = replica")
        owner.execute(
            "insert into audit_keys (key_id, public_key_pem, status, published_at, retired_at)"
            " values (%s, %s, 'retired', now() - interval '1 day', now() + interval '1 day')",
            [added.key_id, added.public_key_pem],
        )
        for entry_id, sealed in owner.execute("select entry_id, hash from audit_seals").fetchall():
            owner.execute(
                "update audit_seals set key_id = %s, signature = %s where entry_id = %s",
                [added.key_id, added.sign(sealed), entry_id],
            )

    answer = verify(environ, "--org", tenant.org)

    assert answer.returncode == 1
    assert answer.stdout.splitlines()[-1] == f"BAD   key {added.key_id} is published, and is not in this keyring"
