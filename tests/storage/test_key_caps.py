"""A cap that changes while its line of keys is at work."""

import asyncio
from datetime import UTC, datetime

import psycopg
import pytest

from gateway.audit import AuditAction
from gateway.errors import CreditsExhaustedError, NotFoundError
from gateway.keys.api_key import ApiKey
from gateway.tenancy import KeyMode, Scope
from storage import Storage
from storage.key_issue import begin_grace, change_key, issue_key, revoke_key, rotate_key
from storage.last_use import LastUse
from tests.conftest import Database
from tests.tenants import HAIKU, Tenant, make_call, make_outcome, make_tenant


async def capped_at(storage: Storage, limit: int | None) -> Tenant:
    org = (await make_tenant(storage)).org
    async with storage.as_operator(org, command="test") as tx:
        key, token = await issue_key(tx, name="CI", scopes=[Scope.AI_CHAT], mode=KeyMode.LIVE, credit_cap=limit)
    return Tenant(org, key, token)


async def cap(storage: Storage, line: Tenant, limit: int | None) -> None:
    async with storage.as_operator(line.org, command="test") as tx:
        await change_key(tx, line.key.id, {"credit_cap": limit})


async def successor_of(storage: Storage, line: Tenant) -> Tenant:
    async with storage.as_operator(line.org, command="test") as tx:
        key, token = await rotate_key(tx, line.key.id, grace_s=60)
        await begin_grace(tx, key.id)
    return Tenant(line.org, key, token)


async def revoke(storage: Storage, line: Tenant) -> None:
    async with storage.as_operator(line.org, command="test") as tx:
        await revoke_key(tx, line.key.id)


async def fits(storage: Storage, line: Tenant, amount: int, *, charge: int | None = None) -> bool:
    """Whether a call that sets `amount` aside is let in; then it is settled at `charge`, or left open."""
    call = make_call(await storage.access.resolve(line.token))
    try:
        await storage.journal.open(call, HAIKU, amount)
    except CreditsExhaustedError:
        return False
    if charge is not None:
        await storage.journal.close(make_outcome(call, charge=charge))
    return True


async def shown(storage: Storage, line: Tenant) -> ApiKey:
    access = await storage.access.resolve(line.token)
    async with storage.read(access.principal) as tx:
        return await tx.keys.get(line.key.id, now=datetime.now(UTC))


async def test_a_changed_cap_holds_for_the_next_call_of_the_period_that_runs(storage: Storage) -> None:
    line = await capped_at(storage, 100)
    assert await fits(storage, line, 60)

    await cap(storage, line, 60)
    assert not await fits(storage, line, 1)
    await cap(storage, line, 61)
    assert await fits(storage, line, 1)
    await cap(storage, line, None)
    assert await fits(storage, line, 5_000)


async def test_a_cap_set_before_the_first_call_of_a_period_is_the_one_that_holds(storage: Storage) -> None:
    line = await capped_at(storage, None)

    await cap(storage, line, 10)

    assert not await fits(storage, line, 11)
    assert await fits(storage, line, 10)


async def test_a_cap_of_one_key_is_that_of_its_line(storage: Storage) -> None:
    first = await capped_at(storage, 100)
    assert await fits(storage, first, 60)
    second = await successor_of(storage, first)

    await cap(storage, second, 70)

    assert [(await shown(storage, each)).credit_cap for each in (first, second)] == [70, 70]
    assert not await fits(storage, first, 11)
    assert await fits(storage, second, 10)


async def test_a_line_whose_first_key_is_revoked_keeps_the_cap_that_it_was_given_since(storage: Storage) -> None:
    first = await capped_at(storage, 100)
    second = await successor_of(storage, first)
    await revoke(storage, first)

    await cap(storage, second, 10)

    assert not await fits(storage, second, 11)


async def test_what_a_line_used_is_shown_with_each_of_its_keys(storage: Storage) -> None:
    first = await capped_at(storage, 100)
    assert (await shown(storage, first)).credits_used == 0
    assert await fits(storage, first, 60, charge=7)
    second = await successor_of(storage, first)
    assert await fits(storage, second, 60, charge=5)

    assert [(await shown(storage, each)).credits_used for each in (first, second)] == [12, 12]


async def test_the_cap_of_another_line_or_organisation_is_left_alone(storage: Storage) -> None:
    line, stranger = await capped_at(storage, 100), await capped_at(storage, 100)
    assert await fits(storage, stranger, 50)

    await cap(storage, line, 0)
    with pytest.raises(NotFoundError):
        await cap(storage, Tenant(stranger.org, line.key, line.token), 5)

    assert await fits(storage, stranger, 50)


async def test_caps_calls_rotations_and_uses_at_once_lock_nobody_out_for_good(
    storage: Storage, database: Database
) -> None:
    first = await capped_at(storage, 10_000)
    second = await successor_of(storage, first)

    principals = [(await storage.access.resolve(each.token)).principal for each in (first, second)]

    async def note_use() -> None:
        used = LastUse(storage.pool)
        for principal in principals:
            used.note(principal, storage.clock.now())
        await used.write()

    async def again(line: Tenant, limit: int) -> None:
        await cap(storage, line, limit)
        assert await fits(storage, line, 1, charge=1)

    acts = [again((first, second)[number % 2], 10_000 + number) for number in range(40)]
    await asyncio.gather(*acts, *(note_use() for _ in range(20)))

    await cap(storage, first, 40)
    with psycopg.connect(database.owner_url) as connection:
        account = connection.execute(
            "select posted, pending, spend_cap from credit_accounts where holder = %s", [f"key:{first.key.family}"]
        ).fetchone()
    assert account == (40, 0, 40)


async def test_a_cap_that_changes_while_the_first_call_opens_the_account_is_never_lost(storage: Storage) -> None:
    for _ in range(12):
        line = await capped_at(storage, 100)
        await asyncio.gather(fits(storage, line, 1), cap(storage, line, 5))

        assert not await fits(storage, line, 5 + 1)


async def test_a_changed_cap_is_audited_with_what_it_was(storage: Storage, database: Database) -> None:
    line = await capped_at(storage, 100)
    await cap(storage, line, None)

    with psycopg.connect(database.owner_url) as connection:
        rows = connection.execute(
            "select metadata -> 'changed', metadata -> 'before' -> 'credit_cap', metadata -> 'after' -> 'credit_cap'"
            " from audit_entries where action = %s",
            [AuditAction.API_KEY_UPDATED],
        ).fetchall()
    assert rows == [(["credit_cap"], 100, None)]
