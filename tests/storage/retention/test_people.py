"""What purges take of the people whom calls name: nobody who is held, and every name once an organisation has left."""

from datetime import datetime

from gateway.audit import AuditAction
from gateway.conversation import Conversation, Sampling, Text, Turn
from gateway.end_users.end_user import HoldReason
from gateway.ids import EndUserId
from storage import Storage
from storage.pool import fetch
from tests.activities.conftest import SetClock
from tests.conftest import Database
from tests.storage.past import left, made_at, opened_at, purged, retaining
from tests.storage.retention.conftest import FIRST
from tests.storage.retention.test_retention import CLOSED, DAY, DUE, KEPT_DAYS, ended
from tests.tenants import Tenant, make_outcome


async def named_at(storage: Storage, tenant: Tenant, at: datetime, name: str) -> str:
    """Whom a call of then named, by id."""
    said = Conversation(turns=(Turn("user", (Text("Hello"),)),), sampling=Sampling(max_tokens=9), end_user=name)
    call = await opened_at(storage, tenant, at, conversation=said)
    await storage.journal.close(make_outcome(call))
    return (await storage.end_users.of(tenant.org, name)).id


async def hold(storage: Storage, tenant: Tenant, name: str, *, is_held: bool = True) -> None:
    async with storage.as_operator(tenant.org, command="test") as tx:
        held = tx.end_users.hold(name, HoldReason.LITIGATION, by=None) if is_held else tx.end_users.release(name)
        tx.audit(AuditAction.END_USER_HELD, entity_type="end_user", entity_id=(await held)[0].id)


async def names_of(storage: Storage, tenant: Tenant) -> list[tuple[str, bool, bool]]:
    """Of each end user the state, and whether name and key are there still."""
    query = (
        "select u.state, u.original is not null, k.sealed is not null from end_users u"
        " join end_user_keys k on k.end_user_id = u.id where u.org_id = %s order by u.id"
    )
    return [(state, named, keyed) for state, named, keyed in await fetch(storage.pool, query, [tenant.org])]


async def test_what_is_of_somebody_held_outlives_its_time_until_they_are_released(
    storage: Storage, database: Database
) -> None:
    tenant = await retaining(storage, KEPT_DAYS)
    await made_at(storage, tenant, FIRST)
    await named_at(storage, tenant, FIRST + DAY, "maria")
    await made_at(storage, tenant, FIRST + 2 * DAY)
    await hold(storage, tenant, "maria")

    await purged(storage, tenant, DUE + 10 * DAY)
    held = len(left(database, tenant))
    await hold(storage, tenant, "maria", is_held=False)
    await purged(storage, tenant, DUE + 10 * DAY)

    assert (held, len(left(database, tenant))) == (2, 0)


async def test_a_hold_that_came_too_late_for_somebody_keeps_nothing(storage: Storage, database: Database) -> None:
    tenant = await retaining(storage, KEPT_DAYS)
    maria = await named_at(storage, tenant, FIRST, "maria")
    await hold(storage, tenant, "maria")
    async with storage.as_operator(tenant.org, command="test") as tx:
        await tx.end_user_erasures.shred(EndUserId(maria), at=FIRST)
        tx.audit(AuditAction.END_USER_SHREDDED, entity_type="end_user", entity_id=maria)

    await purged(storage, tenant, DUE + 10 * DAY)

    assert left(database, tenant) == []


async def test_names_are_kept_while_an_organisation_stays(storage: Storage) -> None:
    tenant = await retaining(storage, KEPT_DAYS)
    await named_at(storage, tenant, FIRST, "maria")

    await purged(storage, tenant, DUE + 10 * DAY)

    assert await names_of(storage, tenant) == [("active", True, True)]


async def test_no_name_is_left_of_an_organisation_that_left(storage: Storage, clock: SetClock) -> None:
    tenant = await ended(storage, clock)
    for name in ("maria", "josé", "li"):
        await named_at(storage, tenant, FIRST, name)

    steps = await purged(storage, tenant, CLOSED, batch=2)
    again = await purged(storage, tenant, CLOSED, batch=2)

    assert [step.names for step in steps if step.names] == [2, 1]
    assert again == []
    assert await names_of(storage, tenant) == [("erased", False, False)] * 3


async def test_who_is_held_is_left_when_an_organisation_leaves(storage: Storage, clock: SetClock) -> None:
    tenant = await ended(storage, clock)
    await named_at(storage, tenant, FIRST, "maria")
    await hold(storage, tenant, "maria")

    await purged(storage, tenant, CLOSED)

    assert await names_of(storage, tenant) == [("active", True, True)]
