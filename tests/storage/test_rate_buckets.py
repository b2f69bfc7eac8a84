"""Buckets keep the same promises in PostgreSQL and in Valkey, however many draw at once."""

import asyncio
import random
import sys
import time
from asyncio import StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio
import valkey

from gateway.errors import UnavailableError
from gateway.ids import OrganizationId
from gateway.limits.buckets import Buckets, Draw, levels
from storage.limits.postgres import PostgresBuckets
from storage.limits.valkey import ValkeyBuckets, ValkeyUrlError
from storage.pool import open_pool
from tests.conftest import Database
from tests.embedded import free_port
from tests.storage.rate_buckets import KEY, ORG, Hands, both, day_of_key, per_minute, tokens

ROOT = Path(__file__).parents[2]

Connect = Callable[[Hands | None], Awaitable[Buckets]]


def _client(url: str) -> Any:
    return valkey.Valkey.from_url(url)  # pyright: ignore[reportUnknownMemberType] - the library is half typed


@pytest.fixture(params=["postgres", "valkey"])
def url(request: pytest.FixtureRequest, database: Database, valkey_server: str) -> str:
    """Of an empty store."""
    if request.param == "postgres":
        return database.app_url
    _client(valkey_server).flushall()
    return valkey_server


@pytest_asyncio.fixture
async def connect(url: str) -> AsyncIterator[Connect]:
    """Another process's view of the same buckets, each time."""
    async with AsyncExitStack() as opened:

        async def client(clock: Hands | None) -> Buckets:
            buckets, close = await _connected(url, clock)
            opened.push_async_callback(close)
            return buckets

        yield client


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest_asyncio.fixture
async def buckets(connect: Connect, clock: Hands) -> Buckets:
    return await connect(clock)


async def _connected(url: str, clock: Hands | None) -> tuple[Buckets, Callable[[], Awaitable[None]]]:
    if url.startswith("valkey"):
        there = ValkeyBuckets(url, clock=clock)
        return there, there.close
    pool = await open_pool(url, size=2)
    here = PostgresBuckets(pool, clock=clock)

    async def close() -> None:
        await here.close()
        await pool.close()

    return here, close


async def _remaining(buckets: Buckets, draw: Draw) -> list[int]:
    """What is left of its buckets, of which nothing is taken."""
    look = Draw(draw.buckets, tuple(0 for _ in draw.buckets))
    return [level.remaining for level in levels(look, await buckets.draw(look))]


async def test_two_clients_at_once_draw_exactly_the_limit(connect: Connect, clock: Hands) -> None:
    one, other = await connect(clock), await connect(clock)

    drawn = await asyncio.gather(*(client.draw(per_minute(60)) for client in (one, other) for _ in range(100)))

    assert sum(each.admitted for each in drawn) == 60


async def test_two_processes_at_once_draw_exactly_the_limit(url: str) -> None:
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.storage.drawing", url, "90", cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(2)
    ]

    printed = [await process.communicate() for process in processes]

    assert sum(int(out) for out, _ in printed) == 100


async def test_a_minutes_bucket_refills_all_the_time(buckets: Buckets, clock: Hands) -> None:
    for _ in range(60):
        await buckets.draw(per_minute(60))

    clock.forward(seconds=0.999999)
    early = await buckets.draw(per_minute(60))
    clock.forward(seconds=0.000001)
    due = await buckets.draw(per_minute(60))

    assert (early.admitted, due.admitted) == (False, True)


async def test_a_bucket_is_never_fuller_than_full(buckets: Buckets, clock: Hands) -> None:
    await buckets.draw(per_minute(60))
    clock.forward(days=400)
    await buckets.draw(tokens(100, -50, forced=True))

    assert await _remaining(buckets, both(per_minute(60), tokens(100, 0))) == [60, 100]


async def test_a_draw_takes_from_all_its_buckets_or_from_none(buckets: Buckets) -> None:
    await buckets.draw(tokens(100, 80))
    too_much = both(per_minute(60), tokens(100, 30))

    drawn = await buckets.draw(too_much)

    assert not drawn.admitted
    assert await _remaining(buckets, too_much) == [60, 20]


async def test_what_a_refused_draw_did_not_take_is_there_for_those_that_come_with_it(buckets: Buckets) -> None:
    await buckets.draw(per_minute(1, owner="busy"))
    org = tokens(2, 1)
    busy, idle = both(per_minute(1, owner="busy"), org), both(per_minute(9, owner="idle"), org)

    drawn = await asyncio.gather(*(buckets.draw(draw) for draw in (busy, busy, busy, idle, idle)))

    assert [each.admitted for each in drawn] == [False, False, False, True, True]


async def test_a_days_count_starts_anew_at_midnight_utc(buckets: Buckets, clock: Hands) -> None:
    for _ in range(3):
        await buckets.draw(day_of_key(ORG, limit=3))
    clock.forward(hours=11, minutes=59, seconds=59)
    before = await buckets.draw(day_of_key(ORG, limit=3))

    clock.forward(seconds=1)
    after = await buckets.draw(day_of_key(ORG, limit=3))

    assert (before.admitted, after.admitted) == (False, True)


async def test_units_that_are_given_back_can_be_drawn_at_once(buckets: Buckets) -> None:
    await buckets.draw(tokens(100, 90))

    await buckets.draw(tokens(100, -70, forced=True))

    assert (await buckets.draw(tokens(100, 80))).admitted


