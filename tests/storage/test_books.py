"""The double-entry books of credits: every movement is an entry, and balances are their sums."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString, cast

import psycopg
import pytest
import pytest_asyncio

from gateway.audit import AuditAction
from gateway.credits.period import Cycle, period_of
from gateway.errors import CreditsExhaustedError, GatewayError, UnavailableError
from gateway.ids import OrganizationId
from gateway.inference.call import Call
from gateway.inference.ports import Refusal
from gateway.settings import Settings
from gateway.tenancy import KeyMode, Scope
from storage import Storage
from storage.holds import expire_lapsed
from storage.key_issue import rotate_key
from storage.onboarding import change_policy
from tests.conftest import Database
from tests.tenants import HAIKU, Tenant, failed, make_call, make_outcome, make_tenant


class InAYear:
    """Long after every lease of these tests."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Books:
    """One organisation's rows, read as an auditor would: past row security and past our own code."""

    database: Database
    org: OrganizationId

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database.owner_url) as owner:
            return owner.execute(cast("LiteralString", query.replace(":org", f"'{self.org}'"))).fetchall()

    def moves(self, call: Call) -> dict[str, int]:
        return dict(self.rows(f"select phase, amount from credit_entries where id = '{call.id}'"))

    def account(self, holder: str = "organization") -> tuple[int, int, int]:
        """Posted, pending, overrun."""
        (row,) = self.rows(
            f"select posted, pending, overrun from credit_accounts where org_id = :org and holder = '{holder}'"
        )
        return row

    def sides(self) -> dict[str, int]:
        """What each side of the books comes to."""
        return {
            side: int(total)
            for side, total in self.rows(
                "select side, sum(amount) from (select credit as side, amount from credit_entries where org_id = :org"
                " union all select debit, -amount from credit_entries where org_id = :org) as moved group by side"
            )
        }

    def told(self, event: str) -> list[dict[str, Any]]:
        rows = self.rows(f"select data from outbox where org_id = :org and type = '{event}' order by id")
        return [data for (data,) in rows]


@pytest_asyncio.fixture
async def elsewhere(settings: Settings) -> AsyncIterator[Storage]:
    """Another API process, as far as the books can tell."""
    opened = await Storage.open(settings)
    yield opened
    await opened.close()


async def a_call(storage: Storage, tenant: Tenant, *, at: datetime | None = None) -> Call:
    return make_call(await storage.access.resolve(tenant.token), at=at)


async def another_key(storage: Storage, tenant: Tenant, *, credit_cap: int | None) -> Tenant:
    async with storage.as_operator(tenant.org, command="test") as tx:
        key, token = await tx.keys.add(name="capped", scopes=[Scope.AI_CHAT], mode=KeyMode.LIVE, credit_cap=credit_cap)
        tx.audit(AuditAction.API_KEY_CREATED, entity_type="api_key", entity_id=key.id)
    return Tenant(tenant.org, key, token)


async def refused(storage: Storage, call: Call, amount: int) -> CreditsExhaustedError:
    with pytest.raises(CreditsExhaustedError) as told:
        await storage.journal.open(call, HAIKU, amount)
    await storage.journal.refuse(
        Refusal(call.access.principal.org, call.id, told.value, call.received_at, surface=call.surface)
    )
    return told.value


async def test_a_settled_call_moves_its_hold_to_what_was_spent_and_returns_the_rest(
    storage: Storage, database: Database
) -> None:
    tenant = await make_tenant(storage, allotment=1_000)
    call = await a_call(storage, tenant)

    await storage.journal.open(call, HAIKU, 500)
    await storage.journal.close(make_outcome(call, charge=120))

    books = Books(database, tenant.org)
    assert books.moves(call) == {"reserve": 500, "post": 120, "release": 380}
    assert books.sides() == {"issued": -1_000, "available": 880, "held": 0, "spent": 120}


