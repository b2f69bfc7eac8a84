"""Detection in processes of its own, and the cache before it."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.phi.detector import DetectorError
from gateway.phi.inline import RuleDetector
from gateway.phi.masking import InlineMasker, Marked, Replacement, anonymize, splice
from gateway.phi.pool import ScannerPool
from gateway.phi.rules.scan import scan
from gateway.phi.windows import windows

TEXTS = ["Patient Maria Lopez, SSN 917-44-8123", "Nothing here.", "", "Ünïcode: José Álvarez, MRN 00153497 💊"]


@pytest_asyncio.fixture
async def pool() -> AsyncIterator[ScannerPool]:
    pool = ScannerPool(1, timeout_s=20)
    await pool.start()
    yield pool
    await pool.close()


async def test_a_pool_finds_what_the_rules_find(pool: ScannerPool) -> None:
    assert pool.healthy
    assert await pool.detect(TEXTS) == await RuleDetector().detect(TEXTS)


MARKED = [
    Marked("Maria saw José.", (Replacement(0, 5, "[NAME_1]"), Replacement(10, 14, "[NAME_2]"))),
    Marked("💊 for Maria", (Replacement(6, 11, "[NAME_1]"),)),
    Marked("Nothing", ()),
]


async def test_a_pool_masks_as_the_engine_does_in_process(pool: ScannerPool) -> None:
    masked = await pool.mask(MARKED)

    assert masked == ["[NAME_1] saw [NAME_2].", "💊 for [NAME_1]", "Nothing"]
    assert masked == await InlineMasker().mask(MARKED)


def test_splicing_by_hand_gives_what_the_engine_gives() -> None:
    assert [splice(each) for each in MARKED] == [anonymize(each) for each in MARKED]


def test_scanners_serve_under_the_loop_that_the_api_runs_on() -> None:
    """uvloop's transports are none of asyncio's classes."""
    program = (
        "import asyncio, uvloop\n"
        "from gateway.phi.pool import ScannerPool\n"
        "async def main():\n"
        "    pool = ScannerPool(1, timeout_s=20)\n"
        "    await pool.start()\n"
        "    print(len((await pool.detect(['SSN 917-44-8123']))[0]))\n"
        "    await pool.close()\n"
        "uvloop.run(main())"
    )

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)

    assert (ran.returncode, ran.stdout) == (0, "1\n"), ran.stderr


async def test_a_request_larger_than_a_frame_is_scanned_whole(pool: ScannerPool) -> None:
    texts = [("No finding here. " * 2000) + f"SSN {100 + n}-45-6789" for n in range(8)]
    found = await pool.detect(texts)
    assert [spans[-1].entity for spans in found] == ["US_SSN"] * 8


LONG = "".join(f"Seen by Dr. Chen.\nSSN {100 + n}-45-6789 of Maria Lopez, who feels well today; " for n in range(800))


@pytest.mark.parametrize("text", [LONG, "x" * 30_000, LONG + "é💊" * 5_000])
async def test_a_long_text_is_cut_without_anyone_seeing_it(pool: ScannerPool, text: str) -> None:
    (found,) = await pool.detect([text])
    assert found == scan(text)
    bounds = list(windows(text))
    assert len(bounds) > 3
    assert [list(windows(text[start:end])) for start, end in bounds] == [[(0, end - start)] for start, end in bounds]


async def test_a_long_text_lets_others_in_between(pool: ScannerPool) -> None:
    long = asyncio.create_task(pool.detect([LONG * 20]))
    await asyncio.sleep(0)
    assert (await pool.detect(TEXTS[:1]))[0]
    assert not long.done()
    long.cancel()
    await asyncio.gather(long, return_exceptions=True)


async def test_parallel_calls_get_their_own_answers(pool: ScannerPool) -> None:
    texts = [f"{'x ' * n}SSN 917-44-8123" for n in range(50)]
    answers = await asyncio.gather(*(pool.detect([text]) for text in texts))
    assert [spans[0].start for (spans,) in answers] == [2 * n + 4 for n in range(50)]


async def test_a_crashed_scanner_is_replaced_and_the_call_answered(pool: ScannerPool) -> None:
    for pid in pool.pids:
        os.kill(pid, signal.SIGKILL)
    assert await pool.detect(TEXTS[:1]) == await RuleDetector().detect(TEXTS[:1])
    assert pool.healthy


async def test_a_stuck_scanner_is_killed_and_the_call_fails_closed() -> None:
    pool = ScannerPool(1, timeout_s=0.3)
    await pool.start()
    try:
        (stuck,) = pool.pids
        os.kill(stuck, signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(DetectorError):
            await pool.detect(TEXTS)
        assert time.monotonic() - began < 5
        async with asyncio.timeout(20):
            while not pool.healthy:  # noqa: ASYNC110 - readiness is polled
                await asyncio.sleep(0.05)
        assert stuck not in pool.pids
        assert (await pool.detect(TEXTS[:1]))[0]
    finally:
        await pool.close()


async def test_calls_fail_at_once_while_no_scanner_can_start(
    pool: ScannerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", "/bin/false")
        for pid in pool.pids:
            os.kill(pid, signal.SIGKILL)
        for _ in range(3):  # the first waits to see whether a start succeeds
            began = time.monotonic()
            with pytest.raises(DetectorError):
                await pool.detect(TEXTS)
            assert time.monotonic() - began < 5
        assert not pool.healthy
    async with asyncio.timeout(20):
        while not pool.healthy:  # noqa: ASYNC110 - readiness is polled
            await asyncio.sleep(0.05)
    assert (await pool.detect(TEXTS[:1]))[0]


async def test_a_caller_that_leaves_does_not_take_a_scanner_with_it(pool: ScannerPool) -> None:
    calls = [asyncio.create_task(pool.detect(["SSN 917-44-8123 " * 2000])) for _ in range(4)]
    await asyncio.sleep(0)
    for call in calls[1:3]:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert await pool.detect(TEXTS[:1]) == await RuleDetector().detect(TEXTS[:1])


async def test_too_many_waiting_calls_fail_at_once() -> None:
    pool = ScannerPool(1, timeout_s=20, max_waiting=2)
    await pool.start()
    try:
        calls = await asyncio.gather(*(pool.detect(["SSN 917-44-8123"]) for _ in range(6)), return_exceptions=True)
        assert sum(isinstance(call, DetectorError) for call in calls) == 3
    finally:
        await pool.close()


async def test_a_closed_pool_leaves_no_process_and_answers_nothing() -> None:
    pool = ScannerPool(2, timeout_s=20)
    await pool.start()
    pids = pool.pids
    assert len(pids) == 2
    await pool.close()
    await pool.close()
    assert not any(map(_is_running, pids))
    assert not pool.healthy
    with pytest.raises(DetectorError):
        await pool.detect(TEXTS)


async def test_text_that_is_not_unicode_fails_closed(pool: ScannerPool) -> None:
    with pytest.raises(DetectorError):
        await pool.detect(["\ud800"])


def test_scanners_die_with_a_parent_that_is_killed() -> None:
    program = (
        "import asyncio, sys\n"
        "from gateway.phi.pool import ScannerPool\n"
        "async def main():\n"
        "    pool = ScannerPool(1, timeout_s=20)\n"
        "    await pool.start()\n"
        "    print(*pool.pids, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 10
    while (alive := _is_running(pid)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive


async def test_a_start_that_is_cancelled_leaves_no_process() -> None:
    before = _scanners()
    pool = ScannerPool(2, timeout_s=20)
    start = asyncio.create_task(pool.start())
    async with asyncio.timeout(20):
        while len(started := _scanners() - before) < 2:  # noqa: ASYNC110 - a process tells no event as it appears
            await asyncio.sleep(0.001)
    start.cancel()
    await asyncio.gather(start, return_exceptions=True)
    assert not any(map(_is_running, started))
    assert not pool.healthy


def _scanners() -> set[int]:
    """Processes of ours that run a scanner."""
    found: set[int] = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == os.getpid() and b"gateway.phi.scanner" in (process / "cmdline").read_bytes():
                found.add(int(process.name))
    return found


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