async def test_a_bucket_that_owes_is_closed_until_it_has_paid(buckets: Buckets, clock: Hands) -> None:
    await buckets.draw(tokens(60, 60))
    await buckets.draw(tokens(60, 30, forced=True))

    clock.forward(seconds=30)
    owing = await buckets.draw(tokens(60, 1))
    clock.forward(seconds=1)
    paid = await buckets.draw(tokens(60, 1))

    assert (owing.admitted, paid.admitted) == (False, True)


async def test_a_lower_limit_counts_what_was_drawn_under_the_higher_one(buckets: Buckets) -> None:
    for _ in range(10):
        await buckets.draw(per_minute(60))

    assert not (await buckets.draw(per_minute(10))).admitted


async def test_a_clock_that_is_set_back_gives_nothing_away(buckets: Buckets, clock: Hands) -> None:
    for _ in range(60):
        await buckets.draw(per_minute(60))

    clock.forward(hours=-2)

    assert not (await buckets.draw(per_minute(60))).admitted


async def test_a_clock_that_is_set_back_keeps_nobody_out_until_it_is_where_it_was(
    buckets: Buckets, clock: Hands
) -> None:
    a_day = day_of_key(ORG, limit=60)
    for _ in range(60):
        await buckets.draw(both(per_minute(60), a_day))

    clock.forward(days=-30)
    at_once = await buckets.draw(per_minute(60))
    clock.forward(seconds=1)
    due = await buckets.draw(both(per_minute(60), a_day))

    assert (at_once.admitted, due.admitted) == (False, True)


async def test_the_store_s_own_clock_counts_when_none_is_given(connect: Connect) -> None:
    buckets = await connect(None)

    drawn = await buckets.draw(per_minute(60))

    assert abs(drawn.at / 1_000_000 - time.time()) < 60


async def test_both_stores_say_the_same_of_any_history(database: Database, valkey_server: str) -> None:
    _client(valkey_server).flushall()
    clock, chance = Hands(), random.Random(20260401)
    (postgres, close), (there, leave) = (
        await _connected(database.app_url, clock),
        await _connected(valkey_server, clock),
    )
    try:
        for _ in range(400):
            clock.forward(seconds=chance.choice((0, 0, 0.3, 7, 61, 40_000, -5, -50_000)))
            draw = chance.choice(
                (
                    both(per_minute(7), tokens(1_000, chance.randint(1, 600))),
                    both(day_of_key(ORG, limit=40), per_minute(13, owner="other")),
                    tokens(1_000, chance.randint(-500, 500), forced=True),
                )
            )
            assert await postgres.draw(draw) == await there.draw(draw)
    finally:
        await close()
        await leave()


async def test_a_store_that_is_away_is_said_to_be_unavailable() -> None:
    port = free_port()
    for url in (f"postgresql://nobody@127.0.0.1:{port}/none", f"valkey://127.0.0.1:{port}"):
        buckets, close = await _connected(url, None)
        with pytest.raises(UnavailableError):
            await buckets.draw(per_minute(60))
        await close()


async def test_what_fails_for_one_organisation_in_valkey_fails_for_no_other(valkey_server: str) -> None:
    client, other = _client(valkey_server), OrganizationId("01K00000000000000000000009")
    client.flushall()
    client.set(f"hasp:rate:{{{ORG}}}:key_daily:{KEY}", "no bucket")
    buckets = ValkeyBuckets(valkey_server)

    broken, well = await asyncio.gather(
        buckets.draw(day_of_key(ORG, limit=5)), buckets.draw(day_of_key(other, limit=5)), return_exceptions=True
    )
    await buckets.close()

    assert isinstance(broken, UnavailableError)
    assert not isinstance(well, BaseException)
    assert well.admitted


async def test_who_queues_for_a_valkey_that_does_not_answer_waits_no_longer_than_the_first() -> None:
    asked: list[StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: asked.append(writer), "127.0.0.1", 0)
    buckets = ValkeyBuckets(f"valkey://127.0.0.1:{silent.sockets[0].getsockname()[1]}")

    drawn = await asyncio.gather(*(buckets.draw(per_minute(60)) for _ in range(300)), return_exceptions=True)

    assert all(isinstance(each, UnavailableError) for each in drawn)
    assert len(asked) == 1
    await buckets.close()
    for writer in asked:
        writer.close()
    silent.close()


async def test_a_standby_which_has_no_unlogged_tables_is_a_database_that_is_away(database: Database) -> None:
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("drop function hasp_draw")
        owner.execute(
            "create function hasp_draw(text[], bigint[], boolean[], int[], int[], bigint[], boolean[], bigint,"
            " out at bigint, out admitted boolean[], out used bigint[]) language plpgsql as $$ begin"
            " raise 'cannot access temporary or unlogged relations during recovery' using errcode = '0A000';"
            " end $$"
        )
    buckets, close = await _connected(database.app_url, None)

    with pytest.raises(UnavailableError):
        await buckets.draw(per_minute(60))
    await close()


async def test_idle_buckets_leave_valkey(valkey_server: str) -> None:
    client = _client(valkey_server)
    client.flushall()
    buckets = ValkeyBuckets(valkey_server)

    await buckets.draw(both(per_minute(60), day_of_key(ORG, limit=5)))
    await buckets.close()

    spans = [client.pttl(key) for key in client.scan_iter()]
    assert len(spans) == 2
    assert all(0 < span <= 86_401_000 for span in spans)


def test_a_valkey_url_that_cannot_be_used_is_not_repeated() -> None:
    with pytest.raises(ValkeyUrlError) as raised:
        ValkeyBuckets("valkey://:secret@host:port")

    assert "secret" not in str(raised.value)
