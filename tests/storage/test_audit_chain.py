"""The audit chain: gap-free under concurrency, and any tampering is named."""

import asyncio
from datetime import UTC, datetime

import psycopg
import pytest

from gateway.audit import Flaw
from gateway.clock import SystemClock
from gateway.ids import new_ulid
from storage import Storage
from storage.audit_keys import signing_key
from storage.audit_verification import verify
from storage.pool import fetch, open_pool
from storage.sequencer import Sequencer
from tests.conftest import Database
from tests.tenants import HAIKU, Tenant, make_call, make_outcome, make_tenant

WITHOUT_GUARD = "alter table {table} disable trigger user"


async def busy_tenant(storage: Storage, *, calls: int = 5) -> Tenant:
    """A tenant with sealed entries: one of its making and one a call."""
    tenant = await make_tenant(storage)
    access = await storage.access.resolve(tenant.token)
    for _ in range(calls):
        call = make_call(access)
        await storage.journal.open(call, HAIKU, 100)
        await storage.journal.close(make_outcome(call))
    await Sequencer(storage.pool, SystemClock(), signing_key(storage.keyring.audit)).seal()
    return tenant


def tamper(database: Database, statement: str, *, table: str = "audit_entries") -> None:
    """As somebody with the owner's rights would."""
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute(WITHOUT_GUARD.format(table=table))  # pyright: ignore[reportArgumentType, reportCallIssue]
        connection.execute(statement)  # pyright: ignore[reportArgumentType, reportCallIssue]


def entry_at(database: Database, tenant: Tenant, seq: int) -> str:
    with psycopg.connect(database.owner_url) as connection:
        row = connection.execute(
            "select entry_id from audit_seals where org_id = %s and seq = %s", [tenant.org, seq]
        ).fetchone()
    assert row is not None
    return row[0]


async def test_a_sound_chain_verifies(storage: Storage) -> None:
    tenant = await busy_tenant(storage)

    verdict = await verify(storage.pool, tenant.org)

    assert (verdict.flaw, verdict.length) == (None, 6)


async def test_concurrent_sequencers_and_writers_leave_no_gap_and_no_fork(storage: Storage) -> None:
    tenants = [await make_tenant(storage) for _ in range(3)]
    accesses = [await storage.access.resolve(tenant.token) for tenant in tenants]
    sequencers = [Sequencer(storage.pool, SystemClock(), signing_key(storage.keyring.audit)) for _ in range(3)]

    async def write(number: int) -> None:
        call = make_call(accesses[number % 3])
        await storage.journal.open(call, HAIKU, 100)
        await storage.journal.close(make_outcome(call))

    async def seal(sequencer: Sequencer) -> None:
        for _ in range(20):
            await sequencer.seal()

    await asyncio.gather(*(write(number) for number in range(60)), *(seal(each) for each in sequencers))
    await sequencers[0].seal()

    verdicts = [await verify(storage.pool, tenant.org) for tenant in tenants]
    assert [(verdict.flaw, verdict.length) for verdict in verdicts] == [(None, 21)] * 3


async def test_a_changed_entry_is_named(storage: Storage, database: Database) -> None:
    tenant = await busy_tenant(storage)
    bad = entry_at(database, tenant, 3)

    tamper(database, f"update audit_entries set metadata = metadata || '{{\"credits\": 1}}' where id = '{bad}'")

    verdict = await verify(storage.pool, tenant.org)
    assert (verdict.flaw, verdict.length, verdict.entry_id) == (Flaw.CHANGED, 2, bad)


async def test_a_removed_seal_is_a_gap(storage: Storage, database: Database) -> None:
    tenant = await busy_tenant(storage)
    after = entry_at(database, tenant, 4)

    tamper(database, f"delete from audit_seals where org_id = '{tenant.org}' and seq = 3", table="audit_seals")

    verdict = await verify(storage.pool, tenant.org)
    assert (verdict.flaw, verdict.entry_id) == (Flaw.MISSING, after)


