"""Places of agents' calls, across processes, and what ends the calls that hold them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
import pytest_asyncio

from gateway.agents.delegation import Delegation
from gateway.agents.running import (
    CredentialRevokedError,
    CredentialUnverifiedError,
    Running,
    TooManyInvocationsError,
)
from gateway.clock import SystemClock
from gateway.ids import InferenceId, OrganizationId, new_ulid
from gateway.settings import Settings
from gateway.tenancy import Access
from storage import Storage
from storage.agents import invocations
from storage.agents.invocations import Invocations, forget_lapsed
from storage.agents.revocation import archive, revoke
from storage.pool import fetch
from tests.agents import MadeCredential, make_credential
from tests.tenants import HAIKU, Tenant, make_call, make_outcome, make_tenant

A_MINUTE = timedelta(minutes=1)


@pytest_asyncio.fixture
async def elsewhere(settings: Settings) -> AsyncIterator[Storage]:
    """The same database as another process has it."""
    opened = await Storage.open(settings)
    yield opened
    await opened.close()


@dataclass(frozen=True, slots=True)
class Taken:
    id: InferenceId
    running: Running
    ended: asyncio.Event


def under(credential: MadeCredential) -> Delegation:
    return Delegation(
        credential.agent, credential.id, credential.path, frozenset({credential.agent}), "j.reyes", (), None, 10
    )


async def take(process: Invocations, tenant: Tenant, credential: MadeCredential) -> Taken:
    taken = Taken(InferenceId(new_ulid()), Running(), asyncio.Event())
    taken.running.when_unwaited(taken.ended.set)
    await process.take(taken.id, tenant.org, under(credential), taken.running)
    return taken


async def places(storage: Storage, credential: MadeCredential) -> int:
    ((count,),) = await fetch(
        storage.pool, "select count(*) from agent_invocations where credential_id = %s", [credential.id]
    )
    return count


async def revoke_it(storage: Storage, org: OrganizationId, credential: MadeCredential) -> None:
    async with storage.as_operator(org, command="test") as tx:
        await revoke(tx, credential.id, reason="lost")


async def expire(storage: Storage, credential: MadeCredential) -> None:
    await fetch(
        storage.pool,
        "update agent_credentials set expires_at = created_at + interval '1 ms' where id = %s",
        [credential.id],
    )


async def test_all_processes_together_never_run_more_than_a_credential_may(
    storage: Storage, elsewhere: Storage
) -> None:
    tenant = await make_tenant(storage)
    credential = await make_credential(storage, tenant.org, most=3)
    asked = [take(process.invocations, tenant, credential) for _ in range(10) for process in (storage, elsewhere)]

    results = await asyncio.gather(*asked, return_exceptions=True)

    assert sum(isinstance(result, Taken) for result in results) == 3
    assert sum(isinstance(result, TooManyInvocationsError) for result in results) == 17
    assert await places(storage, credential) == 3


async def test_whoever_hands_on_does_not_run_more_by_that(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    root = await make_credential(storage, tenant.org, most=2)
    children = [await make_credential(storage, tenant.org, parent=root, most=2) for _ in range(2)]
    for child in children:
        await take(storage.invocations, tenant, child)

    with pytest.raises(TooManyInvocationsError):
        await take(storage.invocations, tenant, root)


async def test_a_place_is_free_for_another_process_once_the_call_is_recorded(
    storage: Storage, elsewhere: Storage
) -> None:
    tenant = await make_tenant(storage)
    credential = await make_credential(storage, tenant.org, most=1)
    access = await storage.access.resolve(tenant.token)
    call = make_call(Access(replace(access.principal, key=None, delegation=under(credential)), access.policy))
    await storage.journal.open(call, HAIKU, 100)
    with pytest.raises(TooManyInvocationsError):
        await take(elsewhere.invocations, tenant, credential)

    await storage.journal.close(make_outcome(call))

    await take(elsewhere.invocations, tenant, credential)


async def test_a_place_that_nobody_renews_is_given_to_others_and_swept(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    credential = await make_credential(storage, tenant.org, most=1)
    dead = Invocations(storage.pool, clock=SystemClock(), lease=-A_MINUTE, longest_call=A_MINUTE)
    await take(dead, tenant, credential)
    await dead.close()

    await take(storage.invocations, tenant, credential)

    assert await places(storage, credential) == 2
    assert await forget_lapsed(storage.pool, storage.clock) == 1
    assert await places(storage, credential) == 1


async def test_a_call_whose_place_lapsed_while_its_process_slept_does_not_go_on(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    credential = await make_credential(storage, tenant.org)
    slept = Invocations(storage.pool, clock=SystemClock(), lease=-A_MINUTE, longest_call=A_MINUTE)

    taken = await take(slept, tenant, credential)
    await taken.ended.wait()
    await slept.close()

    assert isinstance(taken.running.ended, CredentialUnverifiedError)


async def test_a_call_that_nobody_can_ask_about_does_not_go_on(
    storage: Storage, elsewhere: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invocations, "UNVERIFIED_S", 0.5)
    tenant = await make_tenant(storage)
    credential = await make_credential(storage, tenant.org)
    cut_off = await take(elsewhere.invocations, tenant, credential)
    goes_on = await take(storage.invocations, tenant, credential)

    await elsewhere.pool.close()
    await cut_off.ended.wait()

    assert isinstance(cut_off.running.ended, CredentialUnverifiedError)
    assert goes_on.running.ended is None


@pytest.mark.parametrize("what", ["itself", "above it", "agent above it", "expired"])
async def test_what_does_not_hold_when_a_place_is_taken_gets_none(storage: Storage, what: str) -> None:
    tenant = await make_tenant(storage)
    root = await make_credential(storage, tenant.org)
    child = await make_credential(storage, tenant.org, parent=root)
    if what == "agent above it":
        async with storage.as_operator(tenant.org, command="test") as tx:
            await archive(tx, root.agent)
    elif what == "expired":
        await expire(storage, root)
    else:
        await revoke_it(storage, tenant.org, child if what == "itself" else root)

    with pytest.raises(CredentialRevokedError):
        await take(storage.invocations, tenant, child)

    assert await places(storage, child) == 0


async def test_revoking_with_kill_ends_its_calls_and_those_below_in_every_process(
    storage: Storage, elsewhere: Storage
) -> None:
    tenant = await make_tenant(storage)
    root = await make_credential(storage, tenant.org)
    child = await make_credential(storage, tenant.org, parent=root, policy="drain")
    running = [
        await take(process.invocations, tenant, credential)
        for process in (storage, elsewhere)
        for credential in (root, child)
    ]

    await revoke_it(storage, tenant.org, root)
    for taken in running:
        await taken.ended.wait()

    assert all(isinstance(taken.running.ended, CredentialRevokedError) for taken in running)


async def test_draining_lets_its_own_calls_end_and_cuts_those_below(storage: Storage, elsewhere: Storage) -> None:
    tenant = await make_tenant(storage)
    root = await make_credential(storage, tenant.org, policy="drain")
    child = await make_credential(storage, tenant.org, parent=root)
    drained = await take(elsewhere.invocations, tenant, root)
    cut = await take(elsewhere.invocations, tenant, child)

    await revoke_it(storage, tenant.org, root)
    await cut.ended.wait()

    # One look saw both.
    assert drained.running.ended is None
    with pytest.raises(CredentialRevokedError):
        await take(elsewhere.invocations, tenant, root)


async def test_archiving_an_agent_cuts_what_was_draining(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    credential = await make_credential(storage, tenant.org, policy="drain")
    drained = await take(storage.invocations, tenant, credential)
    await revoke_it(storage, tenant.org, credential)

    async with storage.as_operator(tenant.org, command="test") as tx:
        await archive(tx, credential.agent)
    await drained.ended.wait()

    assert isinstance(drained.running.ended, CredentialRevokedError)


async def test_expiry_cuts_no_call(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    expiring, cut = [await make_credential(storage, tenant.org) for _ in range(2)]
    goes_on, ends = [await take(storage.invocations, tenant, each) for each in (expiring, cut)]
    await expire(storage, expiring)

    await revoke_it(storage, tenant.org, cut)
    await ends.ended.wait()

    assert goes_on.running.ended is None


async def test_the_places_of_an_ended_call_come_back_though_its_vendor_goes_on(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    credential = await make_credential(storage, tenant.org)
    taken = await take(storage.invocations, tenant, credential)

    await revoke_it(storage, tenant.org, credential)
    await taken.ended.wait()

    async with asyncio.timeout(10):
        while await places(storage, credential):  # noqa: ASYNC110 - the database has no event to give us
            await asyncio.sleep(0.05)
