"""Two small parts under the real supervisor: `python -m tests.cli.little_stack HOME PORT PORT`, like `hasp up`."""

import asyncio
import os
import sys
from pathlib import Path

from cli.embedded.home import Home
from cli.embedded.parts import Part, answers
from cli.embedded.run import say, supervise
from cli.failure import CommandError

SCRIPT = str(Path(__file__).with_name("part.py"))


def part(name: str, port: int, journal: Path, *, needs: tuple[str, ...] = ()) -> Part:
    return Part(
        name=name,
        argv=(sys.executable, SCRIPT, name, str(port), str(journal)),
        env=dict(os.environ),
        needs=needs,
        ready=answers("127.0.0.1", port, "/"),
    )


def parts(home: Home, ports: list[int]) -> tuple[Part, Part]:
    journal = home.root / "journal"
    return part("base", ports[0], journal), part("top", ports[1], journal, needs=("base",))


def announce() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def main(root: str, *ports: str) -> None:
    home = Home(Path(root))
    home.create()
    try:
        with home.held(say) as lease:
            small = parts(home, [int(port) for port in ports])
            asyncio.run(supervise(small, home, lease, lambda _: announce()))
    except CommandError as failure:
        sys.exit(failure.line)


if __name__ == "__main__":
    main(*sys.argv[1:])
