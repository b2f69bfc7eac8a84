"""When and where a key may be used, as every API process sees it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import pytest_asyncio

from gateway.errors import IpNotAllowedError, NotFoundError
from gateway.keys.api_key import ExpiredApiKeyError, KeyChanges, OutsideNetworksError
from gateway.keys.networks import read_networks
from gateway.settings import Settings
from storage import Storage
from storage.key_issue import change_key
from storage.migrate import downgrade, drift, upgrade
from tests.activities.conftest import SetClock
from tests.conftest import Database
from tests.storage.test_access import eventually, resolved
from tests.tenants import Tenant, make_tenant

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OFFICE = read_networks("f", ["192.0.2.0/24"])


@pytest_asyncio.fixture
async def elsewhere(settings: Settings) -> AsyncIterator[tuple[Storage, SetClock]]:
    """Another API process, with a clock of its own."""
    clock = SetClock(NOON)
    opened = await Storage.open(settings, clock=clock)
    await eventually(lambda: resolved(opened.access.listening))
    yield opened, clock
    await opened.close()


async def change(storage: Storage, tenant: Tenant, changes: KeyChanges) -> None:
    async with storage.as_operator(tenant.org, command="test") as tx:
        await change_key(tx, tenant.key.id, changes)


async def expired(storage: Storage, tenant: Tenant) -> bool:
    try:
        await storage.access.resolve(tenant.token)
    except ExpiredApiKeyError:
        return True
    return False


async def test_a_key_that_is_cached_expires_at_its_time_by_the_clock(
    storage: Storage, elsewhere: tuple[Storage, SetClock]
) -> None:
    other, clock = elsewhere
    tenant = await make_tenant(storage)
    await change(storage, tenant, {"expires_at": NOON + timedelta(hours=1)})

    clock.advance(timedelta(minutes=59, seconds=59))
    assert not await expired(other, tenant)
    clock.advance(timedelta(seconds=1))
    assert await expired(other, tenant)


async def test_a_new_expiry_reaches_another_process_within_a_second(
    storage: Storage, elsewhere: tuple[Storage, SetClock]
) -> None:
    other, _ = elsewhere
    tenant = await make_tenant(storage)
    await other.access.resolve(tenant.token)

    await change(storage, tenant, {"expires_at": NOON})

    await eventually(lambda: expired(other, tenant))


async def test_an_expired_key_whose_time_is_moved_is_good_again(
    storage: Storage, elsewhere: tuple[Storage, SetClock]
) -> None:
    other, _ = elsewhere
    tenant = await make_tenant(storage)
    await change(storage, tenant, {"expires_at": NOON})
    assert await expired(other, tenant)

    await change(storage, tenant, {"expires_at": None})

    async def good() -> bool:
        return not await expired(other, tenant)

    await eventually(good)


async def test_a_new_network_reaches_another_process_within_a_second(
    storage: Storage, elsewhere: tuple[Storage, SetClock]
) -> None:
    other, _ = elsewhere
    tenant = await make_tenant(storage)
    await other.access.resolve(tenant.token, address="198.51.100.1")

    await change(storage, tenant, {"networks": OFFICE})

    async def shut_out() -> bool:
        try:
            await other.access.resolve(tenant.token, address="198.51.100.1")
        except IpNotAllowedError:
            return True
        return False

    await eventually(shut_out)
    assert (await other.access.resolve(tenant.token, address="192.0.2.9")).principal.key == tenant.key.id


async def test_a_refused_address_is_no_use_of_the_key(settings: Settings, storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage)
    await change(storage, tenant, {"networks": OFFICE})
    refusing = await Storage.open(settings)
    try:
        with pytest.raises(OutsideNetworksError) as refused:
            await refusing.access.resolve(tenant.token)
    finally:
        await refusing.close()

    assert (refused.value.org, refused.value.key) == (tenant.org, tenant.key.id)
    with psycopg.connect(database.owner_url) as connection:
        used = connection.execute("select last_used_at from api_keys where id = %s", [tenant.key.id]).fetchone()
    assert used == (None,)


async def test_a_key_of_another_organisation_cannot_be_changed(storage: Storage) -> None:
    tenant, stranger = await make_tenant(storage), await make_tenant(storage)

    with pytest.raises(NotFoundError):
        async with storage.as_operator(stranger.org, command="test") as tx:
            await change_key(tx, tenant.key.id, {"name": "Mine now"})


async def test_the_migration_goes_down_and_up_with_keys_in_place(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage)
    await storage.close()

    downgrade(database.owner_url, "0005")
    upgrade(database.owner_url)

    assert drift(database.owner_url) == []
    with psycopg.connect(database.owner_url) as connection:
        row = connection.execute("select id, expires_at, networks from api_keys").fetchone()
    assert row == (tenant.key.id, None, [])
