"""Webhook endpoints as kept: whoever acts at once, bounds hold, and what is signed with is what was shown."""

import asyncio
from datetime import timedelta

import pytest

from gateway.errors import NotFoundError
from gateway.ids import EndpointId
from gateway.webhooks.endpoints import MOST_ENDPOINTS, MOST_OVERLAPPING, TooManyEndpointsError, TooManySecretsError
from gateway.webhooks.signing import SecretKind, SigningSecret
from storage import Storage
from storage.encryption import SealedValueError
from storage.pool import fetch
from storage.webhooks import acts
from storage.webhooks.endpoints import Rotated
from storage.webhooks.secrets import place
from tests.storage.webhooks import put_endpoint
from tests.tenants import Tenant, make_tenant


async def add(storage: Storage, tenant: Tenant) -> EndpointId:
    async with storage.as_operator(tenant.org, command="test") as tx:
        endpoint, _ = await tx.webhooks.add(url="https://hooks.example/", events=("*",))
        acts.tell_created(tx, endpoint)
    return endpoint.id


async def rotate(storage: Storage, tenant: Tenant, endpoint: EndpointId, hours: int = 24) -> Rotated:
    async with storage.as_operator(tenant.org, command="test") as tx:
        return await acts.rotate_secrets(tx, endpoint, overlap_hours=hours, signs_asymmetrically=None)


async def kept(storage: Storage, tenant: Tenant, endpoint: EndpointId) -> list[SigningSecret]:
    """Opened, the oldest first."""
    query = "select id, kind, secret from webhook_secrets where endpoint_id = %s order by created_at, id"
    return [
        SigningSecret(SecretKind(kind), await storage.cipher.open(tenant.org, place(id_), sealed))
        for id_, kind, sealed in await fetch(storage.pool, query, [endpoint])
    ]


async def test_of_many_that_create_at_once_only_as_many_as_there_is_room_for_do(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    for _ in range(MOST_ENDPOINTS - 2):
        await put_endpoint(storage, tenant)

    outcomes = await asyncio.gather(*(add(storage, tenant) for _ in range(5)), return_exceptions=True)

    assert sorted(isinstance(each, TooManyEndpointsError) for each in outcomes) == [False, False, True, True, True]
    assert await add(storage, await make_tenant(storage))


async def test_rotations_at_once_leave_a_secret_each_and_no_more_than_may_overlap(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    endpoint = await add(storage, tenant)

    outcomes = await asyncio.gather(*(rotate(storage, tenant, endpoint) for _ in range(12)), return_exceptions=True)

    refused = [each for each in outcomes if isinstance(each, TooManySecretsError)]
    assert (len(refused), len(await kept(storage, tenant, endpoint))) == (2, MOST_OVERLAPPING + 1)
    query = "select 1 from webhook_secrets where endpoint_id = %s and retires_at is null"
    assert len(await fetch(storage.pool, query, [endpoint])) == 1


async def test_what_was_shown_is_what_is_signed_with(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    endpoint = await add(storage, tenant)

    rotated = await rotate(storage, tenant, endpoint)

    assert (await kept(storage, tenant, endpoint))[1:] == [*rotated.secrets]


async def test_a_secret_opens_in_its_own_row_only(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    endpoint = await add(storage, tenant)
    await rotate(storage, tenant, endpoint)
    swap = (
        "update webhook_secrets s set secret = o.secret from webhook_secrets o"
        " where o.endpoint_id = s.endpoint_id and o.id <> s.id and s.endpoint_id = %s returning s.id"
    )
    await fetch(storage.pool, swap, [endpoint])

    with pytest.raises(SealedValueError):
        await kept(storage, tenant, endpoint)


async def test_a_shorter_overlap_brings_the_end_of_earlier_ones_forward_and_a_longer_one_does_not_put_it_off(
    storage: Storage,
) -> None:
    tenant = await make_tenant(storage)
    endpoint = await add(storage, tenant)
    for hours in (48, 2, 24):
        await rotate(storage, tenant, endpoint, hours)

    query = (
        "select max(retires_at) over () - retires_at from webhook_secrets"
        " where endpoint_id = %s and retires_at is not null order by created_at"
    )
    left = [row[0] for row in await fetch(storage.pool, query, [endpoint])]
    assert left[2] == timedelta(0)
    assert [round(each / timedelta(hours=1)) for each in left[:2]] == [22, 22]


async def test_deleting_at_once_happens_once(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    endpoint = await add(storage, tenant)

    async def remove() -> None:
        async with storage.as_operator(tenant.org, command="test") as tx:
            await acts.remove_endpoint(tx, endpoint)

    outcomes = await asyncio.gather(*(remove() for _ in range(4)), return_exceptions=True)

    assert sum(isinstance(each, NotFoundError) for each in outcomes) == 3
    assert await kept(storage, tenant, endpoint) == []
