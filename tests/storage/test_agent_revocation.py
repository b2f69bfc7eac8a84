"""Revoking and archiving, as the transaction that denies leaves them."""

import asyncio

import pytest

from gateway.agents.agent import AgentStatus
from gateway.agents.cascade import CascadeState
from gateway.agents.credential import CredentialEndedError, CredentialStatus
from gateway.audit import AuditAction
from gateway.errors import NotFoundError
from gateway.ids import CredentialId, OrganizationId, new_ulid
from storage import Storage
from storage.agents.introspection import Introspected
from storage.agents.revocation import archive, revoke
from storage.pool import fetch
from tests.agents import MadeCredential, make_agent, make_credential
from tests.tenants import Tenant, make_tenant


async def found(storage: Storage, org: OrganizationId, credential: MadeCredential) -> Introspected:
    known = await storage.introspection.find(org, credential.token)
    assert known is not None
    return known


async def usable(storage: Storage, tenant: Tenant, *credentials: MadeCredential) -> list[bool]:
    return [(await found(storage, tenant.org, each)).is_usable for each in credentials]


async def family(storage: Storage, tenant: Tenant) -> list[MadeCredential]:
    """One, its child, that one's child, and a stranger."""
    root = await make_credential(storage, tenant.org, policy="drain")
    child = await make_credential(storage, tenant.org, parent=root)
    grandchild = await make_credential(storage, tenant.org, parent=child)
    return [root, child, grandchild, await make_credential(storage, tenant.org)]


