"""A running stack and its home, seen from other processes: signals, `hasp down`, kill -9, a second start."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.embedded import free_port

STOPPED = ["base start", "top start", "top stop", "base stop"]


class Running:
    """`python -m tests.cli.little_stack` in a home of its own."""

    def __init__(self, home: Path, ports: list[int]) -> None:
        argv = [sys.executable, "-m", "tests.cli.little_stack", str(home), *map(str, ports)]
        self.home = home
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def wait_until_ready(self) -> None:
        assert self.process.stdout
        assert self.process.stdout.readline() == "ready\n", self.process.communicate()

    def ended(self) -> tuple[int, str]:
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said

    @property
    def journal(self) -> list[str]:
        return (self.home / "journal").read_text().splitlines()


@pytest.fixture
def ports() -> list[int]:
    return [free_port(), free_port()]


@pytest.fixture
def running(tmp_path: Path, ports: list[int]) -> Iterator[Running]:
    started = Running(tmp_path / "home", ports)
    started.wait_until_ready()
    yield started
    if started.process.poll() is None:
        started.process.terminate()
    started.ended()


def hasp(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "cli", *arguments], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_stops_every_part_in_reverse_order(name: str, running: Running) -> None:
    running.process.send_signal(signal.Signals[name])
    assert running.ended()[0] == 0
    assert running.journal == STOPPED


def test_down_stops_the_stack_of_its_home_and_waits_for_its_end(running: Running) -> None:
    answer = hasp("down", "--home", str(running.home))
    assert (answer.returncode, answer.stderr) == (0, f"Stopped {running.home}\n")
    assert running.journal == STOPPED
    assert running.ended()[0] == 0


def test_down_leaves_alone_a_process_that_only_a_stale_pid_file_names(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "600"]) as bystander:
        (tmp_path / "supervisor.pid").write_text(str(bystander.pid))
        answer = hasp("down", "--home", str(tmp_path))
        assert (answer.returncode, answer.stderr) == (0, f"Nothing is running in {tmp_path}\n")
        assert bystander.poll() is None
        bystander.kill()


def test_a_second_start_in_the_same_home_is_refused_in_one_line(running: Running, ports: list[int]) -> None:
    code, said = Running(running.home, ports).ended()
    assert (code, said) == (1, f"already running in {running.home}; `hasp down` stops it\n")


def test_two_stacks_run_side_by_side_and_stop_apart(running: Running, tmp_path: Path) -> None:
    other = Running(tmp_path / "other", [free_port(), free_port()])
    other.wait_until_ready()
    other.process.terminate()
    assert other.ended()[0] == 0
    assert running.journal == ["base start", "top start"]


def test_parts_stop_when_the_supervisor_is_killed_and_the_next_start_waits_for_them(
    running: Running, ports: list[int]
) -> None:
    running.process.kill()
    again = Running(running.home, ports)  # the same ports: they are free only once the orphans are gone
    again.wait_until_ready()
    again.process.terminate()
    assert again.ended()[0] == 0
    assert sorted(running.journal[:4]) == sorted(STOPPED)
    assert running.journal[4:] == STOPPED
