"""`hasp retention` on a real database."""

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from gateway.ids import new_ulid
from gateway.settings import Settings
from storage import Storage
from tests.commands import run_hasp
from tests.conftest import Database
from tests.storage.past import left, made_at
from tests.tenants import Tenant, make_tenant

NOW = datetime.now(UTC)
AGO = timedelta(days=100)


@pytest.fixture
def environ(settings: Settings, database: Database) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HASP_")}
    return inherited | {"HASP_DATABASE_URL": database.app_url, "HASP_KEYRING_FILE": str(settings.keyring_file)}


def hasp(environ: dict[str, str], command: str, org: str) -> subprocess.CompletedProcess[str]:
    return run_hasp("retention", command, "--org", org, env=environ)


def printed(environ: dict[str, str], command: str, tenant: Tenant) -> dict[str, Any]:
    ran = hasp(environ, command, tenant.org)
    assert (ran.returncode, ran.stderr) == (0, "")
    return json.loads(ran.stdout)


async def keeping(storage: Storage, days: int) -> Tenant:
    """Has a record of 100 days ago and one of now; its retention has been `days` for long."""
    tenant = await make_tenant(storage)
    await made_at(storage, tenant, NOW - AGO)
    await made_at(storage, tenant, NOW)
    async with storage.pool.connection() as connection:
        await connection.execute("update organizations set retention_days = %s where id = %s", [days, tenant.org])
    return tenant


async def test_what_is_kept_is_shown_with_what_is_due_and_nothing_is_destroyed(
    storage: Storage, environ: dict[str, str], database: Database
) -> None:
    tenant = await keeping(storage, 30)

    shown = printed(environ, "show", tenant)

    assert shown == {
        "retention_days": 30,
        "legal_hold": False,
        "effective_days": 30,
        "held": False,
        "takes_effect_at": None,
        "oldest_day": (NOW - AGO).date().isoformat(),
        "due_through": (datetime.now(UTC) - timedelta(days=31)).date().isoformat(),
        "reason": "retention",
        "due": {"keys": 1, "records": 1},
        "last_purges": [],
    }
    assert len(left(database, tenant)) == 2


async def test_a_purge_destroys_what_is_due_as_whoever_ordered_it(
    storage: Storage, environ: dict[str, str], database: Database
) -> None:
    tenant = await keeping(storage, 30)

    done = printed(environ | {"HASP_OPERATOR": "jordan.reyes"}, "purge", tenant)
    again = printed(environ, "purge", tenant)

    assert (done, again) == ({"keys": 1, "records": 1}, {"keys": 0, "records": 0})
    assert len(left(database, tenant)) == 1
    (last,) = printed(environ, "show", tenant)["last_purges"]
    assert (last["keys"], last["records"], last["finished_at"] is not None) == (1, 1, True)
    with psycopg.connect(database.owner_url) as owner:
        actors = owner.execute(
            "select distinct actor from audit_entries where action in ('retention.purged', 'retention.keys_destroyed')"
        ).fetchall()
    assert [actor.endswith("/jordan.reyes") for (actor,) in actors] == [True]


async def test_a_purge_destroys_nothing_under_a_hold(
    storage: Storage, environ: dict[str, str], database: Database
) -> None:
    tenant = await keeping(storage, 30)
    async with storage.pool.connection() as connection:
        await connection.execute("update organizations set legal_hold = true where id = %s", [tenant.org])

    done, shown = printed(environ, "purge", tenant), printed(environ, "show", tenant)

    assert done == {"keys": 0, "records": 0}
    assert (shown["held"], shown["due_through"], shown["due"]) == (True, None, {"keys": 0, "records": 0})
    assert len(left(database, tenant)) == 2


@pytest.mark.parametrize("command", ["show", "purge"])
@pytest.mark.parametrize("org", ["Quillfeather", ""])
def test_an_organisation_that_is_none_is_refused_in_one_line(
    environ: dict[str, str], database: Database, command: str, org: str
) -> None:
    ran = hasp(environ, command, org or new_ulid())

    assert (ran.returncode, ran.stderr.count("\n"), ran.stdout) == (1, 1, "")
    assert "Quillfeather" not in ran.stderr
