"""`hasp up` and `hasp down`."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from cli.embedded import demo
from cli.embedded.home import Home
from cli.embedded.ports import Ports
from cli.embedded.stack import DEMO_JOB, Stack
from cli.embedded.supervisor import Supervisor

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def up(root: Path) -> None:
    """Run the stack with its state in `root` until a signal stops it; then stop every part."""
    stack = Stack(Home(root.absolute()), Ports.read(os.environ), dict(os.environ))
    stack.home.create()
    with stack.home.held(say) as lease:
        stack.ports.check_free()
        stack.home.rotate_logs()
        say(f"Starting Hasp in {stack.home.root}")
        asyncio.run(_supervise(stack, lease))


def down(root: Path) -> None:
    """Stop the stack that runs in `root`, and wait until it has."""
    home = Home(root.absolute())
    say(f"Stopped {home.root}" if home.stop_supervisor() else f"Nothing is running in {home.root}")


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def _supervise(stack: Stack, lease: int) -> None:
    began = time.monotonic()
    supervisor = Supervisor(stack.parts(), logs=stack.home.logs, say=say, inherit=(lease,))
    stopping = _stop_on_signals(supervisor)
    async with supervisor:
        start = asyncio.create_task(supervisor.start())
        stop = asyncio.create_task(stopping.wait())
        await asyncio.wait([start, stop], return_when=asyncio.FIRST_COMPLETED)
        if start.done():
            _announce(stack, start.result(), seconds=time.monotonic() - began)
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


def _announce(stack: Stack, outputs: Mapping[str, bytes], *, seconds: float) -> None:
    path = stack.home.demo
    facts = demo.updated(
        demo.Demo.load(path), outputs[DEMO_JOB], base_url=stack.base_url, temporal_ui_url=stack.temporal.ui_url
    )
    facts.save(path)
    print(demo.banner(facts, stack.environ, seconds=seconds), flush=True)