async def test_a_failed_call_leaves_a_void_and_a_lost_one_an_expiry(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage)
    books = Books(database, tenant.org)
    fails, dies = await a_call(storage, tenant), await a_call(storage, tenant)
    for call in (fails, dies):
        await storage.journal.open(call, HAIKU, 500)

    await storage.journal.close(failed(make_outcome(fails)))
    await expire_lapsed(storage.pool, InAYear())

    assert books.moves(fails) == {"reserve": 500, "void": 500}
    assert books.moves(dies) == {"reserve": 500, "expire": 500}


async def test_what_was_used_beyond_its_hold_is_charged_in_full_and_recorded_as_overrun(
    storage: Storage, database: Database
) -> None:
    tenant = await make_tenant(storage, allotment=100)
    call = await a_call(storage, tenant)
    await storage.journal.open(call, HAIKU, 100)

    await storage.journal.close(make_outcome(call, charge=130))

    books = Books(database, tenant.org)
    assert books.moves(call) == {"reserve": 100, "post": 100, "overrun": 30}
    assert books.account() == books.account(f"key:{tenant.key.id}") == (130, 0, 30)


async def test_a_call_settled_after_its_hold_expired_is_an_overrun(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage)
    call = await a_call(storage, tenant)
    await storage.journal.open(call, HAIKU, 500)
    await expire_lapsed(storage.pool, InAYear())

    await storage.journal.close(make_outcome(call, charge=120))

    books = Books(database, tenant.org)
    assert books.moves(call) == {"reserve": 500, "expire": 500, "overrun": 120}
    assert books.account() == (120, 0, 120)


async def test_whatever_is_said_twice_is_entered_once(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage)
    call = await a_call(storage, tenant)

    for _ in range(2):
        await storage.journal.open(call, HAIKU, 500)
    for charge in (120, 125):
        await storage.journal.close(make_outcome(call, charge=charge))

    books = Books(database, tenant.org)
    assert books.moves(call) == {"reserve": 500, "post": 120, "release": 380}
    assert books.account() == (120, 0, 0)


async def test_an_entry_cannot_be_changed_by_the_application(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage)
    await storage.journal.open(await a_call(storage, tenant), HAIKU, 500)

    changes: tuple[LiteralString, ...] = ("update credit_entries set amount = 0", "delete from credit_entries")
    for change in changes:
        with psycopg.connect(database.app_url) as application:
            application.execute("select set_config('hasp.system', 'on', true)")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                application.execute(change)


async def test_a_keys_cap_stops_that_key_and_no_other(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage, allotment=1_000)
    capped = await another_key(storage, tenant, credit_cap=100)
    await storage.journal.open(await a_call(storage, capped), HAIKU, 60)

    error = await refused(storage, await a_call(storage, capped), 41)

    assert error.details["reason"] == "key_cap"
    await storage.journal.open(await a_call(storage, capped), HAIKU, 40)
    await storage.journal.open(await a_call(storage, tenant), HAIKU, 900)
    assert Books(database, tenant.org).account() == (0, 1_000, 0)


