"""What `HASP_DATABASE_URL` demands of TLS holds for both kinds of connection: the tests' server speaks none."""

from collections.abc import AsyncIterator

import pytest

from gateway.errors import UnavailableError
from gateway.settings import Settings
from storage import Storage
from tests.tenants import make_tenant


@pytest.fixture
async def demanding(settings: Settings) -> AsyncIterator[Storage]:
    url = f"{settings.database_url}?sslmode=require"
    opened = await Storage.open(Settings.model_validate(settings.model_dump() | {"database_url": url}))
    yield opened
    await opened.close()


async def test_no_key_is_looked_up_where_tls_is_demanded_and_not_spoken(storage: Storage, demanding: Storage) -> None:
    tenant = await make_tenant(storage)

    with pytest.raises(UnavailableError):
        await demanding.access.resolve(tenant.token)


async def test_nothing_is_written_where_tls_is_demanded_and_not_spoken(storage: Storage, demanding: Storage) -> None:
    tenant = await make_tenant(storage)

    with pytest.raises(UnavailableError):
        async with demanding.as_operator(tenant.org, command="test"):
            pass
