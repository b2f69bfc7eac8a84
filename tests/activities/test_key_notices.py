"""What is told of keys that end, with a clock that tests own."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from temporalio.testing import ActivityEnvironment

from activities.key_notices import KeyNoticeActivities
from gateway.keys.api_key import ApiKey, ExpiredApiKeyError
from gateway.settings import Settings
from gateway.tenancy import KeyMode, Scope
from storage import Storage
from storage.audit_keys import signing_key
from storage.audit_verification import verify
from storage.key_issue import begin_grace, change_key, issue_key, revoke_key, rotate_key
from storage.migrate import downgrade, upgrade
from storage.pool import durable
from storage.sequencer import Sequencer
from tests.activities.conftest import SetClock
from tests.conftest import Database
from tests.tenants import Tenant, make_tenant

DAY = timedelta(days=1)
Told = list[tuple[str, dict[str, Any]]]


@pytest_asyncio.fixture
async def storage(settings: Settings, clock: SetClock) -> AsyncIterator[Storage]:
    """Sees the time as the activity does."""
    opened = await Storage.open(settings, clock=clock)
    yield opened
    await opened.close()


async def issue(storage: Storage, tenant: Tenant, *, expires_at: datetime | None) -> tuple[ApiKey, str]:
    async with storage.as_operator(tenant.org, command="test") as tx:
        return await issue_key(tx, name="CI", scopes=[Scope.AI_CHAT], mode=KeyMode.LIVE, expires_at=expires_at)


async def move(storage: Storage, tenant: Tenant, key: ApiKey, expires_at: datetime | None) -> None:
    async with storage.as_operator(tenant.org, command="test") as tx:
        await change_key(tx, key.id, {"expires_at": expires_at})


async def run(storage: Storage, clock: SetClock) -> int:
    """Page after page until one is empty; how many notices were closed."""
    activities = KeyNoticeActivities(storage.pool, clock)
    closed = 0
    while page := (await ActivityEnvironment().run(activities.tell_page)).notices:
        closed += page
    return closed


async def told(storage: Storage, *, of: str) -> Told:
    """Events of the end of key `of`, oldest first."""
    async with durable(storage.pool) as connection:
        rows = await connection.execute(
            "select type, data - 'key_id' - 'mode' - 'ends_at' from outbox where data ->> 'key_id' = %s"
            " and type in ('api_key.expiring', 'api_key.expired') order by id",
            [of],
        )
        return await rows.fetchall()


async def count(storage: Storage, query: str) -> int:
    async with durable(storage.pool) as connection:
        row = await (await connection.execute(query.encode())).fetchone()
    assert row is not None
    return row[0]


REMINDERS: Told = [("api_key.expiring", {"days": days}) for days in (30, 7, 1)]
EXPIRED: Told = [("api_key.expired", {"reason": "expired"})]


async def test_a_key_is_told_of_at_thirty_seven_and_one_days_and_at_its_end(storage: Storage, clock: SetClock) -> None:
    end = clock.now() + 60 * DAY
    key, _ = await issue(storage, await make_tenant(storage), expires_at=end)
    seen: list[int] = []
    for before in (31 * DAY, 30 * DAY, 8 * DAY, 7 * DAY, 2 * DAY, DAY, timedelta(seconds=1), timedelta(0), -DAY):
        clock.time = end - before
        await run(storage, clock)
        seen.append(len(await told(storage, of=key.id)))

    assert seen == [0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert await told(storage, of=key.id) == REMINDERS + EXPIRED


async def test_an_event_names_the_key_its_mode_and_its_end_and_nothing_else(storage: Storage, clock: SetClock) -> None:
    end = clock.now() + DAY
    key, _ = await issue(storage, await make_tenant(storage), expires_at=end)
    clock.time = end
    await run(storage, clock)

    async with durable(storage.pool) as connection:
        rows = await connection.execute("select data from outbox where type = 'api_key.expired'")
        ((data,),) = await rows.fetchall()
    assert data == {"key_id": key.id, "mode": "live", "ends_at": end.isoformat(), "reason": "expired"}


async def test_a_reminder_whose_day_had_passed_when_the_end_was_set_is_not_told(
    storage: Storage, clock: SetClock
) -> None:
    tenant = await make_tenant(storage)
    short, _ = await issue(storage, tenant, expires_at=clock.now() + 3 * DAY)
    moved, _ = await issue(storage, tenant, expires_at=None)
    await move(storage, tenant, moved, clock.now() + 3 * DAY)

    await run(storage, clock)
    assert await told(storage, of=short.id) == await told(storage, of=moved.id) == []
    clock.advance(2 * DAY)
    await run(storage, clock)

    assert await told(storage, of=short.id) == await told(storage, of=moved.id) == REMINDERS[2:]


async def test_after_an_outage_only_the_latest_is_told(storage: Storage, clock: SetClock) -> None:
    tenant, begun = await make_tenant(storage), clock.now()
    close, _ = await issue(storage, tenant, expires_at=begun + 60 * DAY)
    over, _ = await issue(storage, tenant, expires_at=begun + 40 * DAY)

    clock.time = begun + 55 * DAY
    assert await run(storage, clock) == 2 + 4

    assert await told(storage, of=close.id) == REMINDERS[1:2]
    assert await told(storage, of=over.id) == EXPIRED


async def test_a_changed_end_starts_anew(storage: Storage, clock: SetClock) -> None:
    tenant, begun = await make_tenant(storage), clock.now()
    key, _ = await issue(storage, tenant, expires_at=begun + 8 * DAY)
    clock.advance(DAY)
    await run(storage, clock)

    await move(storage, tenant, key, begun + 40 * DAY)
    clock.time = begun + 10 * DAY
    await run(storage, clock)
    clock.time = begun + 39 * DAY
    await run(storage, clock)
    await move(storage, tenant, key, None)
    clock.time = begun + 50 * DAY
    await run(storage, clock)

    assert await told(storage, of=key.id) == [REMINDERS[1], REMINDERS[0], REMINDERS[2]]


async def test_an_end_that_returns_is_not_told_of_again(storage: Storage, clock: SetClock) -> None:
    tenant, end = await make_tenant(storage), clock.now() + 8 * DAY
    key, _ = await issue(storage, tenant, expires_at=end)
    clock.advance(DAY)
    await run(storage, clock)
    for at in (None, end):
        await move(storage, tenant, key, at)
    clock.time = end
    await run(storage, clock)

    assert await told(storage, of=key.id) == [REMINDERS[1], *EXPIRED]


async def test_the_end_of_a_grace_is_told_and_nobody_is_reminded_of_it(storage: Storage, clock: SetClock) -> None:
    tenant, begun = await make_tenant(storage), clock.now()
    old, _ = await issue(storage, tenant, expires_at=begun + 60 * DAY)
    async with storage.as_operator(tenant.org, command="test") as tx:
        new, _ = await rotate_key(tx, old.id, grace_s=2 * 86_400)
        await begin_grace(tx, new.id)

    clock.time = begun + 60 * DAY
    await run(storage, clock)

    assert await told(storage, of=old.id) == [("api_key.expired", {"reason": "grace_over"})]
    assert await told(storage, of=new.id) == EXPIRED


async def test_nothing_is_told_of_a_key_that_is_revoked(storage: Storage, clock: SetClock) -> None:
    tenant = await make_tenant(storage)
    key, _ = await issue(storage, tenant, expires_at=clock.now() + DAY)
    async with storage.as_operator(tenant.org, command="test") as tx:
        await revoke_key(tx, key.id)
    clock.advance(2 * DAY)

    assert await run(storage, clock) == 0
    assert await told(storage, of=key.id) == []


async def test_a_grace_that_is_longer_than_a_key_s_life_takes_no_reminder_away_that_is_due(
    storage: Storage, clock: SetClock
) -> None:
    tenant = await make_tenant(storage)
    key, _ = await issue(storage, tenant, expires_at=clock.now() + 8 * DAY)
    clock.advance(2 * DAY)
    async with storage.as_operator(tenant.org, command="test") as tx:
        new, _ = await rotate_key(tx, key.id, grace_s=604_800)
        await begin_grace(tx, new.id)

    await run(storage, clock)

    assert await told(storage, of=key.id) == [("api_key.expiring", {"days": 7})]


async def test_workers_at_once_tell_each_notice_once(storage: Storage, clock: SetClock) -> None:
    tenant = await make_tenant(storage)
    for _ in range(30):
        await issue(storage, tenant, expires_at=clock.now() + DAY / 2)
    clock.advance(DAY)

    closed = await asyncio.gather(*(run(storage, clock) for _ in range(6)))

    assert sum(closed) == 30
    assert await count(storage, "select count(*) from outbox where type = 'api_key.expired'") == 30
    assert await count(storage, "select count(*) from audit_entries where action = 'api_key.expired'") == 30


async def test_a_worker_that_dies_between_pages_leaves_the_rest_to_the_next(storage: Storage, clock: SetClock) -> None:
    org = (await make_tenant(storage)).org
    async with durable(storage.pool) as connection:
        await connection.execute(
            "insert into api_keys"
            " (id, org_id, name, mode, prefix, last_four, digest, pepper, scopes, created_at, family)"
            " select lpad(n::text, 26, '0'), %(org)s, 'n', 'live', 'p', 'l', n::text::bytea, 1, '{}', %(now)s,"
            " lpad(n::text, 26, '0') from generate_series(1, 450) n",
            {"org": org, "now": clock.now()},
        )
        await connection.execute(
            "insert into key_notices (key_id, ends_at, kind, org_id, due_at)"
            " select id, %(now)s, 'expired', org_id, %(now)s from api_keys where name = 'n'",
            {"now": clock.now()},
        )

    first = await ActivityEnvironment().run(KeyNoticeActivities(storage.pool, clock).tell_page)
    rest = await run(storage, clock)

    assert (first.notices, rest) == (200, 250)
    assert await count(storage, "select count(*) from outbox where type = 'api_key.expired'") == 450
    assert await count(storage, "select count(distinct data ->> 'key_id') from outbox") == 450


async def test_an_end_is_audited_and_the_chain_holds(storage: Storage, clock: SetClock) -> None:
    tenant = await make_tenant(storage)
    key, _ = await issue(storage, tenant, expires_at=clock.now() + 2 * DAY)
    clock.advance(3 * DAY)
    await run(storage, clock)
    while await Sequencer(storage.pool, clock, signing_key(storage.keyring.audit)).seal():
        pass

    assert (await verify(storage.pool, tenant.org)).flaw is None
    assert (
        await count(
            storage,
            "select count(*) from audit_entries e join audit_seals s on s.entry_id = e.id"
            f" where action = 'api_key.expired' and entity_id = '{key.id}' and actor = 'system:key_notices'",
        )
        == 1
    )


async def test_a_key_ends_at_its_time_whether_or_not_anybody_looks(storage: Storage, clock: SetClock) -> None:
    _, token = await issue(storage, await make_tenant(storage), expires_at=clock.now() + DAY)
    clock.advance(DAY)

    with pytest.raises(ExpiredApiKeyError):
        await storage.access.resolve(token)


async def test_keys_that_were_there_before_notices_were_are_told_of_from_now_on(
    settings: Settings, database: Database
) -> None:
    storage = await Storage.open(settings)
    tenant, now = await make_tenant(storage), datetime.now(UTC)
    key, _ = await issue(storage, tenant, expires_at=now + 10 * DAY)
    replaced, _ = await issue(storage, tenant, expires_at=now + 10 * DAY)
    await issue(storage, tenant, expires_at=None)
    async with storage.as_operator(tenant.org, command="test") as tx:
        new, _ = await rotate_key(tx, replaced.id, grace_s=86_400)
        await begin_grace(tx, new.id)
        await revoke_key(tx, new.id)
    await storage.close()

    downgrade(database.owner_url, "0009")
    upgrade(database.owner_url)

    with psycopg.connect(database.owner_url) as connection:
        rows = connection.execute("select key_id, kind from key_notices order by key_id, due_at").fetchall()
    assert sorted(rows) == sorted(
        [*((key.id, kind) for kind in ("expiring:7", "expiring:1", "expired")), (replaced.id, "retired")]
    )
