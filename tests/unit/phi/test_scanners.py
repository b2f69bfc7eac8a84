"""Detection in processes of its own, and the cache before it."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.phi.detector import DetectorError
from gateway.phi.frames import encode_spans, encode_texts, frame
from gateway.phi.inline import RuleDetector
from gateway.phi.masking import InlineMasker, Marked, Replacement, anonymize, splice
from gateway.phi.ner.rampart import Rampart
from gateway.phi.ner.recognizer import Mention
from gateway.phi.pool import OverloadedError, ScannerPool
from gateway.phi.rules.scan import scan
from gateway.phi.scanner import serve
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


async def test_a_call_whose_scanners_keep_dying_fails_closed(pool: ScannerPool) -> None:
    call = asyncio.create_task(pool.detect([LONG * 20]))
    async with asyncio.timeout(20):
        while not call.done():
            for pid in pool.pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.01)
    with pytest.raises(DetectorError):
        await call


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
            while stuck in pool.pids or not pool.healthy:  # noqa: ASYNC110 - readiness is polled
                await asyncio.sleep(0.05)
        assert (await pool.detect(TEXTS[:1]))[0]
    finally:
        await pool.close()


async def test_the_deadline_is_the_calls_and_not_each_frames() -> None:
    """None of its frames takes as long, so no scanner is killed for it."""
    pool = ScannerPool(2, timeout_s=1)
    await pool.start()
    try:
        pids = pool.pids
        began = time.monotonic()
        with pytest.raises(DetectorError):
            await pool.detect([LONG * 40])
        assert time.monotonic() - began < 5
        async with asyncio.timeout(20):
            while not await _answers(pool):
                pass
        assert pool.pids == pids
    finally:
        await pool.close()


async def _answers(pool: ScannerPool) -> bool:
    with contextlib.suppress(DetectorError):
        return bool((await pool.detect(TEXTS[:1]))[0])
    return False


async def test_a_long_text_is_scanned_by_every_scanner() -> None:
    pool = ScannerPool(2, timeout_s=20)
    await pool.start()
    try:
        before = {pid: _cpu_ticks(pid) for pid in pool.pids}
        await pool.detect([LONG])
        assert all(_cpu_ticks(pid) > ticks for pid, ticks in before.items())
    finally:
        await pool.close()


@pytest.mark.parametrize("processes", [1, 2, 3])
async def test_answers_are_the_same_for_any_number_of_scanners(processes: int) -> None:
    texts = [*TEXTS, LONG, *(f"{LONG[n : n + 300]} Met Oksana of Poughkeepsie." for n in range(0, 30_000, 300))]
    pool = ScannerPool(processes, timeout_s=60, ner="rampart")
    await pool.start()
    try:
        assert await pool.detect(texts) == await RuleDetector(Rampart()).detect(texts)
    finally:
        await pool.close()


@pytest.mark.parametrize("characters", [200_000, 2_000_000])
async def test_others_get_their_turns_of_the_loop_while_a_long_text_is_scanned(characters: int) -> None:
    text = ("The patient feels well today and has no complaints at all. " * 20 + "SSN 917-44-8123\n") * 2000
    pool = ScannerPool(2, timeout_s=60)
    await pool.start()
    scan = asyncio.create_task(pool.detect([text[:characters]]))
    turns = 0
    try:
        while not scan.done():
            await asyncio.sleep(0.001)
            turns += 1
        assert (await scan)[0]
        assert turns >= characters // 20_000
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


async def test_more_text_than_the_scanners_can_do_is_refused_at_once() -> None:
    pool = ScannerPool(1, timeout_s=20, max_characters=30_000)
    await pool.start()
    try:
        calls = await asyncio.gather(
            *(pool.detect(["SSN 917-44-8123 " * 500]) for _ in range(6)), return_exceptions=True
        )
        assert [isinstance(call, OverloadedError) for call in calls] == [False] * 3 + [True] * 3
        assert (await pool.detect(["SSN 917-44-8123 " * 5000]))[0], "one call alone may be of any size"
    finally:
        await pool.close()


async def test_a_model_that_is_not_installed_says_so_at_the_start() -> None:
    pool = ScannerPool(2, timeout_s=20, ner="spacy")
    with pytest.raises(DetectorError, match=r"pip install 'hasp\[spacy\]'"):
        await pool.start()
    assert not pool.healthy


class Failing:
    """A model that fails on what it reads."""

    def recognize(self, sentences: Sequence[str]) -> Sequence[Sequence[Mention]]:
        raise MemoryError(*sentences)


def test_a_text_that_a_model_fails_on_gets_no_answer_and_the_scanner_goes_on() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b"".join(frame(encode_texts([text])) for text in ("Then Qorvexa came along.", "Nothing here.")))
        ours.shutdown(socket.SHUT_WR)
        serve(theirs, Failing())
        theirs.shutdown(socket.SHUT_WR)
        assert ours.recv(1000) == frame(b"") + frame(encode_spans([[]]))


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


def _cpu_ticks(pid: int) -> int:
    user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return int(user) + int(system)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