async def test_parallel_calls_never_pass_a_keys_cap_nor_starve_its_neighbour(
    storage: Storage, elsewhere: Storage, database: Database
) -> None:
    tenant = await make_tenant(storage, allotment=10_000)
    capped = await another_key(storage, tenant, credit_cap=500)

    async def attempt(number: int) -> tuple[bool, bool]:
        where, who = (storage, elsewhere)[number % 2], (tenant, capped)[number // 2 % 2]
        try:
            await where.journal.open(await a_call(where, who), HAIKU, 10)
        except CreditsExhaustedError:
            return who is capped, False
        return who is capped, True

    outcomes = await asyncio.gather(*(attempt(number) for number in range(400)))

    assert outcomes.count((True, True)) == 50
    assert outcomes.count((False, True)) == 200
    books = Books(database, tenant.org)
    assert books.account(f"key:{capped.key.id}") == (0, 500, 0)
    assert books.account() == (0, 2_500, 0)


async def test_a_key_and_its_successor_spend_one_cap(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    capped = await another_key(storage, tenant, credit_cap=100)
    await storage.journal.open(await a_call(storage, capped), HAIKU, 60)
    async with storage.as_operator(tenant.org, command="test") as tx:
        successor, token = await rotate_key(tx, capped.key.id, grace_s=60)

    error = await refused(storage, await a_call(storage, Tenant(tenant.org, successor, token)), 41)

    assert error.details["reason"] == "key_cap"


async def test_a_threshold_is_told_once_a_period_whoever_passes_it(
    storage: Storage, elsewhere: Storage, database: Database
) -> None:
    tenant = await make_tenant(storage, allotment=1_000)
    books = Books(database, tenant.org)
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("update organizations set alert_thresholds = '{50,80}' where id = %s", [tenant.org])

    async def spend(number: int) -> None:
        where = (storage, elsewhere)[number % 2]
        call = await a_call(where, tenant)
        await where.journal.open(call, HAIKU, 10)
        await where.journal.close(make_outcome(call, charge=10))

    await asyncio.gather(*(spend(number) for number in range(49)))
    assert books.told("budget.threshold_reached") == []

    await asyncio.gather(*(spend(number) for number in range(51)))

    told = books.told("budget.threshold_reached")
    assert sorted(each["threshold"] for each in told) == [50, 80]
    assert all(each["limit"] == 1_000 and each["used"] * 100 >= each["threshold"] * 1_000 for each in told)
    assert [each["reason"] for each in books.told("credits.exhausted")] == ["allotment"]


async def test_refusals_tell_of_exhausted_credits_once(
    storage: Storage, elsewhere: Storage, database: Database
) -> None:
    tenant = await make_tenant(storage, allotment=100, spend_cap=50)

    async def hopeless(number: int) -> None:
        where = (storage, elsewhere)[number % 2]
        await refused(where, await a_call(where, tenant), 51)

    await asyncio.gather(*(hopeless(number) for number in range(40)))

    (told,) = Books(database, tenant.org).told("credits.exhausted")
    assert told["reason"] == "spend_cap"
    assert set(told) == {"reason", "period_start", "period_end"}


async def test_a_keys_exhausted_cap_is_told_apart_from_its_organisations(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage, allotment=100)
    capped = await another_key(storage, tenant, credit_cap=10)

    await refused(storage, await a_call(storage, capped), 11)
    await refused(storage, await a_call(storage, tenant), 101)

    told = Books(database, tenant.org).told("credits.exhausted")
    assert [(each["reason"], each.get("key_id")) for each in told] == [("key_cap", capped.key.id), ("allotment", None)]


async def test_a_period_keeps_its_bounds_when_the_cycle_changes_and_the_next_begins_where_it_ends(
    storage: Storage, elsewhere: Storage, database: Database
) -> None:
    tenant = await make_tenant(storage)
    now = datetime.now(UTC)
    began = period_of(now)
    await storage.journal.open(await a_call(storage, tenant, at=now), HAIKU, 1)
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("update organizations set time_zone = 'Asia/Tokyo', anchor_day = 15 where id = %s", [tenant.org])

    for at in (began.end - timedelta(microseconds=1), began.end, began.end + timedelta(days=80)):
        await elsewhere.journal.open(await a_call(elsewhere, tenant, at=at), HAIKU, 1)

    periods = Books(database, tenant.org).rows(
        "select period_start, period_end from credit_accounts"
        " where org_id = :org and holder = 'organization' order by 1"
    )
    tokyo = Cycle("Asia/Tokyo", 15)
    assert periods[0] == (began.start, began.end)
    assert periods[1] == (began.end, period_of(began.end + timedelta(days=27), tokyo).end)
    later = period_of(began.end + timedelta(days=80), tokyo)
    assert periods[2] == (later.start, later.end)


async def test_a_closed_period_admits_nobody(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage)
    await storage.journal.open(await a_call(storage, tenant), HAIKU, 1)
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("update credit_accounts set closed_at = now() where org_id = %s", [tenant.org])

    with pytest.raises(UnavailableError):
        await storage.journal.open(await a_call(storage, tenant), HAIKU, 1)


@pytest.mark.parametrize("seed", range(4))
async def test_after_any_history_entries_balances_and_usage_agree(
    storage: Storage, elsewhere: Storage, database: Database, seed: int
) -> None:
    chance = random.Random(seed)
    tenant = await make_tenant(storage, allotment=20_000)
    payers = [tenant, await another_key(storage, tenant, credit_cap=3_000)]

    async def live(number: int) -> None:
        where, amount = chance.choice((storage, elsewhere)), chance.randrange(0, 400)
        at = datetime.now(UTC) + timedelta(days=chance.choice((0, 0, 40)))
        call = await a_call(where, chance.choice(payers), at=at)
        try:
            await where.journal.open(call, HAIKU, amount)
        except GatewayError:
            return
        fate = chance.random()
        if fate < 0.1:
            return  # its process dies
        if fate < 0.2:
            await expire_lapsed(where.pool, InAYear())
        charge = chance.randrange(0, 500)
        outcome = make_outcome(call, charge=charge)
        await where.journal.close(failed(outcome) if chance.random() < 0.2 else outcome)

    await asyncio.gather(*(live(number) for number in range(150)))
    await expire_lapsed(storage.pool, InAYear())

    books = Books(database, tenant.org)
    of_accounts = books.rows(
        "select period_start, posted, pending, overrun from credit_accounts where org_id = :org"
        " and holder = 'organization' order by 1"
    )
    of_entries = books.rows(
        "select period_start, sum(amount) filter (where credit = 'spent'),"
        " sum(case 'held' when credit then amount when debit then -amount else 0 end),"
        " coalesce(sum(amount) filter (where phase = 'overrun'), 0) from credit_entries where org_id = :org"
        " group by 1 order by 1"
    )
    of_keys = books.rows(
        "select period_start, sum(posted), sum(pending), sum(overrun) from credit_accounts where org_id = :org"
        " and holder <> 'organization' group by 1 order by 1"
    )
    used = books.rows(
        "select period_start, sum(credits), 0, null from usage_records where org_id = :org group by 1 order by 1"
    )
    assert of_accounts == of_entries == of_keys
    assert [row[:3] for row in of_accounts] == [row[:3] for row in used]
    assert all(posted + pending <= 20_000 + overrun for _, posted, pending, overrun in of_accounts)


async def test_a_cap_that_changes_reaches_the_period_and_its_room(storage: Storage) -> None:
    tenant = await make_tenant(storage, allotment=1_000)
    await storage.journal.open(await a_call(storage, tenant), HAIKU, 100)

    await change_policy(storage, tenant.org, {"spend_cap": 150})

    assert (await refused(storage, await a_call(storage, tenant), 51)).details["reason"] == "spend_cap"


async def test_a_call_whose_accounts_are_open_does_not_wait_for_its_organisations_policy(
    storage: Storage, database: Database
) -> None:
    tenant = await make_tenant(storage)
    keys = [await another_key(storage, tenant, credit_cap=None) for _ in range(10)]
    calls = [await a_call(storage, key) for key in keys for _ in range(2)]
    await asyncio.gather(*(storage.journal.open(call, HAIKU, 1) for call in calls[::2]))

    with psycopg.connect(database.owner_url) as owner:
        owner.execute("select from organizations where id = %s for no key update", [tenant.org])
        async with asyncio.timeout(8):
            await asyncio.gather(*(storage.journal.open(call, HAIKU, 1) for call in calls[1::2]))


async def test_a_key_waits_for_its_organisations_policy_only_with_the_first_call_of_a_period(
    storage: Storage, elsewhere: Storage, database: Database
) -> None:
    tenant = await make_tenant(storage)
    keys = [await another_key(storage, tenant, credit_cap=None) for _ in range(10)]
    calls = [await a_call(storage, key) for key in keys]
    await asyncio.gather(*(storage.journal.open(call, HAIKU, 1) for call in calls[:5]))
    opened_elsewhere, not_opened = calls[:5], calls[5:]

    with psycopg.connect(database.owner_url) as owner:
        owner.execute("select from organizations where id = %s for no key update", [tenant.org])
        async with asyncio.timeout(8):
            await asyncio.gather(*(elsewhere.journal.open(call, HAIKU, 1) for call in [*opened_elsewhere, *not_opened]))

    assert Books(database, tenant.org).account() == (0, 10, 0)
