"""The proof of the books: it accuses no honest history, and names whatever the database's owner changes."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import psycopg
import pytest
import pytest_asyncio

from gateway.audit import AuditAction
from gateway.credits.period import period_of
from gateway.errors import CreditsExhaustedError
from gateway.ids import PLATFORM, OrganizationId
from gateway.inference.call import Call
from gateway.settings import Settings
from gateway.tenancy import KeyMode, Scope
from storage import Storage
from storage.holds import expire_lapsed
from storage.migrate import downgrade, upgrade
from storage.onboarding import change_policy
from storage.periods import close_oldest
from storage.pool import fetch
from storage.proof import BooksPeriod, Discrepancy, Place, first_place, periods_after, prove, raise_alarm
from tests.activities.conftest import SetClock
from tests.agents import make_agent, make_credential
from tests.conftest import Database
from tests.tenants import HAIKU, Tenant, failed, make_call, make_outcome, make_tenant

LATER = timedelta(days=40)
"""Into the next period, or the one after it."""


class Past:
    """After every lease of these tests."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(days=365)


async def capped(storage: Storage, tenant: Tenant, cap: int) -> Tenant:
    async with storage.as_operator(tenant.org, command="test") as tx:
        key, token = await tx.keys.add(name="capped", scopes=[Scope.AI_CHAT], mode=KeyMode.LIVE, credit_cap=cap)
        tx.audit(AuditAction.API_KEY_CREATED, entity_type="api_key", entity_id=key.id)
    return Tenant(tenant.org, key, token)


async def agents(storage: Storage, tenant: Tenant) -> list[Tenant]:
    """Payers that share the account of one agent, and one below them with an account of its own."""
    agent = await make_agent(storage, tenant.org, credit_cap=2_000)
    one, other = [await make_credential(storage, tenant.org, agent, most=1_000) for _ in range(2)]
    below = await make_credential(storage, tenant.org, parent=one, most=1_000)
    return [Tenant(tenant.org, tenant.key, each.token) for each in (one, other, below)]


async def opened(storage: Storage, tenant: Tenant, amount: int = 100, *, later: bool = False) -> Call:
    at = datetime.now(UTC) + (LATER if later else timedelta())
    call = make_call(await storage.access.resolve(tenant.token), at=at)
    await storage.journal.open(call, HAIKU, amount)
    return call


async def settled(storage: Storage, tenant: Tenant, charge: int = 60, *, later: bool = False) -> Call:
    call = await opened(storage, tenant, later=later)
    await storage.journal.close(make_outcome(call, charge=charge))
    return call


async def found(
    storage: Storage, *, only: OrganizationId | None = None, at: datetime | None = None
) -> list[Discrepancy]:
    everything = datetime.min.replace(tzinfo=UTC)
    periods = await periods_after(storage.pool, first_place(only), since=everything, limit=1_000, only=only)
    return [each for period in periods for each in await prove(storage.pool, period, at=at or datetime.now(UTC))]


async def live(storage: Storage, payers: Sequence[Tenant], chance: random.Random) -> None:
    """One call of any fate: settled, beyond its hold, failed, hung up on, expired, settled late, refused, left open."""
    fate, amount, charge = chance.random(), chance.randrange(0, 400), chance.randrange(0, 500)
    with suppress(CreditsExhaustedError):
        call = await opened(storage, chance.choice(payers), amount, later=chance.random() < 0.3)
        if fate < 0.1:
            return
        if fate < 0.25:
            await expire_lapsed(storage.pool, Past())
        outcome = make_outcome(call, charge=charge)
        await storage.journal.close(failed(outcome) if fate > 0.85 else outcome)


@pytest.mark.parametrize("seed", range(6))
async def test_no_honest_history_is_accused(storage: Storage, seed: int) -> None:
    chance = random.Random(seed)
    tenant = await make_tenant(storage, allotment=20_000)
    payers = [
        tenant,
        await capped(storage, tenant, 2_000),
        await make_tenant(storage, allotment=chance.randrange(3_000)),
        *await agents(storage, tenant),
    ]

    await asyncio.gather(*(live(storage, payers, chance) for _ in range(120)))
    assert await found(storage) == []
    await expire_lapsed(storage.pool, Past())

    assert await found(storage, at=Past().now()) == []


