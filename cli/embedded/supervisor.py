"""Start parts in the order of their needs, keep them alive, and stop them in reverse: these and nothing else."""

import asyncio
import os
import signal
import subprocess
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from cli.embedded import launch
from cli.embedded.parts import Part
from cli.failure import CommandError

POLL_S = 0.03
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_AFTER_S = 60.0
QUOTED_LOG_CHARS = 300


class Supervisor:
    """Owns the processes of a set of parts. An async context manager: leaving it stops them all.

    Parts run in sessions of their own, so a terminal's Ctrl-C reaches only the supervisor, and the kernel stops
    them if the supervisor is killed. `inherit` are descriptors that every part keeps open for its whole life.
    """

    def __init__(
        self, parts: Sequence[Part], *, logs: Path, say: Callable[[str], None], inherit: Sequence[int] = ()
    ) -> None:
        self._parts = parts
        self._logs = logs
        self._say = say
        self._inherit = tuple(inherit)
        self._running: dict[str, Process] = {}
        self._ready = {part.name: asyncio.Event() for part in parts}
        self._tasks: list[asyncio.Task[None]] = []
        self._outputs: dict[str, bytes] = {}
        self._hurry = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def start(self) -> Mapping[str, bytes]:
        """Bring every part up, those that can at the same time, and return what the jobs printed, by name.

        A part that fails before its first readiness is a `CommandError` with the last line of its log.
        """
        starts = [asyncio.create_task(self._first_start(part)) for part in self._parts]
        self._tasks.extend(starts)
        done, _ = await asyncio.wait(starts, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
        return self._outputs

    def hurry(self) -> None:
        """Kill what is still stopping."""
        self._hurry.set()

    async def _first_start(self, part: Part) -> None:
        for need in part.needs:
            await self._ready[need].wait()
        began = time.monotonic()
        process = await self._bring_up(part)
        self._say(f"  {part.name:<10} {'ready' if part.ready else 'done '}  {time.monotonic() - began:4.1f} s")
        self._ready[part.name].set()
        if part.ready:
            self._tasks.append(asyncio.create_task(self._keep(part, process)))

    async def _keep(self, part: Part, process: Process) -> None:
        """Restart the part whenever it ends, waiting longer each time it did not stay up."""
        pause = FIRST_PAUSE_S
        while True:
            up_since = time.monotonic()
            code = await process.wait()
            self._forget(part)
            if time.monotonic() - up_since > STEADY_AFTER_S:
                pause = FIRST_PAUSE_S
            self._say(f"{part.name} {_ending(code)}; starting it again in {pause:g} s")
            process, pause = await self._restart(part, pause)
            self._say(f"{part.name} is ready again")

    async def _restart(self, part: Part, pause: float) -> tuple[Process, float]:
        while True:
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)
            try:
                return await self._bring_up(part), pause
            except (CommandError, OSError) as failure:
                self._say(f"{failure}; trying again in {pause:g} s")

    async def _bring_up(self, part: Part) -> Process:
        if part.before:
            await part.before()
        log = self._logs / f"{part.name}.log"
        seen = log.stat().st_size if log.exists() else 0
        process = await self._spawn(part, log)
        try:
            async with asyncio.timeout(part.ready_within_s):
                await self._until_ready(part, process)
        except TimeoutError:
            await self._end(part)
            raise CommandError(f"{part.name} was not ready within {part.ready_within_s:.0f} s; see {log}") from None
        if process.returncode is not None:
            self._forget(part)
            if part.ready or process.returncode:
                raise CommandError(_obituary(part, process.returncode, log, seen))
        return process

    async def _until_ready(self, part: Part, process: Process) -> None:
        """Return when the part is ready or has ended."""
        if part.ready is None:
            self._outputs[part.name], _ = await process.communicate()
            return
        while process.returncode is None and not await part.ready(process.pid):  # noqa: ASYNC110 - no event to await
            await asyncio.sleep(POLL_S)

    async def _spawn(self, part: Part, log: Path) -> Process:
        argv = launch.command(part.argv, stop_signal=part.stop_signal, unroot=part.unroot)
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *argv,
                env=dict(part.env),
                stdin=subprocess.DEVNULL,
                stdout=output if part.ready else subprocess.PIPE,
                stderr=output,
                start_new_session=True,
                pass_fds=self._inherit,
            )
        self._running[part.name] = process
        return process

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        stops: dict[str, asyncio.Task[None]] = {}
        for part in reversed(self._parts):
            dependents = [stops[other.name] for other in self._parts if part.name in other.needs]
            stops[part.name] = asyncio.create_task(self._end(part, dependents))
        await asyncio.gather(*stops.values())

    async def _end(self, part: Part, dependents: Sequence["asyncio.Task[None]"] = ()) -> None:
        """Stop a part once those that need it have stopped; kill it when it takes too long."""
        if dependents:
            await asyncio.wait(dependents)
        process = self._running.get(part.name)
        if process is None:
            return
        if process.returncode is None:
            process.send_signal(part.stop_signal)
        ended, hurried = asyncio.create_task(process.wait()), asyncio.create_task(self._hurry.wait())
        await asyncio.wait([ended, hurried], timeout=part.stops_within_s, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        self._forget(part)
        await ended

    def _forget(self, part: Part) -> None:
        """Kill what is left of the part's process group: its own children would keep its port."""
        process = self._running.pop(part.name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _obituary(part: Part, code: int | None, log: Path, seen: int) -> str:
    with log.open("rb") as file:
        file.seek(seen)
        lines = file.read().decode(errors="replace").split("\n")
    if any("No space left on device" in line for line in lines):
        return f"the disk is full: {part.name} {_ending(code)}; make room at {log.parent.parent}"
    last = next((line.strip()[:QUOTED_LOG_CHARS] for line in reversed(lines) if line.strip()), "it wrote nothing")
    return f"{part.name} {_ending(code)}: {last} (see {log})"