async def test_a_removed_last_seal_is_noticed_by_its_entry(storage: Storage, database: Database) -> None:
    tenant = await busy_tenant(storage)
    last = entry_at(database, tenant, 6)

    tamper(database, f"delete from audit_seals where org_id = '{tenant.org}' and seq = 6", table="audit_seals")

    verdict = await verify(storage.pool, tenant.org)
    assert (verdict.flaw, verdict.entry_id) == (Flaw.UNLINKED, last)


async def test_entries_that_trade_places_are_noticed(storage: Storage, database: Database) -> None:
    """Position is part of what is hashed: content that moved is content that changed."""
    tenant = await busy_tenant(storage)
    second, third = entry_at(database, tenant, 2), entry_at(database, tenant, 3)

    tamper(
        database,
        f"""
        delete from audit_seals where entry_id = '{second}' returning entry_id;
        update audit_seals set entry_id = '{second}' where entry_id = '{third}';
        insert into audit_seals select '{third}', org_id, 2, '{"f" * 64}', '{"e" * 64}', sealed_at, key_id, signature
          from audit_seals where entry_id = '{second}';
        update audit_seals s set prev_hash = p.hash from audit_seals p
          where p.org_id = s.org_id and p.seq = s.seq - 1 and s.seq in (2, 3)
        """,
        table="audit_seals",
    )

    verdict = await verify(storage.pool, tenant.org)
    assert (verdict.flaw, verdict.entry_id) == (Flaw.CHANGED, third)


@pytest.mark.parametrize("table", ["audit_entries", "audit_seals", "usage_records"])
@pytest.mark.parametrize("change", ["update {table} set org_id = org_id", "delete from {table}", "truncate {table}"])
async def test_the_application_can_change_nothing_that_only_grows(
    storage: Storage, database: Database, table: str, change: str
) -> None:
    await busy_tenant(storage, calls=1)

    with (
        psycopg.connect(database.app_url, autocommit=True, options="-c hasp.system=on") as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(change.format(table=table))  # pyright: ignore[reportArgumentType, reportCallIssue]


@pytest.mark.parametrize("table", ["audit_entries", "audit_seals"])
async def test_even_the_owner_is_refused_by_a_trigger(storage: Storage, database: Database, table: str) -> None:
    await busy_tenant(storage, calls=1)

    with (
        psycopg.connect(database.owner_url, autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(f"delete from {table}")  # pyright: ignore[reportArgumentType, reportCallIssue]


WRITE = """
with written as (
  insert into audit_entries (id, org_id, action, metadata, phi_disposition, created_at)
  values (%s, %s, 'policy.updated', '{}', 'not_present', now()) returning id)
insert into audit_pending (entry_id) select id from written
"""


async def test_five_hundred_writers_at_once_fork_nothing(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage)
    sequencers = [Sequencer(storage.pool, SystemClock(), signing_key(storage.keyring.audit)) for _ in range(3)]
    pool = await open_pool(database.app_url, size=50)
    written = asyncio.Event()

    async def write() -> None:
        for _ in range(2):
            await fetch(pool, WRITE, [new_ulid(), tenant.org])

    async def seal(sequencer: Sequencer) -> None:
        while not written.is_set() or await sequencer.seal():
            await sequencer.seal()

    sealing = [asyncio.create_task(seal(each)) for each in sequencers]
    await asyncio.gather(*(write() for _ in range(500)))
    written.set()
    await asyncio.gather(*sealing)
    await pool.close()

    verdict = await verify(storage.pool, tenant.org)
    assert (verdict.flaw, verdict.length) == (None, 1001)


async def test_a_clock_that_is_set_back_does_not_show_in_the_chain(storage: Storage, database: Database) -> None:
    tenant = await busy_tenant(storage, calls=1)
    access = await storage.access.resolve(tenant.token)
    call = make_call(access)
    await storage.journal.open(call, HAIKU, 100)
    await storage.journal.close(make_outcome(call))

    await Sequencer(storage.pool, LongAgo(), signing_key(storage.keyring.audit)).seal()

    with psycopg.connect(database.owner_url) as connection:
        rows = connection.execute(
            "select sealed_at from audit_seals where org_id = %s order by seq", [tenant.org]
        ).fetchall()
    assert len(rows) == 3
    assert rows == sorted(rows)


class LongAgo:
    def now(self) -> datetime:
        return datetime(2020, 1, 1, tzinfo=UTC)
