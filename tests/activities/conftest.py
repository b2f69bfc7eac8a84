"""What activities are tested with: a clock that tests own, and rows that the pipeline would have written."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from ulid import ULID

from gateway.ids import PLATFORM, OrganizationId
from gateway.settings import Settings
from gateway.webhooks.sender import Sender
from storage import Storage
from tests.activities.dispatching import Dispatching
from tests.receivers import make_org


@dataclass(slots=True)
class SetClock:
    """A `Clock` that stands still until it is moved."""

    time: datetime = field(default_factory=lambda: datetime(2026, 3, 1, 12, tzinfo=UTC))

    def now(self) -> datetime:
        return self.time

    def advance(self, by: timedelta) -> None:
        self.time += by


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest_asyncio.fixture
async def sender() -> AsyncIterator[Sender]:
    opened = Sender(allow_private=True)
    yield opened
    await opened.close()


@pytest.fixture
def dispatching(storage: Storage, settings: Settings, sender: Sender) -> Dispatching:
    return Dispatching(storage, settings, sender)


@pytest_asyncio.fixture
async def org(storage: Storage) -> OrganizationId:
    return await make_org(storage)


async def put_events(storage: Storage, count: int, *, at: datetime, relayed_at: datetime | None = None) -> list[str]:
    """Events in the outbox; their ids, oldest first."""
    ids = sorted(str(ULID.from_datetime(at)) for _ in range(count))
    rows = [(ulid, PLATFORM, at, relayed_at) for ulid in ids]
    async with storage.pool.connection() as connection, connection.cursor() as cursor:
        await cursor.executemany(
            "insert into outbox (id, org_id, type, data, created_at, relayed_at)"
            """ values (%s, %s, 'api_key.created', '{"key_id": "01KEY", "mode": "live"}', %s, %s)""",
            rows,
        )
    return ids


async def waiting(storage: Storage) -> list[str]:
    """Ids of the events not yet relayed."""
    return await _column(storage, "select id from outbox where relayed_at is null order by id")


async def kept(storage: Storage) -> list[str]:
    return await _column(storage, "select id from outbox order by id")


async def put_holds(storage: Storage, count: int, *, expires_at: datetime) -> list[str]:
    """Calls in progress, each with an open hold of 10 credits; their ids."""
    ids = [str(ULID()) for _ in range(count)]
    begun = expires_at - timedelta(minutes=1)
    async with storage.pool.connection() as connection, connection.cursor() as cursor:
        await cursor.execute(
            "insert into credit_accounts (org_id, period_start, holder, period_end, allotment)"
            " values (%s, %s, 'organization', %s, 1000000) on conflict do nothing",
            [PLATFORM, _PERIOD, _PERIOD + timedelta(days=31)],
        )
        await cursor.execute("update credit_accounts set pending = pending + %s", [10 * count])
        await cursor.executemany(
            "insert into inferences (id, org_id, surface, model, mode, streamed, stored, created_at)"
            " values (%s, %s, 'native', 'claude-haiku-4-5', 'live', false, false, %s)",
            [(ulid, PLATFORM, begun) for ulid in ids],
        )
        await cursor.executemany(
            "insert into credit_holds (id, org_id, period_start, holders, amount, expires_at)"
            " values (%s, %s, %s, '{organization}', 10, %s)",
            [(ulid, PLATFORM, _PERIOD, expires_at) for ulid in ids],
        )
    return ids


async def hold_states(storage: Storage) -> Sequence[str]:
    return await _column(storage, "select state from credit_holds order by id")


async def pending_credits(storage: Storage) -> int:
    (pending,) = await _column(storage, "select pending::text from credit_accounts")
    return int(pending)


_PERIOD = datetime(2026, 3, 1, tzinfo=UTC)


async def _column(storage: Storage, query: str) -> list[str]:
    async with storage.pool.connection() as connection:
        rows = await (await connection.execute(query.encode())).fetchall()
    return [row[0] for row in rows]
