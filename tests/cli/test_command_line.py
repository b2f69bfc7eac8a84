"""The `hasp` command from outside: help, and one clear line for everything that is set up wrong."""

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.commands import run_hasp
from tests.embedded import free_port

COMMANDS = (
    *("up", "down", "api", "worker", "migrate", "sandbox", "keyring init"),
    *("org create", "key create", "key list", "key rotate", "key revoke"),
    *("baa accept", "audit verify", "books verify", "catalog check"),
)
SECRET = "sk-ant-never-shown"


def hasp(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HASP_")}
    return run_hasp(*arguments, env=inherited | environ)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    answer = hasp(*command.split(), "--help")
    assert answer.returncode == 0
    assert "Usage" in answer.stdout


def test_help_lists_every_command() -> None:
    listed = hasp("--help").stdout
    assert all(command.split()[0] in listed for command in COMMANDS)


def test_missing_and_malformed_settings_are_named_in_one_line_without_their_values() -> None:
    answer = hasp("worker", HASP_DATABASE_URL=SECRET, HASP_API_PORT="70000", HASP_LOG_LEVEL=SECRET)
    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1
    for variable in ("HASP_DATABASE_URL", "HASP_KEYRING_FILE is not set", "HASP_API_PORT", "HASP_LOG_LEVEL"):
        assert variable in answer.stderr
    assert SECRET not in answer.stderr
    assert "70000" not in answer.stderr


def test_a_taken_port_is_named_with_the_variable_that_moves_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        others = {f"HASP_{part}_PORT": str(free_port()) for part in ("API", "POSTGRES", "TEMPORAL", "SANDBOX")}
        others["HASP_WORKER_HEALTH_PORT"] = str(free_port())
        answer = hasp("up", "--home", str(tmp_path), HASP_TEMPORAL_UI_PORT=port, **others)
    assert answer.returncode == 1
    assert answer.stderr == (
        f"hasp: port {port} for Temporal's UI is not free (Address already in use):"
        " stop what uses it, or set HASP_TEMPORAL_UI_PORT to another\n"
    )


@pytest.mark.parametrize("text", ["http", "0", "65536", "-1", "1.5", "\u0665"])
def test_a_port_that_is_no_port_is_refused_by_name(text: str, tmp_path: Path) -> None:
    answer = hasp("up", "--home", str(tmp_path), HASP_SANDBOX_PORT=text)
    assert (answer.returncode, answer.stderr) == (2, "hasp: HASP_SANDBOX_PORT is not a port number (1 to 65535)\n")


def test_two_parts_on_one_port_are_refused_by_name(tmp_path: Path) -> None:
    port = str(free_port())
    answer = hasp("up", "--home", str(tmp_path), HASP_API_PORT=port, HASP_SANDBOX_PORT=port)
    assert (answer.returncode, answer.stderr) == (
        1,
        f"hasp: HASP_API_PORT and HASP_SANDBOX_PORT are both {port}: give each its own port\n",
    )


def test_a_home_that_cannot_be_a_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    answer = hasp("up", "--home", str(tmp_path / "file"))
    assert (answer.returncode, answer.stderr) == (
        1,
        f"hasp: cannot use {tmp_path}/file as HASP_HOME: File exists\n",
    )


def test_down_without_a_stack_says_so_and_is_no_failure(tmp_path: Path) -> None:
    answer = hasp("down", HASP_HOME=str(tmp_path))
    assert (answer.returncode, answer.stderr) == (0, f"Nothing is running in {tmp_path}\n")


def test_a_keyring_is_made_once_private_and_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "keyring.json"
    assert hasp("keyring", "init", HASP_KEYRING_FILE=str(file)).returncode == 0
    made = file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    again = hasp("keyring", "init", "--file", str(file))
    assert (again.returncode, again.stderr) == (1, f"hasp: {file} exists already; it stays as it is\n")
    assert file.read_bytes() == made


@pytest.mark.parametrize("command", ["api", "worker"])
def test_a_process_without_its_keyring_says_how_to_make_one(command: str, tmp_path: Path) -> None:
    missing = str(tmp_path / "none.json")
    answer = hasp(command, HASP_DATABASE_URL="postgresql://x@127.0.0.1/x", HASP_KEYRING_FILE=missing)
    assert (answer.returncode, answer.stderr) == (
        2,
        f"hasp: HASP_KEYRING_FILE: {missing} does not exist; `hasp keyring init` makes one\n",
    )


def test_the_api_needs_the_extra_that_its_model_comes_in(tmp_path: Path) -> None:
    file = str(tmp_path / "keyring.json")
    assert hasp("keyring", "init", HASP_KEYRING_FILE=file).returncode == 0

    answer = hasp(
        "api", HASP_DATABASE_URL="postgresql://x@127.0.0.1/x", HASP_KEYRING_FILE=file, HASP_PHI_NER="presidio"
    )

    assert (answer.returncode, answer.stderr) == (
        2,
        "hasp: HASP_PHI_NER: presidio is not installed: pip install 'hasp[presidio]'\n",
    )


def test_a_catalog_is_listed_without_its_keys(tmp_path: Path) -> None:
    file = tmp_path / "catalog.json"
    ward = {"id": "ward", "dialect": "openai_chat", "base_url": "http://10.0.0.5", "covered_by": "self_hosted"}
    file.write_text(json.dumps({"providers": [ward | {"api_key_env": "WARD_KEY"}]}))
    answer = hasp("catalog", "check", str(file), WARD_KEY=SECRET)
    assert answer.returncode == 0
    assert "ward: openai_chat at http://10.0.0.5, self_hosted, a key\n" in answer.stdout
    assert "  claude-sonnet-4-6 (" in answer.stdout
    assert SECRET not in answer.stdout


@pytest.mark.parametrize("command", ["catalog check", "up"])
def test_a_catalog_that_is_not_valid_is_refused_with_every_fault(command: str, tmp_path: Path) -> None:
    file = tmp_path / "catalog.json"
    file.write_text(json.dumps({"providers": [{"id": "ward", "api_key": SECRET}], "models": [{"id": "x"}]}))
    answer = hasp(*command.split(), HASP_CATALOG_FILE=str(file), HASP_HOME=str(tmp_path / "home"))
    assert answer.returncode == 2
    assert answer.stderr.startswith(f"hasp: catalog {file}:\n  providers[0].dialect: Field required\n")
    assert "  models[0].provider: Field required\n" in answer.stderr
    assert SECRET not in answer.stderr
    assert not (tmp_path / "home").exists()


def test_a_list_of_servers_that_is_not_valid_is_refused_with_every_fault(tmp_path: Path) -> None:
    file = tmp_path / "servers.json"
    file.write_text(json.dumps({"servers": [{"id": "ward_desk", "url": "https://x"}, {"id": "a", "api_key": SECRET}]}))
    keyring = tmp_path / "keyring.json"
    assert hasp("keyring", "init", "--file", str(keyring)).returncode == 0
    base = {"HASP_DATABASE_URL": "postgresql://x@127.0.0.1/x", "HASP_KEYRING_FILE": str(keyring)}
    answer = hasp("worker", HASP_MCP_SERVERS_FILE=str(file), **base)
    assert answer.returncode == 2
    assert answer.stderr.startswith("hasp: HASP_MCP_SERVERS_FILE:\n  servers[0].id: ")
    assert "  servers[1].url: Field required\n" in answer.stderr
    assert SECRET not in answer.stderr


def test_migrate_needs_the_owners_url_and_a_database_that_answers(tmp_path: Path) -> None:
    base = {"HASP_DATABASE_URL": "postgresql://x@127.0.0.1/x", "HASP_KEYRING_FILE": str(tmp_path / "keyring.json")}
    without = hasp("migrate", **base)
    assert (without.returncode, without.stderr) == (2, "hasp: configuration: HASP_DATABASE_OWNER_URL is not set\n")
    unreachable = hasp("migrate", HASP_DATABASE_OWNER_URL=f"postgresql://x:{SECRET}@127.0.0.1:{free_port()}/x", **base)
    assert unreachable.returncode == 1
    assert unreachable.stderr.startswith("hasp: cannot migrate as HASP_DATABASE_OWNER_URL: ")
    assert unreachable.stderr.count("\n") == 1
    assert SECRET not in unreachable.stderr