async def test_one_changed_row_denies_everything_below_it(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    root, child, grandchild, stranger = await family(storage, tenant)

    async with storage.as_operator(tenant.org, command="test") as tx:
        cascade = await revoke(tx, root.id, reason="lost")

    assert await usable(storage, tenant, root, child, grandchild, stranger) == [False, False, False, True]
    rows = await fetch(storage.pool, "select id, cuts_calls from agent_credentials where revoked_at is not null")
    assert [tuple(row) for row in rows if row[0] in (root.id, child.id, grandchild.id)] == [(root.id, False)]
    assert (cascade.state, cascade.along) == (CascadeState.RUNNING, (child.id, grandchild.id))
    assert (cascade.counts.pending, cascade.counts.done) == (3, 0)


async def test_revoking_again_answers_with_the_same_cascade(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    root, child, *_ = await family(storage, tenant)

    async with storage.as_operator(tenant.org, command="test") as tx:
        first = await revoke(tx, root.id, reason="lost")
    async with storage.as_operator(tenant.org, command="test") as tx:
        again = await revoke(tx, root.id, reason="found")

    assert again == first
    assert again.reason == "lost"
    assert child.id in again.along


async def test_revoking_again_what_was_to_go_along_with_another_answers_with_its_own_cascade(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    root, child, grandchild, _ = await family(storage, tenant)
    async with storage.as_operator(tenant.org, command="test") as tx:
        above = await revoke(tx, root.id, reason="lost")

    async with storage.as_operator(tenant.org, command="test") as tx:
        first = await revoke(tx, child.id, reason="shift_over")
    async with storage.as_operator(tenant.org, command="test") as tx:
        again = await revoke(tx, child.id, reason="shift_over")

    assert (again, again.along) == (first, (grandchild.id,))
    assert again.id != above.id


async def test_two_who_revoke_at_once_begin_one_cascade(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    root, *_ = await family(storage, tenant)

    async def once() -> str:
        async with storage.as_operator(tenant.org, command="test") as tx:
            return (await revoke(tx, root.id, reason="lost")).id

    assert len(set(await asyncio.gather(*(once() for _ in range(8))))) == 1


async def test_archiving_revokes_what_the_agent_has_and_denies_what_is_below(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    root, child, grandchild, stranger = await family(storage, tenant)

    async with storage.as_operator(tenant.org, command="test") as tx:
        agent, cascade = await archive(tx, root.agent)

    assert agent.status is AgentStatus.ARCHIVED
    assert await usable(storage, tenant, root, child, grandchild, stranger) == [False, False, False, True]
    assert sorted(cascade.along) == sorted([root.id, child.id, grandchild.id])


async def test_reactivation_revives_no_credential_of_the_agent_and_none_below(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    root, child, grandchild, _ = await family(storage, tenant)
    async with storage.as_operator(tenant.org, command="test") as tx:
        await archive(tx, child.agent)

    async with storage.as_operator(tenant.org, command="test") as tx:
        await tx.agents.reactivate(child.agent)
        tx.audit(AuditAction.AGENT_UPDATED, entity_type="agent", entity_id=root.agent)

    fresh = await make_credential(storage, tenant.org, child.agent)
    assert await usable(storage, tenant, root, child, grandchild, fresh) == [True, False, False, True]


async def test_what_ended_above_ends_all_below(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    root = await make_credential(storage, tenant.org)
    child = await make_credential(storage, tenant.org, parent=root)
    ended = "update agent_credentials set expires_at = created_at + interval '1 microsecond' where id = %s returning 1"
    await fetch(storage.pool, ended, [root.id])

    assert await usable(storage, tenant, child) == [False]


async def succeeded(storage: Storage, tenant: Tenant, old: MadeCredential, new: MadeCredential) -> None:
    """As if `old` had been rotated, and `new` were its successor."""
    replaced = "update agent_credentials set replaces = %s, family = %s where id = %s and org_id = %s returning 1"
    await fetch(storage.pool, replaced, [old.id, old.id, new.id, tenant.org])


async def test_a_predecessor_of_a_clock_ahead_goes_along_with_its_successor(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    successor = await make_credential(storage, tenant.org)
    old = await make_credential(storage, tenant.org, successor.agent)
    await succeeded(storage, tenant, old, successor)

    async with storage.as_operator(tenant.org, command="test") as tx:
        cascade = await revoke(tx, successor.id, reason="lost")

    assert await usable(storage, tenant, old, successor) == [False, False]
    assert cascade.along == (old.id,)


async def test_a_predecessor_s_revocation_spares_a_successor_of_a_clock_behind(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    successor = await make_credential(storage, tenant.org)
    old = await make_credential(storage, tenant.org, successor.agent)
    await succeeded(storage, tenant, old, successor)

    async with storage.as_operator(tenant.org, command="test") as tx:
        await revoke(tx, old.id, reason="lost")

    assert await usable(storage, tenant, old, successor) == [False, True]


@pytest.mark.parametrize("ends", ["revoked", "archived"])
async def test_calls_that_come_with_both_of_a_line_do_not_stand_in_the_way_of_its_end(
    storage: Storage, ends: str
) -> None:
    tenant = await make_tenant(storage)
    old = await make_credential(storage, tenant.org)
    successor = await make_credential(storage, tenant.org, old.agent)
    await succeeded(storage, tenant, old, successor)

    async def end() -> None:
        async with storage.as_operator(tenant.org, command="test") as tx:
            await (revoke(tx, successor.id, reason="lost") if ends == "revoked" else archive(tx, old.agent))

    hold = "select from agent_credentials where id = %s for no key update"
    async with storage.pool.connection() as connection, connection.transaction():
        await connection.execute(hold, [old.id])
        ending = asyncio.create_task(end())
        await waited_for(storage, connection.info.backend_pid)
        await connection.execute(hold, [successor.id])
    await ending

    assert await usable(storage, tenant, old, successor) == [False, False]


async def waited_for(storage: Storage, backend: int) -> None:
    """Until somebody waits for what the server's process `backend` holds."""
    waiting = "select count(*) from pg_stat_activity where %s = any(pg_blocking_pids(pid))"
    while (await fetch(storage.pool, waiting, [backend]))[0][0] == 0:  # noqa: ASYNC110 - the server has no event for us
        await asyncio.sleep(0)


async def test_a_credential_of_another_organisation_is_not_there(storage: Storage) -> None:
    tenant, stranger = await make_tenant(storage), await make_tenant(storage)
    root = await make_credential(storage, tenant.org)

    assert await storage.introspection.find(stranger.org, root.token) is None
    with pytest.raises(NotFoundError):
        async with storage.as_operator(stranger.org, command="test") as tx:
            await revoke(tx, root.id, reason="lost")
    with pytest.raises(NotFoundError):
        async with storage.as_operator(tenant.org, command="test") as tx:
            await revoke(tx, CredentialId(new_ulid()), reason="lost")


async def test_nobody_issues_below_what_is_being_revoked(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    root = await make_credential(storage, tenant.org)
    agent = await make_agent(storage, tenant.org)
    refused = issued = 0

    async def issue() -> MadeCredential | None:
        try:
            async with storage.as_operator(tenant.org, command="test") as tx:
                await tx.agent_credentials.hold_chain([root.id])
                child = await make_credential(storage, tenant.org, agent, parent=root)
                tx.audit(AuditAction.AGENT_UPDATED, entity_type="agent", entity_id=root.agent)
                return child
        except CredentialEndedError:
            return None

    async def end() -> None:
        async with storage.as_operator(tenant.org, command="test") as tx:
            await revoke(tx, root.id, reason="lost")

    *children, _ = await asyncio.gather(*(issue() for _ in range(12)), end())
    for child in children:
        refused, issued = refused + (child is None), issued + (child is not None)

    async with storage.as_operator(tenant.org, command="test") as tx:
        cascade = await revoke(tx, root.id, reason="lost")
    assert sorted(cascade.along) == sorted(child.id for child in children if child)
    assert refused + issued == 12


async def test_a_revoked_credential_says_so(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    root = await make_credential(storage, tenant.org)

    async with storage.as_operator(tenant.org, command="test") as tx:
        await revoke(tx, root.id, reason="The phone was lost on the bus")
        shown = await tx.agent_credentials.get(root.agent, root.id)

    assert shown.status(storage.clock.now()) is CredentialStatus.REVOKED
    assert shown.revocation_reason == "The phone was lost on the bus"
    rows = await fetch(storage.pool, "select metadata from audit_entries where entity_id = %s", [root.id])
    assert [row[0]["reason"] for row in rows] == ["stated"]
