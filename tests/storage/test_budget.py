"""A spend cap that changes in mid-period: in force with its own commit, whoever calls meanwhile."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from gateway.catalog import shipped_catalog
from gateway.credits.budget import Balance, read_premium_models
from gateway.credits.period import period_of
from gateway.errors import CreditsExhaustedError, PreconditionFailedError, ValidationFailedError
from storage import Storage
from storage.onboarding import change_policy
from storage.policy_change import change_policy as change_policy_in
from tests.conftest import Database
from tests.storage.test_access import eventually
from tests.tenants import HAIKU, Tenant, make_call, make_outcome, make_tenant


async def open_call(storage: Storage, tenant: Tenant, amount: int, *, at: datetime | None = None) -> None:
    await storage.journal.open(make_call(await storage.access.resolve(tenant.token), at=at), HAIKU, amount)


async def balance_of(storage: Storage, tenant: Tenant) -> Balance:
    access = await storage.access.resolve(tenant.token)
    async with storage.read(access.principal) as tx:
        return await tx.usage.balance(datetime.now(UTC))


async def waits_for_a_row(database: Database) -> bool:
    with psycopg.connect(database.owner_url) as owner:
        row = owner.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        ).fetchone()
    return row is not None and row[0] > 0


async def test_a_cap_reaches_the_period_that_has_begun_and_keeps_what_it_used(storage: Storage) -> None:
    tenant = await make_tenant(storage, allotment=1_000)
    call = make_call(await storage.access.resolve(tenant.token))
    await storage.journal.open(call, HAIKU, 200)
    await storage.journal.close(make_outcome(call, charge=120))

    await change_policy(storage, tenant.org, {"spend_cap": 150})

    balance = await balance_of(storage, tenant)
    assert (balance.spend_cap, balance.used, balance.held, balance.remaining) == (150, 120, 0, 30)
    with pytest.raises(CreditsExhaustedError) as refused:
        await open_call(storage, tenant, 31)
    assert refused.value.details["reason"] == "spend_cap"
    await open_call(storage, tenant, 30)


async def test_a_cap_that_is_removed_leaves_the_allotment(storage: Storage) -> None:
    tenant = await make_tenant(storage, allotment=1_000, spend_cap=10)
    with pytest.raises(CreditsExhaustedError):
        await open_call(storage, tenant, 1_000)

    await change_policy(storage, tenant.org, {"spend_cap": None})

    await open_call(storage, tenant, 1_000)


async def test_a_cap_below_what_is_used_leaves_nothing_and_owes_nothing(storage: Storage) -> None:
    tenant = await make_tenant(storage, allotment=1_000)
    await open_call(storage, tenant, 500)

    await change_policy(storage, tenant.org, {"spend_cap": 100})

    balance = await balance_of(storage, tenant)
    assert (balance.held, balance.remaining) == (500, 0)
    with pytest.raises(CreditsExhaustedError):
        await open_call(storage, tenant, 1)


async def test_the_first_call_of_a_period_waits_for_a_cap_that_is_being_changed(
    storage: Storage, database: Database
) -> None:
    tenant = await make_tenant(storage, allotment=1_000)

    async with storage.as_operator(tenant.org, command="test") as tx:
        await change_policy_in(tx, tenant.org, {"spend_cap": 10})
        first = asyncio.create_task(open_call(storage, tenant, 500))
        await eventually(lambda: waits_for_a_row(database), within_s=5)

    with pytest.raises(CreditsExhaustedError):
        await first
    assert (await balance_of(storage, tenant)).spend_cap == 10


async def test_a_period_opened_ahead_of_time_has_the_new_cap_and_one_that_ended_the_old(
    storage: Storage, database: Database
) -> None:
    tenant = await make_tenant(storage, allotment=1_000, spend_cap=900)
    now = period_of(datetime.now(UTC))
    for at in (now.start - timedelta(days=1), now.end):
        await open_call(storage, tenant, 1, at=at)

    await change_policy(storage, tenant.org, {"spend_cap": 10})

    with psycopg.connect(database.owner_url) as owner:
        caps = owner.execute(
            "select spend_cap from credit_accounts where org_id = %s and holder = 'organization' order by period_start",
            [tenant.org],
        ).fetchall()
    assert caps == [(900,), (10,)]


async def test_a_changed_cap_locks_periods_in_the_order_in_which_calls_do(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage, allotment=1_000)
    now = period_of(datetime.now(UTC))
    for at in (now.end, now.start):
        await open_call(storage, tenant, 1, at=at)
    locks = "select from credit_accounts where org_id = %s and holder = 'organization' and period_start = %s for update"

    with psycopg.connect(database.owner_url) as owner:
        # A plan that reads so small a table as it lies meets the later period first.
        owner.execute("analyze credit_accounts")
        owner.execute(locks, [tenant.org, now.start])
        changing = asyncio.create_task(change_policy(storage, tenant.org, {"spend_cap": 10}))
        await eventually(lambda: waits_for_a_row(database), within_s=5)
        owner.execute(f"{locks} nowait", [tenant.org, now.end])

    await changing


async def test_a_refused_change_leaves_the_cap_of_the_period(storage: Storage) -> None:
    tenant = await make_tenant(storage, spend_cap=900)
    await open_call(storage, tenant, 1)

    with pytest.raises(PreconditionFailedError):
        async with storage.as_operator(tenant.org, command="test") as tx:
            await change_policy_in(tx, tenant.org, {"spend_cap": 10}, only_versions={7})

    assert (await balance_of(storage, tenant)).spend_cap == 900


async def test_a_cap_reaches_no_other_organisation(storage: Storage) -> None:
    tenant, other = await make_tenant(storage), await make_tenant(storage)
    await open_call(storage, other, 1)

    await change_policy(storage, tenant.org, {"spend_cap": 0})

    assert (await balance_of(storage, other)).spend_cap is None


def test_a_premium_model_is_named_by_any_of_its_names() -> None:
    model = shipped_catalog().get("gpt-5.5")

    assert read_premium_models("models", [model.upstream, model.id], shipped_catalog()) == (model.id,)


@pytest.mark.parametrize("name", ["gpt-5.4", "claude-opus-4-7", "claude-sonnet-4-6", "none", ""])
def test_a_model_that_needs_no_opt_in_of_its_own_is_refused_by_position(name: str) -> None:
    with pytest.raises(ValidationFailedError) as refused:
        read_premium_models("models", ["gpt-5.5", name], shipped_catalog())

    assert refused.value.param == "models[1]"


async def test_a_call_that_settles_while_thresholds_change_tells_of_the_new_ones(
    storage: Storage, database: Database
) -> None:
    tenant = await make_tenant(storage, allotment=1_000)
    call = make_call(await storage.access.resolve(tenant.token))
    await storage.journal.open(call, HAIKU, 900)

    async with storage.as_operator(tenant.org, command="test") as tx:
        await change_policy_in(tx, tenant.org, {"alert_thresholds": (50,)})
        closing = asyncio.create_task(storage.journal.close(make_outcome(call, charge=800)))
        await eventually(lambda: waits_for_a_row(database), within_s=5)
    await closing

    with psycopg.connect(database.owner_url) as owner:
        kinds = owner.execute("select kind from budget_alerts where org_id = %s", [tenant.org]).fetchall()
    assert ("threshold:50",) in kinds
