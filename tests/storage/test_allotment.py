"""The promise of credits, changed in mid-period."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from gateway.credits.period import period_of
from gateway.errors import CreditsExhaustedError, NotFoundError
from gateway.ids import OrganizationId, new_ulid
from storage import Storage
from storage.allotment import change_allotment
from tests.conftest import Database
from tests.storage.test_books import Books
from tests.tenants import HAIKU, Tenant, make_call, make_outcome, make_tenant


async def spent(storage: Storage, tenant: Tenant, amount: int, *, at: datetime | None = None) -> None:
    call = make_call(await storage.access.resolve(tenant.token), at=at)
    await storage.journal.open(call, HAIKU, amount)
    await storage.journal.close(make_outcome(call, charge=amount))


async def test_more_credits_can_be_spent_at_once(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage, allotment=100)
    await spent(storage, tenant, 100)

    await change_allotment(storage, tenant.org, 250)
    await spent(storage, tenant, 150)

    with pytest.raises(CreditsExhaustedError):
        await spent(storage, tenant, 1)
    assert Books(database, tenant.org).sides() == {"issued": -250, "available": 0, "held": 0, "spent": 250}


async def test_fewer_credits_take_back_no_spend_and_allow_none(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage, allotment=100)
    await spent(storage, tenant, 80)

    await change_allotment(storage, tenant.org, 50)

    with pytest.raises(CreditsExhaustedError):
        await spent(storage, tenant, 1)
    books = Books(database, tenant.org)
    assert books.rows("select amount from credit_entries where org_id = :org and phase = 'withdraw'") == [(50,)]
    assert books.account() == (80, 0, 0)


async def test_the_periods_to_come_have_it_too(storage: Storage) -> None:
    tenant = await make_tenant(storage, allotment=100)
    await change_allotment(storage, tenant.org, 250)

    await spent(storage, tenant, 250, at=period_of(datetime.now(UTC)).end + timedelta(days=1))


async def test_a_change_is_audited_once_with_what_was_and_what_is(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage, allotment=100)

    await change_allotment(storage, tenant.org, 250)

    ((actor, facts),) = Books(database, tenant.org).rows(
        "select actor, metadata from audit_entries where org_id = :org and action = 'credits.allotted'"
    )
    assert (actor, facts["from"], facts["to"]) == ("system:org.credits", 100, 250)


async def test_changes_among_running_calls_keep_the_books_even(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage, allotment=10_000)

    await asyncio.gather(
        *(spent(storage, tenant, 10) for _ in range(30)),
        *(change_allotment(storage, tenant.org, 10_000 + number) for number in range(10)),
    )

    sides = Books(database, tenant.org).sides()
    assert (sides["spent"], sum(sides.values())) == (300, 0)
    ((allotment,),) = Books(database, tenant.org).rows(
        "select allotment from credit_accounts where org_id = :org and holder = 'organization'"
    )
    assert -sides["issued"] == allotment


async def test_an_unknown_organisation_is_not_found(storage: Storage) -> None:
    with pytest.raises(NotFoundError):
        await change_allotment(storage, OrganizationId(new_ulid()), 5)
