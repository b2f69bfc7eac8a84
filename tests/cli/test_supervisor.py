"""The supervisor over real processes: order, restarts, failures, and that it stops its own parts only."""

import asyncio
import os
import select
import signal
import sys
from pathlib import Path

import pytest

from cli.embedded.home import Home
from cli.embedded.parts import Part
from cli.embedded.supervisor import Supervisor
from cli.failure import CommandError
from tests.cli import little_stack
from tests.embedded import free_port


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.create()
    return home


class Said:
    """What the supervisor said, and a way to wait for more."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._news = asyncio.Event()

    def __call__(self, line: str) -> None:
        self.lines.append(line)
        self._news.set()

    async def wait_for(self, text: str) -> str:
        async with asyncio.timeout(20):
            while not (found := [line for line in self.lines if text in line]):
                self._news.clear()
                await self._news.wait()
        return found[0]


def job(name: str, code: str, *, needs: tuple[str, ...] = ()) -> Part:
    return Part(name=name, argv=(sys.executable, "-c", code), env=dict(os.environ), needs=needs)


def holder_of(port: int) -> int:
    """The pid of the small part on this port."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if little_stack.SCRIPT.encode() in words and str(port).encode() in words:
            return int(process.name)
    raise AssertionError(f"nothing serves {port}")


async def test_parts_start_in_the_order_of_their_needs_and_stop_in_reverse(home: Home) -> None:
    parts = little_stack.parts(home, [free_port(), free_port()])
    async with Supervisor(parts, logs=home.logs, say=Said()) as supervisor:
        await supervisor.start()
    assert (home.root / "journal").read_text().splitlines() == ["base start", "top start", "top stop", "base stop"]


async def test_a_job_runs_after_what_it_needs_and_its_output_is_returned(home: Home) -> None:
    first = job("first", f"open({str(home.root / 'made')!r}, 'w').close()")
    second = job("second", f"open({str(home.root / 'made')!r}); print('seen')", needs=("first",))
    async with Supervisor([first, second], logs=home.logs, say=Said()) as supervisor:
        assert (await supervisor.start())["second"] == b"seen\n"


async def test_a_killed_part_is_restarted_and_that_is_said(home: Home) -> None:
    said, port = Said(), free_port()
    only = little_stack.part("only", port, home.root / "journal")
    async with Supervisor([only], logs=home.logs, say=said) as supervisor:
        await supervisor.start()
        first = holder_of(port)
        os.kill(first, signal.SIGKILL)
        assert "was ended by SIGKILL; starting it again in 0.5 s" in await said.wait_for("ended")
        await said.wait_for("only is ready again")
        assert holder_of(port) != first
    assert (home.root / "journal").read_text().splitlines() == ["only start", "only start", "only stop"]


async def test_a_part_that_cannot_start_is_named_with_the_last_line_of_its_log(home: Home) -> None:
    healthy = little_stack.part("healthy", free_port(), home.root / "journal")
    broken = job("broken", "import sys; sys.exit('no such database')", needs=("healthy",))
    with pytest.raises(CommandError, match=r"^broken ended with exit code 1: no such database \(see .*broken\.log\)$"):
        async with Supervisor([healthy, broken], logs=home.logs, say=Said()) as supervisor:
            await supervisor.start()
    assert (home.root / "journal").read_text().splitlines() == ["healthy start", "healthy stop"]


async def test_a_part_without_room_to_write_is_reported_as_a_full_disk(home: Home) -> None:
    full = job("full", "open('/dev/full', 'w').write('x' * 99999)")
    with pytest.raises(CommandError, match=r"^the disk is full: full ended"):
        async with Supervisor([full], logs=home.logs, say=Said()) as supervisor:
            await supervisor.start()


async def test_a_part_that_never_gets_ready_is_stopped_and_named(home: Home) -> None:
    async def never(_pid: int) -> bool:
        return False

    slow = Part("slow", ("/bin/sleep", "60"), ready=never, ready_within_s=0.2)
    with pytest.raises(CommandError, match=r"^slow was not ready within 0 s"):
        async with Supervisor([slow], logs=home.logs, say=Said()) as supervisor:
            await supervisor.start()


async def test_a_part_that_ignores_its_stop_signal_is_killed(home: Home) -> None:
    async def ready(_pid: int) -> bool:
        return (home.root / "deaf").exists()

    code = f"import signal; signal.signal(15, signal.SIG_IGN); open({str(home.root / 'deaf')!r}, 'w'); signal.pause()"
    deaf = Part("deaf", (sys.executable, "-c", code), dict(os.environ), ready=ready, stops_within_s=0.2)
    async with asyncio.timeout(10), Supervisor([deaf], logs=home.logs, say=Said()) as supervisor:
        await supervisor.start()


async def test_children_of_a_part_do_not_outlive_it(home: Home) -> None:
    note = home.root / "child"

    async def noted(_pid: int) -> bool:
        return note.exists() and note.read_text().endswith("\n")

    script = f"sleep 600 & echo $! > {note}; wait"
    parent = Part("parent", ("/bin/sh", "-c", script), dict(os.environ), ready=noted)
    async with Supervisor([parent], logs=home.logs, say=Said()) as supervisor:
        await supervisor.start()
        child = os.pidfd_open(int(note.read_text()))
    ended, _, _ = select.select([child], [], [], 10)
    os.close(child)
    assert ended
