"""`hasp up`, whole: what a newcomer runs, pastes, kills and starts again."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.embedded.home import Home
from cli.embedded.ports import Ports
from cli.embedded.stack import Stack
from tests.embedded import free_port

PORTS = (
    *("HASP_API_PORT", "HASP_POSTGRES_PORT", "HASP_TEMPORAL_PORT"),
    *("HASP_TEMPORAL_UI_PORT", "HASP_SANDBOX_PORT", "HASP_WORKER_HEALTH_PORT"),
)
pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("newcomer")]


class Newcomer:
    """Someone with a terminal: one home, ports of their own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("HASP_")}
        self.environ = inherited | {name: str(free_port()) for name in PORTS} | {"HASP_HOME": str(home)}
        self.stack: subprocess.Popen[str] | None = None

    def up(self) -> str:
        """Start, and return the text that ends the start."""
        self.stack = subprocess.Popen(
            [sys.executable, "-m", "cli", "up"],
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.stack.stdout
        shown = ""
        while "Ctrl-C" not in shown:
            line = self.stack.stdout.readline()
            assert line, self.stack.communicate()[1]
            shown += line
        return shown

    def down(self) -> str:
        """Stop as Ctrl-C does, and return what was said meanwhile."""
        assert self.stack
        if self.stack.poll() is None:
            self.stack.send_signal(signal.SIGINT)
        return self.stack.communicate(timeout=60)[1]

    def demo(self) -> dict[str, str]:
        return json.loads((self.home / "demo.json").read_text())


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    someone = Newcomer(tmp_path_factory.mktemp("newcomer") / "home")
    yield someone
    if someone.stack:
        someone.down()


@pytest.fixture
def settled(newcomer: Newcomer) -> Newcomer:
    """A newcomer who has started and stopped the stack at least once."""
    if not (newcomer.home / "demo.json").exists():
        newcomer.up()
        newcomer.down()
    return newcomer


def paste(shown: str) -> dict[str, object]:
    """Run the curl line as it was printed, but for its progress meter."""
    [line] = re.findall(r"^curl .*$", shown, re.MULTILINE)
    answer = subprocess.run(["/bin/sh", "-c", line + " -sS --max-time 30"], capture_output=True, text=True)
    return json.loads(answer.stdout)


def test_the_first_start_makes_a_demo_whose_printed_call_works_and_a_second_keeps_it(newcomer: Newcomer) -> None:
    shown = newcomer.up()
    demo = newcomer.demo()
    assert (newcomer.home / "demo.json").stat().st_mode & 0o777 == 0o600
    assert set(demo) == {"base_url", "api_key", "organization_id", "temporal_ui_url"}
    assert all(demo[fact] in shown for fact in ("base_url", "api_key", "temporal_ui_url"))
    assert "the sandbox: HASP_ANTHROPIC_API_KEY is not set" in shown
    assert paste(shown)["type"] == "message"
    with urllib.request.urlopen(demo["temporal_ui_url"]) as page:
        assert page.status == 200
    newcomer.down()

    again = newcomer.up()
    assert newcomer.demo() == demo
    assert paste(again)["type"] == "message"
    assert newcomer.down().endswith("Stopping\n")


def test_a_known_schema_lets_the_api_start_beside_the_migration_and_a_new_one_does_not(settled: Newcomer) -> None:
    stack = Stack(Home(settled.home), Ports.read(settled.environ), settled.environ)
    assert needs(stack, "api") == ("postgres",)
    (settled.home / "schema.sha256").write_text("another version's")
    assert needs(stack, "api") == ("demo",)
    assert needs(stack, "worker") == ("demo", "namespace")
    stack.note_schema()
    assert needs(stack, "worker") == ("postgres", "namespace")


def needs(stack: Stack, name: str) -> tuple[str, ...]:
    [part] = [part for part in stack.parts() if part.name == name]
    return part.needs


def test_no_secret_is_in_a_log_or_in_a_file_that_others_can_read(settled: Newcomer) -> None:
    home = Home(settled.home)
    hidden = [(home.secrets / name).read_text() for name in ("postgres-owner", "postgres-app")]
    hidden.append(settled.demo()["api_key"])
    for log in home.logs.iterdir():
        assert not any(secret in log.read_text() for secret in hidden)
    assert settled.home.stat().st_mode & 0o077 == 0
    assert all(secret.stat().st_mode & 0o077 == 0 for secret in home.secrets.iterdir())
