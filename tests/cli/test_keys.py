"""`hasp key` on a real database."""

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.errors import InvalidApiKeyError
from gateway.ids import new_ulid
from gateway.settings import Settings
from storage import Storage
from tests.commands import run_hasp
from tests.conftest import Database
from tests.tenants import Tenant, make_tenant

Ran = subprocess.CompletedProcess[str]


@pytest.fixture
def environ(settings: Settings, database: Database) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HASP_")}
    return inherited | {"HASP_DATABASE_URL": database.app_url, "HASP_KEYRING_FILE": str(settings.keyring_file)}


def hasp_key(environ: dict[str, str], tenant: Tenant, command: str, *arguments: str) -> Ran:
    return run_hasp("key", command, "--org", tenant.org, *arguments, env=environ)


def listed(environ: dict[str, str], tenant: Tenant) -> list[dict[str, Any]]:
    return [json.loads(line) for line in hasp_key(environ, tenant, "list").stdout.splitlines()]


async def test_a_key_has_the_bounds_that_it_was_created_with(storage: Storage, environ: dict[str, str]) -> None:
    tenant = await make_tenant(storage)

    bounds = (
        "--owner",
        "j.reyes",
        "--expires",
        "90d",
        "--ip",
        "192.0.2.0/24",
        "--ip",
        "2001:db8::1",
        "--credit-cap",
        "5000",
    )
    made = hasp_key(environ, tenant, "create", "--name", "CI", *bounds)

    assert (made.returncode, made.stderr) == (0, "")
    key = listed(environ, tenant)[0]
    assert (key["name"], key["owner"], key["last_four"]) == ("CI", "j.reyes", made.stdout.strip()[-4:])
    assert (key["ip_allowlist"], key["credit_cap"]) == (["192.0.2.0/24", "2001:db8::1/128"], 5000)
    assert timedelta(days=89) < datetime.fromisoformat(key["ends_at"]) - datetime.now(UTC) < timedelta(days=91)
    assert made.stdout.strip() not in json.dumps(key)


async def test_an_end_is_also_given_as_a_time(storage: Storage, environ: dict[str, str]) -> None:
    tenant = await make_tenant(storage)
    at = (datetime.now(UTC) + timedelta(days=9)).replace(microsecond=0)

    assert hasp_key(environ, tenant, "create", "--name", "CI", "--expires", at.isoformat()).returncode == 0
    assert listed(environ, tenant)[0]["ends_at"] == at.isoformat()


async def test_a_key_is_rotated_and_then_revoked(settings: Settings, storage: Storage, environ: dict[str, str]) -> None:
    tenant = await make_tenant(storage)

    rotated = hasp_key(environ, tenant, "rotate", tenant.key.id, "--grace-seconds", "0")
    successor = await storage.access.resolve(rotated.stdout.strip())
    revoked = hasp_key(environ, tenant, "revoke", f"key_{successor.principal.key}")

    assert (rotated.returncode, revoked.returncode, revoked.stdout) == (0, 0, "")
    assert [key["id"] for key in listed(environ, tenant)] == [tenant.key.id]
    other = await Storage.open(settings)
    with pytest.raises(InvalidApiKeyError):
        await other.access.resolve(rotated.stdout.strip())
    await other.close()


BAD = [
    ("create", ("--name", "x", "--expires", "soon"), "--expires is neither"),
    ("create", ("--name", "x", "--expires", "2099-01-01"), "--expires is neither"),
    ("create", ("--name", "x", "--expires", "0d"), "--expires must be ahead"),
    ("create", ("--name", "x", "--expires", "3651d"), "--expires must be ahead"),
    ("create", ("--name", "x", "--expires", "2020-01-01T00:00:00Z"), "--expires must be ahead"),
    ("create", ("--name", "x", "--owner", "two words"), "--owner must be"),
    ("create", ("--name", "x", "--ip", "192.0.2.1/24"), "`--ip[0]` is not a network"),
    ("create", ("--name", " "), "--name must be"),
    ("create", ("--name", "two\nlines"), "--name must be"),
    ("create", ("--name", "x" * 101), "--name must be"),
    ("rotate", ("nonsense",), "KEY is not"),
    ("revoke", ("nonsense",), "KEY is not"),
    ("revoke", (new_ulid(),), "The API key does not exist"),
]


@pytest.mark.parametrize(("command", "arguments", "line"), BAD)
async def test_what_cannot_be_done_is_one_clear_line(
    storage: Storage, environ: dict[str, str], command: str, arguments: tuple[str, ...], line: str
) -> None:
    ran = hasp_key(environ, await make_tenant(storage), command, *arguments)

    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (1, "", 1)
    assert ran.stderr.startswith(f"hasp: {line}")


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("create", ("--name", "x", "--credit-cap", "-1")),
        ("create", ("--name", "x", "--credit-cap", str(2**53))),
        ("create", ("--name", "x", "--credit-cap", "1.5")),
        ("rotate", (new_ulid(), "--grace-seconds", "604801")),
    ],
)
async def test_a_number_out_of_range_is_refused_by_its_option(
    storage: Storage, environ: dict[str, str], command: str, arguments: tuple[str, ...]
) -> None:
    ran = hasp_key(environ, await make_tenant(storage), command, *arguments)

    assert ran.returncode == 2
    assert arguments[-2] in ran.stderr
