"""Standings are read once for everybody who asks at about the same time."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from gateway.catalog import shipped_catalog
from gateway.errors import UnavailableError
from gateway.routing.board import FRESH_S, StatusBoard
from gateway.routing.status import Circuits, Record, Slot

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(slots=True)
class Time:
    now_is: datetime = NOON

    def now(self) -> datetime:
        return self.now_is


@dataclass(slots=True)
class Records:
    """An empty book that counts who looks."""

    reads: int = 0
    is_away: bool = False
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.may_answer.set()

    async def records(self, *, recent: datetime, oldest: datetime) -> list[Record]:
        assert oldest < recent
        self.reads += 1
        await self.may_answer.wait()
        if self.is_away:
            raise UnavailableError
        return []

    async def slots(self, *, oldest: datetime) -> list[Slot]:
        assert oldest < NOON
        return []

    async def circuits(self) -> Circuits:
        return {}


def board(records: Records, time: Time | None = None) -> StatusBoard:
    return StatusBoard(shipped_catalog(), records, time or Time())


async def test_every_provider_of_the_catalog_is_there_with_its_models() -> None:
    catalog = shipped_catalog()

    standings = await board(Records()).read()

    assert [(provider.id, [model for model, _ in provider.models]) for provider in standings.providers] == [
        (provider.id, [model.id for model in catalog.models_of(provider.id)]) for provider in catalog.providers
    ]


@pytest.mark.parametrize(
    ("later", "reads"),
    [
        (timedelta(seconds=FRESH_S - 1), 1),
        (timedelta(seconds=FRESH_S), 2),
        (timedelta(hours=-1), 2),
    ],
    ids=["fresh", "old", "a clock set back"],
)
async def test_it_is_read_again_when_it_is_old(later: timedelta, reads: int) -> None:
    records, time = Records(), Time()
    asked = board(records, time)

    await asked.read()
    time.now_is += later
    await asked.read()

    assert records.reads == reads


async def test_many_who_ask_at_once_cause_one_reading() -> None:
    records = Records()
    records.may_answer.clear()
    asked = board(records)

    waiting = [asyncio.create_task(asked.read()) for _ in range(50)]
    await asyncio.sleep(0)
    records.may_answer.set()
    answers = await asyncio.gather(*waiting)

    assert records.reads == 1
    assert all(each is answers[0] for each in answers)


async def test_who_hangs_up_leaves_the_others_their_answer() -> None:
    records = Records()
    records.may_answer.clear()
    asked = board(records)
    first, second = asyncio.create_task(asked.read()), asyncio.create_task(asked.read())
    await asyncio.sleep(0)

    first.cancel()
    await asyncio.wait([first])
    records.may_answer.set()

    assert (await second).providers
    assert records.reads == 1


async def test_a_failure_is_told_to_all_who_wait_and_kept_for_nobody_after_them() -> None:
    records = Records(is_away=True)
    asked = board(records)

    failures = await asyncio.gather(asked.read(), asked.read(), return_exceptions=True)
    records.is_away = False
    standings = await asked.read()

    assert [type(failure) for failure in failures] == [UnavailableError, UnavailableError]
    assert standings.providers
    assert records.reads == 2


async def test_history_is_there_when_it_is_asked_for() -> None:
    asked = board(Records())

    assert (await asked.read()).history == {}
    assert (await asked.read(history=True)).history == {"anthropic": (), "openai": ()}
