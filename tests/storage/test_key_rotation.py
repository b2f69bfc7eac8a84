"""A key and its successor, as every API process sees them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import pytest_asyncio

from gateway.errors import AlreadyRotatedError, NotFoundError
from gateway.keys.api_key import ApiKey, ExpiredApiKeyError
from gateway.settings import Settings
from storage import Storage
from storage.key_issue import begin_grace, revoke_key, rotate_key
from tests.activities.conftest import SetClock
from tests.conftest import Database
from tests.storage.test_access import eventually, resolved
from tests.tenants import Tenant, make_tenant

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY_S = 86_400


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOON)


@pytest_asyncio.fixture
async def pair(settings: Settings, clock: SetClock) -> AsyncIterator[tuple[Storage, Storage]]:
    """Two API processes that agree on the time."""
    both = [await Storage.open(settings, clock=clock) for _ in range(2)]
    for each in both:
        await eventually(lambda each=each: resolved(each.access.listening))
    yield both[0], both[1]
    for each in both:
        await each.close()


async def rotate(storage: Storage, tenant: Tenant, *, grace_s: int = DAY_S) -> tuple[ApiKey, str]:
    async with storage.as_operator(tenant.org, command="test") as tx:
        return await rotate_key(tx, tenant.key.id, grace_s=grace_s)


async def is_over(storage: Storage, token: str) -> bool:
    try:
        await storage.access.resolve(token)
    except ExpiredApiKeyError:
        return True
    return False


def retires_at(database: Database, key: str) -> datetime | None:
    with psycopg.connect(database.owner_url) as connection:
        row = connection.execute("select retires_at from api_keys where id = %s", [key]).fetchone()
    assert row is not None
    return row[0]


async def test_a_first_use_in_one_process_ends_the_old_key_in_the_other(
    pair: tuple[Storage, Storage], clock: SetClock
) -> None:
    one, other = pair
    tenant = await make_tenant(one)
    _, token = await rotate(one, tenant)
    clock.advance(timedelta(days=30))
    assert not await is_over(other, tenant.token)

    await one.access.resolve(token)

    clock.advance(timedelta(seconds=DAY_S - 1))
    assert not await is_over(other, tenant.token)
    clock.advance(timedelta(seconds=1))
    await eventually(lambda: is_over(other, tenant.token))
    assert not await is_over(other, token)


async def test_first_uses_at_once_and_later_ones_set_one_end(
    pair: tuple[Storage, Storage], clock: SetClock, database: Database
) -> None:
    tenant = await make_tenant(pair[0])
    successor, token = await rotate(pair[0], tenant)

    await asyncio.gather(*(storage.access.resolve(token) for storage in pair for _ in range(50)))
    clock.advance(timedelta(hours=1))
    for storage in pair:
        await storage.access.resolve(token)
    with pytest.raises(NotFoundError):
        async with pair[0].as_operator(tenant.org, command="test") as tx:
            await begin_grace(tx, successor.id)

    assert retires_at(database, tenant.key.id) == NOON + timedelta(days=1)
    with psycopg.connect(database.owner_url) as connection:
        told = connection.execute("select count(*) from audit_entries where action = 'api_key.superseded'").fetchone()
    assert told == (1,)


async def test_a_second_rotation_waits_until_the_successor_is_revoked(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    successor, _ = await rotate(storage, tenant)
    with pytest.raises(AlreadyRotatedError):
        await rotate(storage, tenant)

    async with storage.as_operator(tenant.org, command="test") as tx:
        await revoke_key(tx, successor.id)

    again, _ = await rotate(storage, tenant)
    assert again.replaces == tenant.key.id


async def test_a_key_whose_grace_is_over_is_not_rotated(pair: tuple[Storage, Storage]) -> None:
    tenant = await make_tenant(pair[0])
    _, token = await rotate(pair[0], tenant, grace_s=0)
    await pair[0].access.resolve(token)

    with pytest.raises(NotFoundError):
        await rotate(pair[0], tenant)


async def test_a_revoked_key_gets_no_grace(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage)
    _, token = await rotate(storage, tenant)
    async with storage.as_operator(tenant.org, command="test") as tx:
        await revoke_key(tx, tenant.key.id)

    await storage.access.resolve(token)

    assert retires_at(database, tenant.key.id) is None
