"""Unwrapped keys in memory: few, not for long, and loaded once for all who need them at the same time."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_KEPT_S = 60.0


@dataclass(frozen=True, slots=True)
class _Kept(Generic[V]):
    value: V
    until: float


class Unwrapped(Generic[K, V]):
    """What `load` returned, for at most a minute from when it began: a destroyed key must stop working soon.

    It is let go even if nobody asks any more: a process that idles keeps no key in its memory. Names that `load`
    leaves out are asked for again. Beyond `most` the oldest go first.
    """

    def __init__(self, load: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]], *, most: int) -> None:
        self._load = load
        self._most = most
        self._kept: OrderedDict[K, _Kept[V]] = OrderedDict()
        self._loading: dict[K, asyncio.Task[Mapping[K, V]]] = {}

    async def get(self, names: Collection[K]) -> dict[K, V]:
        """Of `names`, which are distinct, those that there are. Raises what `load` raises."""
        now = time.monotonic()
        found: dict[K, V] = {}
        loads: set[asyncio.Task[Mapping[K, V]]] = set()
        missing: list[K] = []
        for name in names:
            kept = self._kept.get(name)
            if kept is not None and kept.until > now:
                found[name] = kept.value
            elif (loading := self._loading.get(name)) is not None:
                loads.add(loading)
            else:
                missing.append(name)
        if missing:
            loads.add(self._begin(missing))
        for load in loads:
            # Others may wait for it: one that leaves does not take it along.
            loaded = await asyncio.shield(load)
            found |= {name: loaded[name] for name in names if name in loaded}
        return found

    def forget(self, name: K) -> None:
        self._kept.pop(name, None)

    def _begin(self, missing: Sequence[K]) -> asyncio.Task[Mapping[K, V]]:
        load = asyncio.create_task(self._keep_loaded(missing))
        self._loading |= dict.fromkeys(missing, load)
        return load

    async def _keep_loaded(self, names: Sequence[K]) -> Mapping[K, V]:
        until = time.monotonic() + _KEPT_S
        try:
            loaded = await self._load(names)
            for name, value in loaded.items():
                self._kept[name] = _Kept(value, until)
                self._kept.move_to_end(name)
            self._let_go()
            asyncio.get_running_loop().call_later(_KEPT_S, self._let_go)
            return loaded
        finally:
            for name in names:
                del self._loading[name]

    def _let_go(self) -> None:
        now = time.monotonic()
        while self._kept:
            oldest = next(iter(self._kept.values()))
            if oldest.until > now and len(self._kept) <= self._most:
                return
            self._kept.popitem(last=False)