async def test_what_was_charged_before_there_were_books_is_entered_as_sound_ones(
    storage: Storage, database: Database
) -> None:
    chance = random.Random(3)
    payers = [await make_tenant(storage), await make_tenant(storage, allotment=2_000)]
    await asyncio.gather(*(live(storage, payers, chance) for _ in range(60)))
    with psycopg.connect(database.owner_url) as owner:
        overruns = owner.execute("select count(*) from credit_entries where phase = 'overrun'").fetchall()
        # Who goes back that far has no content any more.
        owner.execute("update content_keys set wrapped = null, root_key = null, destroyed_at = now()")

    downgrade(database.owner_url, "0006")
    upgrade(database.owner_url)

    assert overruns != [(0,)]
    assert await found(storage) == []


async def test_periods_that_were_closed_with_a_rollover_and_late_charges_are_sound(storage: Storage) -> None:
    tenant = await make_tenant(storage, allotment=1_000, rollover_limit=300)
    late = await opened(storage, tenant)
    await settled(storage, tenant)
    await settled(storage, tenant, later=True)
    await expire_lapsed(storage.pool, Past())
    steps = [await close_oldest(storage.pool, tenant.org, Past().now()) for _ in range(3)]
    await storage.journal.close(make_outcome(late, charge=70))

    carried = await fetch(storage.pool, "select max(carried) from credit_accounts")

    assert sum(step.closed for step in steps) == 3
    assert carried == [(300,)]
    assert await found(storage, at=Past().now()) == []


async def test_a_cap_that_was_lowered_below_what_is_spent_accuses_nobody(storage: Storage) -> None:
    tenant = await make_tenant(storage, allotment=1_000)
    await settled(storage, tenant)

    await change_policy(storage, tenant.org, {"spend_cap": 10})

    assert await found(storage) == []


async def test_a_cap_that_a_process_lowers_whose_clock_is_behind_accuses_nobody(
    storage: Storage, settings: Settings
) -> None:
    tenant = await make_tenant(storage, allotment=1_000)
    call = await opened(storage, tenant, later=True)
    begun = period_of(call.received_at).start
    behind = await Storage.open(settings, clock=SetClock(begun - timedelta(seconds=30)))

    await change_policy(behind, tenant.org, {"spend_cap": 10})
    await behind.close()

    assert await found(storage) == []


async def test_an_allotment_that_was_withdrawn_below_what_is_spent_accuses_nobody(
    storage: Storage, database: Database
) -> None:
    tenant = await make_tenant(storage, allotment=1_000)
    await settled(storage, tenant, 60)
    with psycopg.connect(database.owner_url) as owner:
        owner.execute(
            "insert into credit_entries (id, phase, org_id, period_start, debit, credit, amount, created_at)"
            " select 'withdrawal', 'withdraw', org_id, period_start, 'available', 'issued', 990, now()"
            " from credit_accounts where holder = 'organization'"
        )
        owner.execute("update credit_accounts set allotment = 10 where holder = 'organization'")

    assert await found(storage) == []


async def test_calls_that_go_on_during_the_proof_are_no_discrepancy(storage: Storage, elsewhere: Storage) -> None:
    tenant = await make_tenant(storage, allotment=10_000_000)
    payers = [tenant, await capped(storage, tenant, 10_000_000)]
    chance = random.Random(7)

    async def call_on() -> None:
        # So many and no more: a proof lasts the longer, the more there is to prove.
        for _ in range(25):
            await live(elsewhere, payers, chance)

    await settled(storage, tenant)
    calling = asyncio.gather(*(call_on() for _ in range(20)))
    proofs: list[list[Discrepancy]] = []
    while not calling.done():
        proofs.append(await found(storage, only=tenant.org))
    await calling

    assert len(proofs) > 1
    assert not any(proofs)


@dataclass(frozen=True, slots=True)
class Crime:
    """What somebody does with the owner's rights, and under which names the proof finds it."""

    done: LiteralString
    named: frozenset[str]


def crime(done: LiteralString, *named: str) -> Crime:
    return Crime(done, frozenset(named))


