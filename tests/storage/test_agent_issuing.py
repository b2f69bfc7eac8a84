"""Handing on and rotating while somebody revokes: whoever is first, nothing usable is left below."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta

import pytest

from gateway.agents.agent import AgentArchivedError
from gateway.agents.credential import (
    AlreadyRotatedCredentialError,
    Credential,
    CredentialEndedError,
    CredentialStatus,
)
from gateway.agents.delegation import Delegation
from gateway.agents.grants import AgentDelegate, Grant
from gateway.agents.issuing import Wish
from gateway.audit import AuditAction
from gateway.errors import InvalidApiKeyError
from gateway.ids import AgentId
from storage import Storage
from storage.agents.issue import hand_on, rotate_credential
from storage.agents.revocation import archive, revoke
from storage.pool import fetch
from tests.agents import LOOKUP, MadeCredential, make_agent, make_credential
from tests.tenants import Tenant, make_tenant

HOUR = timedelta(hours=1)
Issued = tuple[Credential, str]
Ending = Callable[[Storage, Tenant, MadeCredential], Coroutine[None, None, set[str]]]


async def make_root(storage: Storage, tenant: Tenant, *to: AgentId) -> MadeCredential:
    return await make_credential(storage, tenant.org, grants=(LOOKUP, *map(AgentDelegate, to)))


async def give(storage: Storage, tenant: Tenant, parent: MadeCredential, to: AgentId, *more: Grant) -> Issued:
    by = Delegation(parent.agent, parent.id, parent.path, frozenset({parent.agent}), "j.reyes", (), None, 10)
    async with storage.as_operator(tenant.org, command="test") as tx:
        return await hand_on(tx, to, Wish("Child", (LOOKUP, *more)), by=by, now=storage.clock.now())


async def turn(storage: Storage, tenant: Tenant, old: MadeCredential, overlap: timedelta = HOUR) -> Issued:
    async with storage.as_operator(tenant.org, command="test") as tx:
        _, successor, token = await rotate_credential(tx, old.agent, old.id, overlap=overlap)
        return successor, token


async def end(storage: Storage, tenant: Tenant, root: MadeCredential) -> set[str]:
    async with storage.as_operator(tenant.org, command="test") as tx:
        return {*(await revoke(tx, root.id, reason="lost")).along}


async def put_away(storage: Storage, tenant: Tenant, root: MadeCredential) -> set[str]:
    async with storage.as_operator(tenant.org, command="test") as tx:
        _, cascade = await archive(tx, root.agent)
        return {*cascade.along}


async def is_usable(storage: Storage, tenant: Tenant, token: str) -> bool:
    found = await storage.introspection.find(tenant.org, token)
    assert found is not None
    return found.is_usable


async def made(issuing: Awaitable[Issued]) -> Issued | None:
    """What was issued; none if it came too late."""
    try:
        return await issuing
    except (InvalidApiKeyError, CredentialEndedError, AgentArchivedError):
        return None


@pytest.mark.parametrize("ending", [end, put_away])
async def test_a_child_issued_as_its_root_ends_is_never_usable_and_always_on_the_receipt(
    storage: Storage, ending: Ending
) -> None:
    tenant = await make_tenant(storage)
    to = await make_agent(storage, tenant.org)
    for place in (0, 2, 3, 4, 6):
        root = await make_root(storage, tenant, to)
        givers = [asyncio.create_task(made(give(storage, tenant, root, to))) for _ in range(place)]
        ended = asyncio.create_task(ending(storage, tenant, root))
        givers += [asyncio.create_task(made(give(storage, tenant, root, to))) for _ in range(6 - place)]

        along, given = await ended, [each for each in await asyncio.gather(*givers) if each]

        assert [await is_usable(storage, tenant, token) for _, token in given] == [False] * len(given)
        assert {child.id for child, _ in given} <= along
        assert await made(give(storage, tenant, root, to)) is None


async def test_nothing_is_handed_on_from_below_what_was_revoked(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    to = await make_agent(storage, tenant.org)
    root = await make_root(storage, tenant, to)
    child, token = await give(storage, tenant, root, to, AgentDelegate(to, 2))
    below = MadeCredential(child.id, to, token, child.path)
    assert (await give(storage, tenant, below, to))[0].path == (root.id, child.id)

    await end(storage, tenant, root)

    with pytest.raises(InvalidApiKeyError):
        await give(storage, tenant, below, to)


async def test_agents_that_hand_on_to_each_other_wait_for_nobody(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    one, other = await make_agent(storage, tenant.org), await make_agent(storage, tenant.org)
    mine = await make_credential(storage, tenant.org, one, grants=(LOOKUP, AgentDelegate(other)))
    theirs = await make_credential(storage, tenant.org, other, grants=(LOOKUP, AgentDelegate(one)))

    given = await asyncio.gather(
        *(give(storage, tenant, mine, other) for _ in range(4)), *(give(storage, tenant, theirs, one) for _ in range(4))
    )

    assert [await is_usable(storage, tenant, token) for _, token in given] == [True] * 8


async def test_an_archived_agent_is_given_nothing(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    to = await make_root(storage, tenant)
    root = await make_root(storage, tenant, to.agent)
    await put_away(storage, tenant, to)

    with pytest.raises(AgentArchivedError):
        await give(storage, tenant, root, to.agent)


async def test_rotations_at_once_make_one_successor(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    old = await make_root(storage, tenant)

    outcomes = await asyncio.gather(*(turn(storage, tenant, old) for _ in range(6)), return_exceptions=True)

    assert sorted(type(each) is AlreadyRotatedCredentialError for each in outcomes) == [False] + [True] * 5
    assert await is_usable(storage, tenant, old.token)


async def test_a_successor_stands_where_its_predecessor_stood(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    to = await make_agent(storage, tenant.org)
    root = await make_root(storage, tenant, to)
    first, token = await give(storage, tenant, root, to)

    second, _ = await turn(storage, tenant, MadeCredential(first.id, to, token, first.path))

    same = (
        "agent_id",
        "grants",
        "path",
        "delegating_user",
        "mode",
        "expires_at",
        "family",
        "max_concurrent_invocations",
    )
    assert [getattr(second, each) for each in same] == [getattr(first, each) for each in same]
    assert (first.replaces, second.replaces) == (None, first.id)


async def test_an_overlap_ends_no_later_than_the_credential(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    soon = storage.clock.now() + HOUR
    old = await make_credential(storage, tenant.org, expires_at=soon)

    await turn(storage, tenant, old, timedelta(days=7))

    rows = await fetch(storage.pool, "select retires_at, expires_at from agent_credentials where id = %s", [old.id])
    assert tuple(rows[0]) == (soon, soon)


async def test_without_an_overlap_the_old_one_is_refused_at_once_and_cannot_be_rotated(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    old = await make_root(storage, tenant)

    _, token = await turn(storage, tenant, old, timedelta(0))

    assert [await is_usable(storage, tenant, each) for each in (old.token, token)] == [False, True]
    with pytest.raises(CredentialEndedError):
        await turn(storage, tenant, old)


@pytest.mark.parametrize("rotates", ["first", "last"])
async def test_a_rotation_beside_a_revocation_leaves_the_old_one_unusable(storage: Storage, rotates: str) -> None:
    tenant = await make_tenant(storage)
    old = await make_root(storage, tenant)
    acts = [made(turn(storage, tenant, old)), end(storage, tenant, old)]

    await asyncio.gather(*(acts if rotates == "first" else reversed(acts)))

    assert not await is_usable(storage, tenant, old.token)
    with pytest.raises(CredentialEndedError):
        await turn(storage, tenant, old)


async def test_pages_are_of_one_status_and_hold_every_credential_once(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    roots = [await make_credential(storage, tenant.org)]
    roots += [await make_credential(storage, tenant.org, roots[0].agent) for _ in range(6)]
    await turn(storage, tenant, roots[0], timedelta(0))
    await end(storage, tenant, roots[1])

    counts = {status: await listed(storage, tenant, roots[0].agent, status) for status in (None, *CredentialStatus)}

    assert {status: len(ids) for status, ids in counts.items()} == {
        None: 8,
        CredentialStatus.ACTIVE: 6,
        CredentialStatus.REVOKED: 1,
        CredentialStatus.EXPIRED: 1,
    }
    assert all(len({*ids}) == len(ids) for ids in counts.values())


async def listed(storage: Storage, tenant: Tenant, agent: AgentId, status: CredentialStatus | None) -> list[str]:
    found: list[str] = []
    cursor: str | None = None
    while True:
        async with storage.as_operator(tenant.org, command="test") as tx:
            page = await tx.agent_credentials.page(
                agent, status=status, cursor=cursor, limit=2, now=storage.clock.now()
            )
            tx.audit(AuditAction.AGENT_LISTED, entity_type="agent", entity_id=agent)
        found += [each.id for each in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found
