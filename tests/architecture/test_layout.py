"""What the plan of the house promises and a machine can see."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("gateway", "storage", "activities", "workflows", "worker", "api", "cli", "sandbox", "bench")
REQUIRED = (
    *PACKAGES,
    "tests",
    "docs",
    "pyproject.toml",
    "README.md",
    "docker-compose.yml",
    "Dockerfile",
    "Makefile",
    "CHANGELOG.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "LICENSE",
)
LONGEST = 500
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base"}


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("name", REQUIRED)
def test_the_required_layout_is_there(name: str) -> None:
    assert (ROOT / name).exists()


def test_no_file_is_too_long() -> None:
    written = [path for path in sources(*PACKAGES, "tests") if "versions" not in path.parts]

    assert [str(path) for path in written if len(path.read_text().splitlines()) > LONGEST] == []


def test_no_name_says_nothing() -> None:
    assert [str(path) for path in sources(*PACKAGES) if path.stem in VAGUE] == []


def modules() -> list[str]:
    names: list[str] = []
    for path in sources(*PACKAGES):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if "migrations" not in parts and path.name != "__main__.py":
            names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def test_importing_anything_has_no_effect_and_needs_no_configuration() -> None:
    """All modules, in one fresh process without any environment: no settings read, nothing opened, nothing printed."""
    program = f"import importlib\nfor name in {modules()!r}: importlib.import_module(name)"

    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env={}, capture_output=True, text=True, timeout=60)

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_nothing_commits_outside_storage() -> None:
    outside = sources(*(package for package in PACKAGES if package != "storage"))

    assert [str(path) for path in outside if ".commit(" in path.read_text()] == []


def test_the_locks_name_no_host() -> None:
    assert [path.name for path in ROOT.glob("requirements*.lock") if "://" in path.read_text()] == []
