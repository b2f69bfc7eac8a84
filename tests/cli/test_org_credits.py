"""`hasp org credits` on a real database."""

import os
import subprocess

from gateway.ids import new_ulid
from gateway.settings import Settings
from gateway.tenancy import KeyMode, Principal
from storage import Storage
from tests.commands import run_hasp
from tests.conftest import Database
from tests.tenants import make_tenant


def run(settings: Settings, database: Database, *options: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("HASP_")}
    environ |= {"HASP_DATABASE_URL": database.app_url, "HASP_KEYRING_FILE": str(settings.keyring_file)}
    return run_hasp("org", "credits", *options, env=environ)


async def test_the_allotment_changes(storage: Storage, settings: Settings, database: Database) -> None:
    tenant = await make_tenant(storage, allotment=100)

    ran = run(settings, database, "--org", tenant.org, "--allotment", "250")

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    async with storage.read(Principal(tenant.org, None, frozenset(), KeyMode.LIVE)) as tx:
        assert (await tx.organization.get()).credits_allotment == 250


async def test_an_organisation_that_is_not_there_is_one_line(settings: Settings, database: Database) -> None:
    ran = run(settings, database, "--org", new_ulid(), "--allotment", "250")

    assert ran.returncode == 1
    assert ran.stderr.startswith("hasp: ")
    assert ran.stderr.count("\n") == 1
