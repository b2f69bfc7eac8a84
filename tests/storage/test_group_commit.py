"""Group commit: everybody hears of their own item, and nothing that was submitted is lost."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway.errors import UnavailableError
from storage.group_commit import GroupCommit


class Ledger:
    """Commits when it is let; remembers its groups."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.open = asyncio.Event()
        self.entered = asyncio.Event()

    async def commit(self, items: Sequence[int]) -> Sequence[int | Exception]:
        self.entered.set()
        await self.open.wait()
        if 0 in items:
            raise ValueError("zero spoils its group")
        if -1 in items:
            raise UnavailableError
        self.groups.append(list(items))
        return [item * 10 if item < 100 else KeyError(item) for item in items]


async def outcomes(group: GroupCommit[int, int], *items: int) -> list[int | BaseException]:
    return await asyncio.gather(*(group.submit(item) for item in items), return_exceptions=True)


async def test_what_gathers_while_a_group_commits_goes_together() -> None:
    ledger = Ledger()
    group = GroupCommit(ledger.commit)
    first = asyncio.create_task(group.submit(1))
    await ledger.entered.wait()
    rest = asyncio.create_task(outcomes(group, 2, 3, 4))
    await asyncio.sleep(0)

    ledger.open.set()

    assert await first == 10
    assert await rest == [20, 30, 40]
    assert ledger.groups == [[1], [2, 3, 4]]
    await group.close()


async def test_each_item_hears_its_own_verdict() -> None:
    ledger = Ledger()
    ledger.open.set()
    group = GroupCommit(ledger.commit)

    good, bad = await outcomes(group, 1, 100)

    assert good == 10
    assert isinstance(bad, KeyError)
    await group.close()


async def test_an_item_that_spoils_its_group_fails_alone() -> None:
    ledger = Ledger()
    ledger.open.set()
    group = GroupCommit(ledger.commit)

    one, zero, two = await outcomes(group, 1, 0, 2)

    assert (one, two) == (10, 20)
    assert isinstance(zero, ValueError)
    await group.close()


async def test_a_database_that_is_away_fails_the_group_at_once() -> None:
    ledger = Ledger()
    ledger.open.set()
    group = GroupCommit(ledger.commit)

    answers = await outcomes(group, 1, -1)

    assert [type(answer) for answer in answers] == [UnavailableError, UnavailableError]
    assert ledger.groups == []
    await group.close()


async def test_closing_waits_for_the_group_in_flight() -> None:
    ledger = Ledger()
    group = GroupCommit(ledger.commit)
    submitted = asyncio.create_task(group.submit(1))
    await ledger.entered.wait()
    closing = asyncio.create_task(group.close())
    await asyncio.sleep(0)

    ledger.open.set()
    await closing

    assert await submitted == 10


async def test_a_caller_that_leaves_does_not_stop_its_group() -> None:
    ledger = Ledger()
    group = GroupCommit(ledger.commit)
    leaving = asyncio.create_task(group.submit(1))
    await ledger.entered.wait()

    leaving.cancel()
    ledger.open.set()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await group.close()

    assert ledger.groups == [[1]]
