"""Cascades carried out beside each other, and beside those who hold what they would mark."""

import asyncio
from datetime import timedelta

from gateway.agents.cascade import Cascade, Counts
from gateway.ids import OrganizationId
from gateway.tenancy import KeyMode, Principal
from storage import Storage
from storage.agents import cascading
from storage.agents.revocation import archive, revoke
from storage.pool import fetch
from tests.agents import MadeCredential, make_credential
from tests.tenants import make_tenant


async def revoked(storage: Storage, org: OrganizationId, credential: MadeCredential) -> Cascade:
    async with storage.as_operator(org, command="test") as tx:
        return await revoke(tx, credential.id, reason="lost")


async def archived(storage: Storage, org: OrganizationId, credential: MadeCredential) -> Cascade:
    async with storage.as_operator(org, command="test") as tx:
        return (await archive(tx, credential.agent))[1]


async def sweep(storage: Storage, cascade: Cascade) -> Counts:
    """A whole one; how the cascade stands after it."""
    now, after = storage.clock.now(), ""
    while (page := await cascading.next_page(storage.pool, cascade.id, after=after)) is not None:
        marked = await cascading.mark(storage.pool, page, now=now)
        await cascading.settle(storage.pool, cascade.id, marked, now=now)
        after = page.upto
    await cascading.finish(storage.pool, cascade.id, now=now)
    async with storage.read(Principal(await owner(storage, cascade), None, frozenset(), KeyMode.LIVE)) as view:
        return (await view.agent_cascades.get(cascade.id)).counts


async def owner(storage: Storage, cascade: Cascade) -> OrganizationId:
    rows = await fetch(storage.pool, "select org_id from agent_cascades where id = %s", [cascade.id])
    return OrganizationId(rows[0][0])


async def told(storage: Storage, org: OrganizationId) -> list[str]:
    rows = await fetch(
        storage.pool,
        "select data->>'credential_id' from outbox where org_id = %s and type = 'agent.credential_revoked' order by 1",
        [org],
    )
    return [row[0] for row in rows]


async def test_what_somebody_holds_is_passed_over_and_found_by_the_next_sweep(storage: Storage) -> None:
    org = (await make_tenant(storage)).org
    root = await make_credential(storage, org)
    held, free = [await make_credential(storage, org, parent=root) for _ in range(2)]
    cascade = await revoked(storage, org, root)

    async with storage.pool.connection() as connection, connection.transaction():
        await connection.execute("select from agent_credentials where id = %s for share", [held.id])
        during = await sweep(storage, cascade)
    after = await sweep(storage, cascade)

    assert during == Counts(pending=1, done=2, irrevocable=0)
    assert after == Counts(pending=0, done=3, irrevocable=0)
    assert await told(storage, org) == sorted([root.id, held.id, free.id])


async def test_cascades_that_take_the_same_credential_tell_of_it_once(storage: Storage) -> None:
    org = (await make_tenant(storage)).org
    root = await make_credential(storage, org)
    child = await make_credential(storage, org, parent=root)
    grandchild = await make_credential(storage, org, parent=child)
    first, second = await revoked(storage, org, child), await revoked(storage, org, root)

    await asyncio.gather(*(sweep(storage, each) for each in (first, second, first, second)))
    counted = [await sweep(storage, each) for each in (first, second)]

    assert {each.pending for each in counted} == {0}
    assert await told(storage, org) == sorted([root.id, child.id, grandchild.id])


async def test_an_agent_archived_while_its_credential_is_revoked_leaves_nothing(storage: Storage) -> None:
    org = (await make_tenant(storage)).org
    root = await make_credential(storage, org)
    other = await make_credential(storage, org, root.agent)
    below = [await make_credential(storage, org, parent=each) for each in (root, other)]

    cascades = await asyncio.gather(revoked(storage, org, root), archived(storage, org, root))
    for each in cascades:
        await sweep(storage, each)

    assert await told(storage, org) == sorted(each.id for each in (root, other, *below))
    for each in cascades:
        assert await cascading.find_left(storage.pool, each.id, now=storage.clock.now()) == []


async def test_those_that_ended_by_themselves_are_not_called_left(storage: Storage) -> None:
    org = (await make_tenant(storage)).org
    root = await make_credential(storage, org)
    cascade = await revoked(storage, org, root)
    missed = await make_credential(storage, org, parent=root, expires_at=storage.clock.now() + timedelta(hours=1))

    assert await cascading.find_left(storage.pool, cascade.id, now=storage.clock.now()) == [missed.id]
    assert await cascading.find_left(storage.pool, cascade.id, now=storage.clock.now() + timedelta(hours=2)) == []
