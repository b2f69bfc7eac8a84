"""How much memory processes have while something goes on, looked at several times a second."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import psutil

_EVERY_S: Final = 0.1
_MEBI: Final = 1 << 20


@dataclass(slots=True)
class Memory:
    """Resident mebibytes of each part, in order; a part that was killed goes on as the process that took its place."""

    pids: Mapping[str, int]
    """Of those that are up. It may change."""
    seen: dict[str, list[int]] = field(default_factory=dict[str, list[int]])

    async def look(self) -> None:
        while True:
            for part, pid in [*self.pids.items()]:
                try:
                    resident = psutil.Process(pid).memory_info().rss
                except psutil.NoSuchProcess:
                    continue
                self.seen.setdefault(part, []).append(resident // _MEBI)
            await asyncio.sleep(_EVERY_S)

    def grown(self, part: str) -> int:
        """How far above its first moment it ever was."""
        seen = self.seen.get(part, [0])
        return max(seen) - seen[0]

    def told(self, part: str) -> str:
        seen = self.seen.get(part, [0])
        return f"{part} {seen[0]} MiB at first, {max(seen)} at most, {seen[-1]} at the end"


@asynccontextmanager
async def metered(pids: Mapping[str, int]) -> AsyncGenerator[Memory]:
    memory = Memory(pids)
    looking = asyncio.create_task(memory.look())
    try:
        yield memory
    finally:
        looking.cancel()
