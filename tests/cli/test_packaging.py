"""The files that install and deploy Hasp. No container engine runs here, so they are read instead."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.embedded.temporal import NAMESPACE, SEARCH_ATTRIBUTES
from gateway.settings import Settings

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-stack.lock", "requirements-dev.lock", "requirements-uv.lock")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
JOBS = {name for name, service in SERVICES.items() if service["restart"].startswith("on-failure")}
PINNED = re.compile(r"[a-z/-]+:\d+\.\d+(\.\d+)?(-[a-z]+)?")


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_by_hash_and_names_no_host(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert len(re.findall(r"^\S+==", text, re.MULTILINE)) == len(re.findall(r"(?<!\\)\n(?=\S)|\Z", text))
    assert all("--hash=sha256:" in entry for entry in re.split(r"\n(?=\S)", text.strip()))


def test_the_locks_agree_with_one_another() -> None:
    dev = pins("requirements-dev.lock")
    for lock in LOCKS:
        assert pins(lock).items() <= dev.items()


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_pinned(name: str) -> None:
    assert PINNED.fullmatch(SERVICES[name]["image"])


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_a_job_or_is_watched_and_restarted(name: str) -> None:
    service = SERVICES[name]
    if name in JOBS:
        assert "command" in service
    else:
        assert service["restart"] == "unless-stopped"
        assert "test" in service.get("healthcheck", {}) or name == "temporal-ui"  # its image has no tool to ask with


@pytest.mark.parametrize("name", SERVICES)
def test_dependencies_wait_for_health_or_for_a_jobs_end(name: str) -> None:
    for other, wait in SERVICES[name].get("depends_on", {}).items():
        expected = "service_completed_successfully" if other in JOBS else "service_healthy"
        assert wait == {"condition": expected}


def test_only_the_api_and_the_ui_are_published_and_only_on_the_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"api", "temporal-ui"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


@pytest.mark.parametrize("name", ["migrate", "api", "worker", "sandbox"])
def test_our_own_containers_are_not_root_and_may_write_nothing(name: str) -> None:
    service = SERVICES[name]
    assert (service["user"], service["read_only"], service["cap_drop"]) == ("10001:10001", True, ["ALL"])


@pytest.mark.parametrize("name", ["api", "worker"])
def test_a_catalog_reaches_those_who_read_it_by_its_folder(name: str) -> None:
    assert "./catalog:/etc/hasp:ro" in SERVICES[name]["volumes"]
    assert "HASP_CATALOG_FILE" in SERVICES[name]["environment"]


def test_tombstones_reach_who_reads_them_and_the_worker_alone_writes_them() -> None:
    mounted = {
        name for name, service in SERVICES.items() if any("./erased:" in each for each in service.get("volumes", ()))
    }
    assert mounted == {"api", "worker"}
    assert "./erased:/var/lib/hasp:ro" in SERVICES["api"]["volumes"]
    assert "./erased:/var/lib/hasp" in SERVICES["worker"]["volumes"]


def test_passwords_come_from_the_environment_and_must_be_set() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for line in text.splitlines():
        for reference in re.findall(r"\$\{[^}]*\}", line):
            assert ":?" in reference
    assert not re.search(r"PASSWORD: [^$]", text)


def test_compose_sets_only_variables_that_exist() -> None:
    known = {f"HASP_{name.upper()}" for name in Settings.model_fields} | {"HASP_SANDBOX_HOST", "HASP_SANDBOX_PORT"}
    for service in SERVICES.values():
        assert {name for name in service.get("environment", {}) if name.startswith("HASP_")} <= known


def test_production_and_the_embedded_server_have_the_same_namespace() -> None:
    script = SERVICES["temporal-namespace"]["command"][0]
    assert f"namespace create -n {NAMESPACE} " in script
    assert re.findall(r"--name (\S+) --type Keyword", script) == list(SEARCH_ATTRIBUTES)


def test_the_image_is_pinned_hash_locked_unprivileged_and_checked() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.11\.\d+-slim-\w+$", text, re.MULTILINE)
    assert text.count("--require-hashes") == 2
    for line in ("USER 10001:10001", "HEALTHCHECK", 'ENTRYPOINT ["hasp"]'):
        assert re.search(f"^{re.escape(line)}", text, re.MULTILINE)


def make(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    argv = ["make", "-f", str(ROOT / "Makefile"), *arguments]
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=30)


def test_make_alone_lists_what_there_is(tmp_path: Path) -> None:
    listed = make(cwd=tmp_path).stdout
    for target in ("up", "down", "test", "check", "bench", "lock", "fmt", "history"):
        assert f"  make {target} " in listed


def test_an_old_python_is_refused_in_one_line_before_anything_is_made(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" || exit 1\n')
    old.chmod(0o755)
    for file in (*LOCKS, "pyproject.toml"):
        (tmp_path / file).touch()
    answer = make("up", f"PYTHON={old}", cwd=tmp_path)
    assert answer.returncode
    assert answer.stderr.splitlines()[0] == (
        f"Hasp needs Python 3.11 or newer; '{old}' is Python 3.9.2. Name another: make PYTHON=/path/to/python3"
    )
    assert not (tmp_path / ".venv").exists()
