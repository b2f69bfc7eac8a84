"""Unwrapped keys in memory: loaded once, dropped soon, and never too many."""

import asyncio
import weakref
from collections.abc import Mapping, Sequence

import pytest

from gateway.errors import UnavailableError
from storage import unwrapped
from storage.unwrapped import Unwrapped


class Source:
    """Keys as a database and a key service hand them out, when they are told to."""

    def __init__(self, *, there: Sequence[int] = range(100)) -> None:
        self.asked: list[Sequence[int]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.away = False
        self._there = there

    async def load(self, names: Sequence[int]) -> Mapping[int, str]:
        self.asked.append(names)
        await self.open.wait()
        if self.away:
            raise UnavailableError
        return {name: f"key {name}" for name in names if name in self._there}


async def test_those_who_need_a_key_at_once_load_it_once() -> None:
    source = Source()
    source.open.clear()
    keys = Unwrapped(source.load, most=10)
    waiting = [asyncio.create_task(keys.get({1, number})) for number in (1, 2, 3)]
    await asyncio.sleep(0)
    source.open.set()

    assert await asyncio.gather(*waiting) == [
        {1: "key 1"},
        {1: "key 1", 2: "key 2"},
        {1: "key 1", 3: "key 3"},
    ]
    assert source.asked == [[1], [2], [3]]


async def test_one_who_leaves_does_not_take_the_load_along() -> None:
    source = Source()
    source.open.clear()
    keys = Unwrapped(source.load, most=10)
    leaves, stays = asyncio.create_task(keys.get([1])), asyncio.create_task(keys.get([1]))
    await asyncio.sleep(0)
    leaves.cancel()
    source.open.set()

    assert await stays == {1: "key 1"}


async def test_a_key_that_is_kept_is_not_asked_for() -> None:
    source = Source()
    keys = Unwrapped(source.load, most=10)
    await keys.get([1, 2])

    await keys.get([2, 3])

    assert source.asked == [[1, 2], [3]]


async def test_a_key_whose_minute_is_over_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unwrapped, "_KEPT_S", 0.0)
    source = Source()
    keys = Unwrapped(source.load, most=10)
    await keys.get([1])

    await keys.get([1])

    assert source.asked == [[1], [1]]


class Key:
    """Nobody but the memory of keys has it."""


async def test_a_key_whose_minute_is_over_is_let_go_by_a_process_that_asks_for_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unwrapped, "_KEPT_S", 0.05)
    is_gone = asyncio.Event()

    async def load(names: Sequence[int]) -> Mapping[int, Key]:
        return {name: Key() for name in names}

    keys = Unwrapped(load, most=10)
    watch = weakref.ref((await keys.get([1]))[1], lambda _: is_gone.set())

    async with asyncio.timeout(10):
        await is_gone.wait()
    assert watch() is None


async def test_a_key_that_is_not_there_is_asked_for_again() -> None:
    source = Source(there=())
    keys = Unwrapped(source.load, most=10)
    assert await keys.get([1]) == {}

    await keys.get([1])

    assert source.asked == [[1], [1]]


async def test_a_load_that_fails_is_tried_anew() -> None:
    source = Source()
    source.away = True
    keys = Unwrapped(source.load, most=10)
    with pytest.raises(UnavailableError):
        await keys.get([1])
    source.away = False

    assert await keys.get([1]) == {1: "key 1"}


async def test_the_oldest_go_when_there_are_too_many() -> None:
    source = Source()
    keys = Unwrapped(source.load, most=2)
    for name in (1, 2, 3):
        await keys.get([name])

    await keys.get([1, 2, 3])

    assert source.asked[-1] == [1]


async def test_more_than_are_kept_are_had_at_once() -> None:
    keys = Unwrapped(Source().load, most=2)

    assert len(await keys.get(range(10))) == 10