CRIMES = {
    "a balance is lowered": crime(
        "update credit_accounts set posted = posted - 1 where holder = 'organization' and org_id = %(org)s",
        "posted_and_charges",
        "posted_and_usage",
        "posted_and_entries",
    ),
    "a key's balance is lowered": crime(
        "update credit_accounts set posted = 0 where holder <> 'organization' and org_id = %(org)s",
        "posted_and_charges",
        "posted_and_usage",
    ),
    "what is held is forgotten": crime(
        "update credit_accounts set pending = 0 where org_id = %(org)s", "pending_and_holds", "pending_and_entries"
    ),
    "an overrun is put on the account": crime(
        "update credit_accounts set overrun = overrun + 5 where holder = 'organization' and org_id = %(org)s",
        "overrun_and_calls",
        "overrun_and_entries",
    ),
    "credits are promised without a grant": crime(
        "update credit_accounts set allotment = allotment + 5 where holder = 'organization' and org_id = %(org)s",
        "allotment_and_entries",
    ),
    "credits are carried from nowhere": crime(
        "update credit_accounts set carried = 5 where holder = 'organization' and org_id = %(org)s",
        "carried_and_entries",
        "carried_and_handed_on",
    ),
    "a grant is deleted": crime(
        "delete from credit_entries where phase = 'grant' and org_id = %(org)s", "allotment_and_entries", "available"
    ),
    "an entry is deleted": crime(
        "delete from credit_entries where id = %(call)s and phase = 'post'",
        "entries_of_call",
        "posted_and_entries",
        "pending_and_entries",
    ),
    "an entry is changed": crime(
        "update credit_entries set amount = amount - 7 where id = %(call)s and phase = 'release'",
        "entries_of_call",
        "pending_and_entries",
    ),
    "an entry is added": crime(
        "insert into credit_entries values (%(call)s, 'overrun', %(org)s,"
        " (select period_start from credit_holds where id = %(call)s), 'available', 'spent', 3, now())",
        "entries_of_call",
        "overrun_and_entries",
        "posted_and_entries",
        "overrun_and_calls",
    ),
    "entries of no call are added": crime(
        "insert into credit_entries values ('nobody', 'reserve', %(org)s,"
        " (select period_start from credit_holds where id = %(call)s), 'available', 'held', 3, now())",
        "call_without_hold",
        "pending_and_entries",
    ),
    "a usage row is lost": crime(
        "delete from usage_records where id = %(call)s", "settled_without_usage", "posted_and_usage"
    ),
    "a usage row is changed": crime(
        "update usage_records set credits = 1 where id = %(call)s", "usage_differs", "posted_and_usage"
    ),
    "a usage row is another key's": crime(
        "update usage_records set key_id = null where id = %(call)s", "usage_differs"
    ),
    "a usage row is doubled": crime(
        "insert into usage_records select '01ARZ3NDEKTSV4RRFFQ69G5FAV', org_id, period_start, key_id, model, mode,"
        " created_at, input_tokens, output_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens,"
        " reasoning_tokens, service_tier, estimated, credits, cost_micro_usd from usage_records where id = %(call)s",
        "call_without_hold",
    ),
    "a hold is opened again": crime(
        "update credit_holds set state = 'open', charged = null where id = %(call)s",
        "entries_of_call",
        "usage_without_settlement",
        "usage_differs",
        "pending_and_holds",
        "posted_and_charges",
    ),
    "a settled hold becomes a voided one": crime(
        "update credit_holds set state = 'voided' where id = %(call)s",
        "entries_of_call",
        "usage_without_settlement",
        "charge_without_settlement",
    ),
    "a charge is lowered": crime(
        "update credit_holds set charged = 1 where id = %(call)s",
        "entries_of_call",
        "usage_differs",
        "posted_and_charges",
    ),
    "a charge is lowered in every book": crime(
        "with h as (update credit_holds set charged = charged - 7 where id = %(call)s),"
        " u as (update usage_records set credits = credits - 7 where id = %(call)s),"
        " e as (update credit_entries set amount = amount + case phase when 'post' then -7 else 7 end"
        "   where id = %(call)s and phase in ('post', 'release'))"
        " update credit_accounts set posted = posted - 7 where org_id = %(org)s",
        "audit_differs",
    ),
    "a hold is deleted": crime(
        "delete from credit_holds where id = %(call)s", "call_without_hold", "posted_and_charges", "posted_and_usage"
    ),
    "a record is deleted": crime("delete from inferences where id = %(call)s", "call_without_record"),
    "a hold is charged to nobody's key": crime(
        "update credit_holds set holders = array['organization'] where id = %(call)s",
        "holders_of_call",
        "posted_and_charges",
        "posted_and_usage",
    ),
    "a hold is charged to another's key": crime(
        "update credit_holds set holders = array['organization', 'key:another'] where id = %(call)s",
        "holders_of_call",
        "account_missing",
        "posted_and_charges",
        "posted_and_usage",
    ),
    "a hold is never swept": crime(
        "update credit_holds set expires_at = now() - interval '1 day' where id = %(open)s", "hold_overdue"
    ),
    "an account is deleted": crime(
        "delete from credit_accounts where holder = 'organization' and org_id = %(org)s", "account_missing"
    ),
    "a period is stretched": crime(
        "update credit_accounts set period_end = period_end + interval '1 day'"
        " where holder <> 'organization' and org_id = %(org)s",
        "account_of_other_length",
    ),
    "a second period is laid over the first": crime(
        "insert into credit_accounts (org_id, period_start, holder, period_end, allotment)"
        " select org_id, period_start + interval '1 second', holder, period_end, 0 from credit_accounts"
        " where holder = 'organization' and org_id = %(org)s",
        "periods_overlap",
    ),
    "a call is moved into another period": crime(
        "update inferences set created_at = created_at - interval '90 days' where id = %(call)s", "call_outside_period"
    ),
    "more is spent than a cap lets": crime(
        "update credit_accounts set spend_cap = 10 where org_id = %(org)s and holder <> 'organization'", "spend_cap"
    ),
    "a period is closed with credits left": crime(
        "update credit_accounts set closed_at = now() where org_id = %(org)s", "closed_with_credits_left"
    ),
}


