"""Processor time and memory of process trees, from /proc."""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_TICK_MS: Final = 1000 / os.sysconf("SC_CLK_TCK")
# Fields of /proc/PID/stat after the parenthesised name, see proc_pid_stat(5).
_PARENT, _USER, _SYSTEM = 1, 11, 12


@dataclass(frozen=True, slots=True)
class Memory:
    """In MB of 10^6 bytes. `pss` counts a page that n processes share as 1/n."""

    rss: float
    pss: float


@dataclass(frozen=True, slots=True)
class _Stat:
    parent: int
    cpu_ms: float


def tree(root: int) -> frozenset[int]:
    """`root` and everything that descends from it."""
    children: dict[int, list[int]] = {}
    for pid, stat in _stats().items():
        children.setdefault(stat.parent, []).append(pid)
    found: set[int] = set()
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        found.add(pid)
        waiting += children.get(pid, ())
    return frozenset(found)


def cpu_ms(pids: Iterable[int]) -> dict[int, float]:
    """Processor time of each that lives, user and system, over its life; the kernel counts in steps of 10 ms."""
    stats = _stats()
    return {pid: stats[pid].cpu_ms for pid in pids if pid in stats}


def spent_ms(before: Mapping[int, float], after: Mapping[int, float]) -> float:
    """What `after` has over `before`. A process that started in between counts whole; one that ended, not at all."""
    return sum(spent - before.get(pid, 0.0) for pid, spent in after.items())


def memory(pids: Iterable[int]) -> Memory:
    """The sum over those that live."""
    rss = pss = 0.0
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            kilobytes = _rollup((_PROC / str(pid) / "smaps_rollup").read_text())
            rss += kilobytes["Rss"]
            pss += kilobytes["Pss"]
    return Memory(rss * 1024 / 1e6, pss * 1024 / 1e6)


def _rollup(text: str) -> dict[str, int]:
    lines = (line.split() for line in text.splitlines()[1:])
    return {words[0].rstrip(":"): int(words[1]) for words in lines}


def _stats() -> dict[int, _Stat]:
    stats: dict[int, _Stat] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):
                stats[int(folder.name)] = _stat((folder / "stat").read_text())
    return stats


def _stat(text: str) -> _Stat:
    fields = text.rpartition(")")[2].split()
    return _Stat(int(fields[_PARENT]), (int(fields[_USER]) + int(fields[_SYSTEM])) * _TICK_MS)
