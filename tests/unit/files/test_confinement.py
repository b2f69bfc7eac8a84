"""What a process can still do that reads what nobody vouches for."""

import asyncio
import sys
from pathlib import Path

import pytest

_BEGIN = "import os, socket, sys, gateway.files.confinement as c; parent = os.getppid(); c.confine(); "


async def does(act: str, *given: str, begin: str = _BEGIN) -> tuple[int | None, str]:
    """How a confined process ends that is told to `act`, and what it said by then."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", begin + act, *given),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    said, complained = await process.communicate()
    return process.returncode, (said + complained).decode()


@pytest.mark.parametrize(
    "act",
    [
        "open(sys.argv[1])",
        "open(sys.argv[1], 'w')",
        "open(f'/proc/{parent}/environ')",
        "os.listdir('/')",
        "socket.socket()",
        "socket.socketpair()",
        "os.fork()",
        "os.execv('/bin/true', ['true'])",
        "os.kill(parent, 0)",
        "os.memfd_create('a')",
        "os.pipe()",
    ],
)
async def test_it_can_reach_nothing(act: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("secret")
    code, said = await does(act, str(file))

    assert (code, "PermissionError" in said) == (1, True)
    assert file.read_text() == "secret"


async def test_it_can_compute_and_say_what_came_of_it() -> None:
    assert await does("print(len(bytearray(100_000_000)))") == (0, "100000000\n")


async def test_it_has_no_more_memory_than_it_is_given() -> None:
    code, said = await does("bytearray(2 << 30)")
    assert (code, "MemoryError" in said) == (1, True)


async def test_a_reader_that_cannot_be_confined_looks_at_nothing() -> None:
    # The second time: a confined process may change its limits no more.
    act = "e.main('text'); e.main('text')"
    assert await does(act, begin="import gateway.files.extraction as e; ") == (0, "read\nunconfined\n")