@pytest.mark.parametrize("what", CRIMES)
async def test_what_the_owner_of_the_database_changes_is_found_and_named(
    storage: Storage, database: Database, what: str
) -> None:
    tenant, neighbour = await make_tenant(storage), await make_tenant(storage)
    for each in (tenant, neighbour):
        await settled(storage, each)
    call, left_open = await settled(storage, tenant), await opened(storage, tenant)

    with psycopg.connect(database.owner_url) as owner:
        for table in ("credit_entries", "usage_records"):
            owner.execute(f"alter table {table} disable trigger user".encode())
        owner.execute(CRIMES[what].done, {"org": tenant.org, "call": call.id, "open": left_open.id})

    accused = await found(storage)
    assert {each.org for each in accused} == {tenant.org}
    assert {each.check for each in accused} >= CRIMES[what].named


async def test_a_discrepancy_tells_ids_and_amounts(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage)
    call = await settled(storage, tenant, 60)
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("update credit_accounts set posted = 50 where holder = 'organization'")
        owner.execute("update credit_holds set holders = array['organization'] where id = %s", [call.id])

    accused = {(each.check, each.holder): each for each in await found(storage)}

    of_account = accused["posted_and_usage", "organization"]
    assert (of_account.recorded, of_account.proven) == (50, 60)
    of_calls = accused["holders_of_call", None]
    assert (of_calls.count, of_calls.example) == (1, call.id)


async def test_periods_are_walked_in_pages_each_once(storage: Storage) -> None:
    tenants = sorted([await make_tenant(storage) for _ in range(3)], key=lambda tenant: tenant.org)
    for tenant in tenants:
        await settled(storage, tenant)
        await settled(storage, tenant, later=True)

    walked: list[BooksPeriod] = []
    place = Place()
    while page := await periods_after(storage.pool, place, since=datetime.now(UTC), limit=2):
        walked += page
        place = page[-1].place

    assert [each.org for each in walked] == [tenant.org for tenant in tenants for _ in range(2)]
    assert len(set(walked)) == 6


async def test_a_closed_period_that_ended_long_ago_is_not_recent(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage)
    await settled(storage, tenant)
    await settled(storage, tenant, later=True)
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("update credit_accounts set closed_at = period_end where period_start < now()")

    walked = await periods_after(storage.pool, Place(), since=datetime.now(UTC) + LATER, limit=9)

    assert [each.is_recent for each in walked] == [False, True]


async def test_an_alarm_is_raised_once_a_day_however_often_it_is_found(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage)
    await settled(storage, tenant)
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("update credit_accounts set overrun = 5 where holder = 'organization'")
    accused = await found(storage)
    night = datetime(2026, 5, 4, 3, 30, tzinfo=UTC)

    for at in (night, night + timedelta(hours=1), night + timedelta(days=1)):
        await raise_alarm(storage.pool, accused, at=at)

    with psycopg.connect(database.owner_url) as owner:
        told = owner.execute("select org_id, data ->> 'check' from outbox where type = 'books.discrepancy'").fetchall()
        audited = owner.execute(
            "select org_id, metadata ->> 'check' from audit_entries where action = 'books.discrepancy'"
        ).fetchall()
    checks = sorted(each.check for each in accused)
    assert len(checks) == 2
    assert sorted(told) == sorted((PLATFORM, check) for check in 2 * checks)
    assert sorted(audited) == sorted((tenant.org, check) for check in 2 * checks)


@pytest_asyncio.fixture
async def elsewhere(settings: Settings) -> AsyncIterator[Storage]:
    """Another API process, as far as the books can tell."""
    storage = await Storage.open(settings)
    yield storage
    await storage.close()
