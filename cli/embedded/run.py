"""`hasp up` and `hasp down`."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cli.embedded import demo
from cli.embedded.home import Home
from cli.embedded.parts import Part
from cli.embedded.ports import Ports
from cli.embedded.stack import DEMO_JOB, Stack
from cli.embedded.supervisor import Supervisor

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def up(root: Path) -> None:
    """Run the stack with its state in `root` until a signal stops it; then stop every part."""
    began = time.monotonic()
    stack = Stack(Home(root.absolute()), Ports.read(os.environ), dict(os.environ))

    def announce(outputs: Mapping[str, bytes]) -> None:
        facts = demo.updated(
            demo.Demo.load(stack.home.demo),
            outputs[DEMO_JOB],
            base_url=stack.base_url,
            temporal_ui_url=stack.temporal.ui_url,
        )
        facts.save(stack.home.demo)
        stack.note_schema()
        print(demo.banner(facts, stack.environ, seconds=time.monotonic() - began), flush=True)

    if file := os.environ.get("HASP_CATALOG_FILE"):
        from cli.configuration import require_catalog

        require_catalog(Path(file))
    stack.home.create()
    with stack.home.held(say) as lease:
        stack.ports.check_free()
        stack.home.rotate_logs()
        stack.make_secrets()
        say(f"Starting Hasp in {stack.home.root}")
        asyncio.run(supervise(stack.parts(), stack.home, lease, announce))


def down(root: Path) -> None:
    """Stop the stack that runs in `root`, and wait until it has."""
    home = Home(root.absolute())
    say(f"Stopped {home.root}" if home.stop_supervisor() else f"Nothing is running in {home.root}")


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def supervise(
    parts: Sequence[Part], home: Home, lease: int, announce: Callable[[Mapping[str, bytes]], None]
) -> None:
    """Run the parts until a signal. `announce` gets what the jobs printed, once all parts are ready."""
    supervisor = Supervisor(parts, logs=home.logs, say=say, inherit=(lease,))
    stopping = _stop_on_signals(supervisor)
    async with supervisor:
        start = asyncio.create_task(supervisor.start())
        stop = asyncio.create_task(stopping.wait())
        await asyncio.wait([start, stop], return_when=asyncio.FIRST_COMPLETED)
        if start.done():
            announce(start.result())
            await stop
        start.cancel()
        say("Stopping")


def _stop_on_signals(supervisor: Supervisor) -> asyncio.Event:
    """Set by the first signal; a second one kills what is still stopping."""
    stopping = asyncio.Event()

    def on_signal() -> None:
        supervisor.hurry() if stopping.is_set() else stopping.set()

    for each in STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(each, on_signal)
    return stopping
