"""`hasp audit keys` on a real database, and the keyring that they come from."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.settings import Settings
from storage import Storage
from storage.audit_keys import signing_key
from storage.sequencer import Sequencer
from tests.commands import run_hasp
from tests.conftest import Database

Ran = subprocess.CompletedProcess[str]


@pytest.fixture
def environ(settings: Settings, database: Database) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HASP_")}
    return inherited | {"HASP_DATABASE_URL": database.app_url, "HASP_KEYRING_FILE": str(settings.keyring_file)}


def hasp(environ: dict[str, str], *arguments: str) -> Ran:
    return run_hasp(*arguments, env=environ)


async def test_a_key_is_listed_retired_and_revoked(storage: Storage, environ: dict[str, str]) -> None:
    key = signing_key(storage.keyring.audit)
    await Sequencer(storage.pool, SystemClock(), key).seal()

    listed = hasp(environ, "audit", "keys", "list")
    told = [hasp(environ, "audit", "keys", verb, key.key_id).stdout for verb in ("retire", "retire", "revoke")]

    assert listed.stdout.startswith(f"{key.key_id}  active    published ")
    assert told == ["retired\n", "was not active\n", "revoked\n"]
    assert "revoked   published" in hasp(environ, "audit", "keys", "list").stdout


@pytest.mark.parametrize("verb", ["retire", "revoke"])
def test_an_unknown_key_is_refused_in_one_line(environ: dict[str, str], verb: str) -> None:
    ran = hasp(environ, "audit", "keys", verb, "nobody")

    assert (ran.returncode, ran.stderr) == (1, "hasp: There is no audit key of that id.\n")


def test_a_keyring_of_before_says_how_to_get_its_audit_key(environ: dict[str, str], settings: Settings) -> None:
    _without_audit(settings.keyring_file)

    before = hasp(environ, "worker")
    made = hasp(environ, "keyring", "rotate", "audit")

    assert before.returncode == 2
    assert before.stderr.endswith("has no key for `audit`; `hasp keyring rotate audit` makes one\n")
    assert (made.returncode, made.stdout) == (0, "1\n")
    assert list(json.loads(settings.keyring_file.read_text())["audit"]) == ["1"]


def test_a_worker_says_which_authority_it_cannot_use(environ: dict[str, str], tmp_path: Path) -> None:
    roots = tmp_path / "ca.pem"
    roots.write_text("no certificate")
    authority = {"HASP_TSA_URL": "https://tsa.example", "HASP_TSA_CACERT_URL": "https://tsa.example/ca.pem"}

    unreadable = hasp({**environ, **authority, "HASP_TSA_CA_FILE": str(roots)}, "worker")
    unpaired = hasp({**environ, "HASP_TSA_URL": "https://tsa.example"}, "worker")

    assert (unreadable.returncode, unreadable.stderr) == (
        2,
        f"hasp: HASP_TSA_CA_FILE: {roots} is no PEM file of a root certificate\n",
    )
    assert (unpaired.returncode, unpaired.stderr) == (
        2,
        "hasp: configuration: HASP_TSA_CACERT_URL: goes with HASP_TSA_URL, and that with it\n",
    )


def _without_audit(keyring: Path) -> None:
    document = json.loads(keyring.read_text())
    del document["audit"]
    keyring.write_text(json.dumps(document))
