"""Refusals that repeat others: counted, bounded, and all told of."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, LiteralString

import orjson
import psycopg
import pytest
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from gateway.errors import InvalidApiKeyError, IpNotAllowedError, MissingScopeError, UnavailableError
from gateway.ids import PLATFORM, InferenceId, OrganizationId, new_ulid
from gateway.inference.call import Surface
from gateway.inference.ports import Refusal
from gateway.inference.repeats import MOST_OF_A_KEY, MOST_STRANGERS
from gateway.settings import Settings
from storage import Storage, journal_sql
from storage.pool import fetch
from storage.refusal_summaries import sum_up
from tests.conftest import Database
from tests.embedded import free_port
from tests.tenants import make_tenant

AT = datetime(2026, 5, 27, 12, 0, 7, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Later:
    """A clock that stands."""

    at: datetime = AT + timedelta(minutes=3)

    def now(self) -> datetime:
        return self.at


def refusal(address: str | None = "203.0.113.7", *, org: OrganizationId = PLATFORM, at: datetime = AT) -> Refusal:
    """Of a key that nobody has."""
    return Refusal(org, InferenceId(new_ulid()), InvalidApiKeyError(), at, ip_address=address, path="/v1/usage")


@pytest.fixture
def log(database: Database) -> Iterator["Log"]:
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        yield Log(connection)


@dataclass(frozen=True, slots=True)
class Log:
    connection: psycopg.Connection[TupleRow]

    @property
    def entries(self) -> int:
        """Refusals with an entry of their own."""
        return self._number(
            "select count(*) from audit_entries where action in ('access.refused', 'ai.request.refused')"
        )

    @property
    def summaries(self) -> list[TupleRow]:
        return self.connection.execute(
            "select org_id, action, actor, metadata from audit_entries where action like '%.repeated' order by id"
        ).fetchall()

    @property
    def counted(self) -> int:
        """Refusals that summaries tell of."""
        return sum(metadata["count"] for *_, metadata in self.summaries)

    @property
    def waiting(self) -> int:
        return self._number("select count(*) from refusal_counts")

    @property
    def unsealed(self) -> int:
        return self._number("select count(*) from audit_pending")

    def _number(self, query: LiteralString) -> int:
        (number,) = self.connection.execute(query).fetchall()[0]
        return number


async def told(storage: Storage, at: datetime = Later().at) -> list[int]:
    """The pages that summing up takes until there is nothing left."""
    pages: list[int] = []
    while page := await sum_up(storage.pool, Later(at)):
        pages.append(page)
    return pages


async def refuse(storage: Storage, *refusals: Refusal) -> None:
    await asyncio.gather(*map(storage.journal.refuse, refusals))


async def test_who_is_refused_again_in_a_minute_is_counted_and_told_of_once(storage: Storage, log: Log) -> None:
    last = AT + timedelta(seconds=40)
    await refuse(storage, refusal())
    await refuse(storage, *(refusal() for _ in range(30)))
    await refuse(storage, refusal(at=last))

    assert (log.entries, await told(storage), await told(storage)) == (1, [1], [])
    ((org, action, actor, metadata),) = log.summaries
    assert (org, action, actor) == (PLATFORM, "access.refused.repeated", None)
    assert metadata == {
        "count": 31,
        "first_at": "2026-05-27T12:00:07.000000+00:00",
        "last_at": "2026-05-27T12:00:47.000000+00:00",
        "error_code": "INVALID_API_KEY",
        "kind": "unauthenticated",
        "gate": "api_key",
        "route": "/v1/usage",
        "surface": None,
        "model": None,
        "network": "203.0.113.7/32",
    }
    assert (log.waiting, log.unsealed) == (0, 2)


@pytest.mark.parametrize(
    "other",
    [
        replace(refusal(), ip_address="203.0.113.8"),
        replace(refusal(), ip_address=None),
        replace(refusal(), path="/v1/audit"),
        replace(refusal(), surface=Surface.NATIVE),
        replace(refusal(), actor="key:01K0B6W4M7RT2V9YQ3X5ZC8D1E"),
        replace(refusal(), error=IpNotAllowedError()),
        replace(refusal(), at=AT + timedelta(minutes=1)),
    ],
)
async def test_another_kind_of_refusal_has_an_entry_of_its_own(storage: Storage, log: Log, other: Refusal) -> None:
    await refuse(storage, refusal())
    await refuse(storage, replace(other, id=InferenceId(new_ulid())))

    assert (log.entries, log.waiting) == (2, 0)


async def test_addresses_of_one_hand_are_one_caller(storage: Storage, log: Log) -> None:
    await refuse(storage, refusal("2001:db8:1:2::1"), refusal("2001:db8:1:2:ffff::9"), refusal("2001:db8:1:3::1"))
    await refuse(storage, refusal("198.51.100.1"), refusal("::ffff:198.51.100.1"))

    await told(storage)
    assert log.entries == 3
    assert sorted(metadata["network"] for *_, metadata in log.summaries) == ["198.51.100.1/32", "2001:db8:1:2::/64"]


async def test_a_minute_that_goes_on_is_not_told_of(storage: Storage, log: Log) -> None:
    await refuse(storage, *(refusal() for _ in range(5)))

    assert (await told(storage, AT + timedelta(seconds=110)), log.waiting) == ([], 1)


async def test_what_comes_after_its_minute_was_told_of_is_told_of_too(storage: Storage, log: Log) -> None:
    await refuse(storage, refusal(), refusal(), refusal())
    await told(storage)
    await refuse(storage, refusal(), refusal())
    await told(storage)

    assert (log.entries, [metadata["count"] for *_, metadata in log.summaries]) == (1, [2, 2])


async def test_those_who_sum_up_at_once_make_one_entry(storage: Storage, log: Log) -> None:
    await refuse(storage, *(refusal() for _ in range(5)))

    pages = await asyncio.gather(*(sum_up(storage.pool, Later()) for _ in range(6)))

    assert (sorted(pages), log.counted, len(log.summaries)) == ([0, 0, 0, 0, 0, 1], 4, 1)


async def test_a_batch_that_is_sent_again_counts_once(storage: Storage, log: Log) -> None:
    count: dict[str, Any] = {
        "minute": AT.replace(second=0),
        "digest": "d",
        "org_id": PLATFORM,
        "facts": {"action": "access.refused.repeated", "actor": None, "metadata": {}},
        "count": 7,
        "first_at": AT,
        "last_at": AT,
    }
    for batch in ("first", "first", "second", "second"):
        values = {"rows": Jsonb([]), "counts": Jsonb([count], dumps=orjson.dumps), "counter": "c", "batch": batch}
        await fetch(storage.pool, journal_sql.REFUSE, values)

    await told(storage)
    assert log.counted == 14


async def test_a_flood_from_everywhere_over_two_processes_leaves_few_entries_and_loses_none(
    storage: Storage, settings: Settings, log: Log
) -> None:
    draw = Random(20261122)
    flood = [refusal(_anywhere(draw)) for _ in range(10_000)]
    others = await Storage.open(settings)
    for start in range(0, len(flood), 500):
        await asyncio.gather(
            refuse(storage, *flood[start : start + 250]), refuse(others, *flood[start + 250 : start + 500])
        )
    await others.close()

    pages = await told(storage)

    assert log.entries + log.counted == len(flood)
    assert log.entries == 2 * MOST_STRANGERS
    assert sum(pages) == len(log.summaries) <= 2 * MOST_STRANGERS + 1
    (others_counted,) = (metadata for *_, metadata in log.summaries if metadata["network"] == "other")
    assert (others_counted["error_code"], others_counted["route"]) == ("INVALID_API_KEY", None)
    assert log.waiting == 0


def _anywhere(draw: Random) -> str:
    if draw.random() < 0.5:
        return f"198.18.{draw.randrange(8)}.{draw.randrange(256)}"
    return f"2001:db8:{draw.randrange(1000):x}::{draw.randrange(9)}"


async def test_a_flood_in_one_organisation_hides_nothing_of_another(storage: Storage, log: Log) -> None:
    tenant = await make_tenant(storage)
    await refuse(storage, *(refusal(f"198.18.{n // 250}.{n % 250}") for n in range(2 * MOST_STRANGERS)))

    await refuse(storage, refusal("192.0.2.1", org=tenant.org))

    assert log.entries == MOST_STRANGERS + 1


async def test_a_key_that_loops_has_its_first_refusals_audited_and_the_rest_counted(storage: Storage, log: Log) -> None:
    tenant = await make_tenant(storage)
    actor = f"key:{tenant.key.id}"
    looping = replace(
        refusal(org=tenant.org), error=MissingScopeError(), actor=actor, surface=Surface.MESSAGES, path="/v1/messages"
    )
    for number in range(MOST_OF_A_KEY + 40):
        # Wherever it comes from.
        await refuse(storage, replace(looping, id=InferenceId(new_ulid()), ip_address=f"198.51.100.{number}"))
    await refuse(storage, replace(looping, id=InferenceId(new_ulid()), model="claude-haiku-4-5"))

    await told(storage)
    assert log.entries == MOST_OF_A_KEY + 1
    ((org, action, found, metadata),) = log.summaries
    assert (org, action, found) == (tenant.org, "ai.request.refused.repeated", actor)
    assert (metadata["count"], metadata["error_code"], metadata["model"]) == (40, "MISSING_SCOPE", None)


async def test_another_organisation_sees_no_counts(storage: Storage, database: Database) -> None:
    await refuse(storage, refusal(), refusal())
    tenant = await make_tenant(storage)

    with psycopg.connect(database.app_url) as connection:
        connection.execute("select set_config('hasp.organization', %s, true)", [tenant.org])
        assert connection.execute("select count(*) from refusal_counts").fetchone() == (0,)


async def test_neither_an_entry_nor_a_count_is_acknowledged_without_a_database(settings: Settings) -> None:
    nowhere = f"postgresql://hasp_app:x@127.0.0.1:{free_port()}/none"
    away = await Storage.open(settings.model_copy(update={"database_url": nowhere}))

    results = await asyncio.gather(*(away.journal.refuse(refusal()) for _ in range(2)), return_exceptions=True)
    await away.close()

    assert [type(result) for result in results] == [UnavailableError] * 2
