"""`hasp books verify` on a real database."""

import os
import subprocess

import psycopg
import pytest

from gateway.ids import new_ulid
from gateway.inference.call import Call
from gateway.settings import Settings
from storage import Storage
from tests.commands import run_hasp
from tests.conftest import Database
from tests.tenants import HAIKU, Tenant, make_call, make_outcome, make_tenant


@pytest.fixture
def environ(settings: Settings, database: Database) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HASP_")}
    return inherited | {"HASP_DATABASE_URL": database.app_url, "HASP_KEYRING_FILE": str(settings.keyring_file)}


def verify(environ: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    return run_hasp("books", "verify", *options, env=environ)


async def spent(storage: Storage, tenant: Tenant) -> Call:
    call = make_call(await storage.access.resolve(tenant.token))
    await storage.journal.open(call, HAIKU, 100)
    await storage.journal.close(make_outcome(call, charge=60))
    return call


async def test_sound_books_are_said_to_be_sound(storage: Storage, environ: dict[str, str]) -> None:
    tenants = [await make_tenant(storage) for _ in range(2)]
    for tenant in tenants:
        await spent(storage, tenant)

    told = verify(environ)

    assert (told.returncode, told.stderr) == (0, "")
    assert [line.split()[:2] for line in told.stdout.splitlines()] == [
        ["ok", org] for org in sorted(tenant.org for tenant in tenants)
    ]


async def test_each_check_that_fails_is_a_line_and_the_exit_code_tells(
    storage: Storage, environ: dict[str, str], database: Database
) -> None:
    tenant, neighbour = await make_tenant(storage), await make_tenant(storage)
    call = await spent(storage, tenant)
    await spent(storage, neighbour)
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("update credit_holds set holders = array['organization'] where id = %s", [call.id])

    told, of_neighbour = verify(environ), verify(environ, "--org", neighbour.org)

    assert (told.returncode, of_neighbour.returncode) == (1, 0)
    bad = [line for line in told.stdout.splitlines() if line.startswith("BAD")]
    assert {line.split()[1] for line in bad} == {tenant.org}
    assert any(f"posted_and_usage  key:{tenant.key.id}  recorded 60, proven 0" in line for line in bad)
    assert any(f"holders_of_call  1 calls, first {call.id}" in line for line in bad)


def test_the_books_of_nobody_are_not_sound(environ: dict[str, str]) -> None:
    told = verify(environ, "--org", new_ulid())

    assert (told.returncode, told.stdout, told.stderr) == (1, "", "hasp: The organization does not exist.\n")


def test_what_is_not_an_id_is_refused_in_one_line(environ: dict[str, str]) -> None:
    told = verify(environ, "--org", "nobody")

    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr == "hasp: --org is not an organization's id\n"
