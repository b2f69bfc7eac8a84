"""What holds an erasure, when, and whom: a hold is on a name, whoever has it by now."""

from datetime import UTC, datetime

import pytest

from gateway.audit import AuditAction
from gateway.end_users.end_user import HoldReason
from gateway.end_users.erasure import ErasureState, Reason
from gateway.settings import Settings
from storage import Storage
from storage.end_users import erasing
from storage.pool import fetch
from tests.erasures import (
    NAME,
    Person,
    has_content,
    key_of,
    make_person,
    remove,
    request,
    restrict,
    scan,
    set_hold,
    set_policy,
    shred,
    state_of,
    told,
)
from tests.tenants import Tenant, make_tenant


async def hold_by_name(storage: Storage, tenant: Tenant, reason: HoldReason | None) -> tuple[str, bool]:
    """None releases. Who is shown, and whether anything changed."""
    async with storage.as_operator(tenant.org, command="test") as tx:
        users = tx.end_users
        entry, changed = await (users.hold(NAME, reason, by=None) if reason else users.release(NAME))
        tx.audit(AuditAction.END_USER_HELD, entity_type="end_user", entity_id=entry.id)
        return entry.id, changed


@pytest.mark.parametrize("hold", [Reason.LEGAL_HOLD, Reason.SUBJECT_HOLD])
async def test_who_is_held_is_not_erased_and_it_says_why(storage: Storage, hold: Reason) -> None:
    person = await make_person(storage, await make_tenant(storage))
    if hold is Reason.LEGAL_HOLD:
        await set_policy(storage, person, legal_hold=True)
    else:
        await set_hold(storage, person)

    erasure = await restrict(storage, await request(storage, person))

    assert (erasure.state, erasure.reasons) == (ErasureState.HELD, (hold,))
    assert await state_of(storage, person) == "active"
    assert await has_content(storage, person) == [True, True]
    assert await told(storage, person, "end_user.erasure_held") == [
        {"erasure_id": erasure.id, "end_user_id": person.id, "reasons": [hold]}
    ]


async def test_a_hold_by_name_holds_who_is_being_erased_and_who_was_named_so_since(
    storage: Storage, settings: Settings
) -> None:
    tenant = await make_tenant(storage)
    person = await make_person(storage, tenant)
    erasure = await restrict(storage, await request(storage, person))
    later = await Storage.open(settings)
    again = await later.end_users.of(tenant.org, NAME)
    await later.close()

    assert await hold_by_name(storage, tenant, HoldReason.LITIGATION) == (again.id, True)
    held = await shred(storage, erasure)

    assert (held.state, held.reasons) == (ErasureState.HELD, (Reason.SUBJECT_HOLD,))
    assert (await key_of(storage, person))[0] is not None
    assert await hold_by_name(storage, tenant, None) == (again.id, True)
    assert await hold_by_name(storage, tenant, None) == (again.id, False)
    assert await fetch(storage.pool, "select 1 from end_users where held_at is not null") == []


async def test_a_hold_on_who_was_named_so_since_holds_who_was_before(storage: Storage, settings: Settings) -> None:
    tenant = await make_tenant(storage)
    person = await make_person(storage, tenant)
    erasure = await restrict(storage, await request(storage, person))
    later = await Storage.open(settings)
    again = await later.end_users.of(tenant.org, NAME)
    await later.close()

    await set_hold(storage, Person(tenant, again.id, again.digest, []))

    assert (await shred(storage, erasure)).state is ErasureState.HELD


async def test_whoever_is_named_as_somebody_held_is_held_from_the_start_and_released_with_them(
    storage: Storage, settings: Settings
) -> None:
    tenant = await make_tenant(storage)
    person = await make_person(storage, tenant)
    await restrict(storage, await request(storage, person))
    await set_hold(storage, person)
    later = await Storage.open(settings)
    again = await later.end_users.of(tenant.org, NAME)
    await later.close()

    held = "select hold_reason from end_users where held_at is not null and id = %s"
    assert await fetch(storage.pool, held, [again.id]) == [("litigation",)]
    assert await hold_by_name(storage, tenant, None) == (again.id, True)
    assert await fetch(storage.pool, "select 1 from end_users where held_at is not null") == []


async def test_who_stayed_restricted_when_held_is_erased_with_who_is_named_so_now(
    storage: Storage, settings: Settings
) -> None:
    tenant = await make_tenant(storage)
    before = await make_person(storage, tenant)
    erasure = await restrict(storage, await request(storage, before))
    later = await Storage.open(settings)
    again = await later.end_users.of(tenant.org, NAME)
    await later.close()
    await hold_by_name(storage, tenant, HoldReason.LITIGATION)
    await shred(storage, erasure)
    await hold_by_name(storage, tenant, None)

    asked = await request(storage, Person(tenant, again.id, again.digest, []))

    under_way = "select end_user_id from end_user_erasures where state = 'requested' order by end_user_id"
    assert asked.end_user == again.id
    assert await fetch(storage.pool, under_way) == [(before.id,), (again.id,)]


async def test_once_nothing_holds_it_any_more_it_may_be_asked_for_again(storage: Storage) -> None:
    person = await make_person(storage, await make_tenant(storage))
    await set_hold(storage, person)
    held = await restrict(storage, await request(storage, person))

    await set_hold(storage, person, is_set=False)
    again = await restrict(storage, await request(storage, person))

    assert again.id != held.id
    assert again.state is ErasureState.RESTRICTED


async def test_a_hold_after_the_restriction_stops_it_and_lifts_the_restriction(storage: Storage) -> None:
    person = await make_person(storage, await make_tenant(storage))
    erasure = await restrict(storage, await request(storage, person))

    await set_hold(storage, person)
    held = await shred(storage, erasure)

    assert (held.state, held.reasons) == (ErasureState.HELD, (Reason.SUBJECT_HOLD,))
    assert await state_of(storage, person) == "active"
    assert await has_content(storage, person) == [True, True]


async def test_whose_name_somebody_has_meanwhile_stays_restricted_when_held(
    storage: Storage, settings: Settings
) -> None:
    tenant = await make_tenant(storage)
    person = await make_person(storage, tenant)
    erasure = await restrict(storage, await request(storage, person))
    later = await Storage.open(settings)
    await later.end_users.of(tenant.org, NAME)
    await later.close()

    await set_hold(storage, person)
    held = await shred(storage, erasure)

    assert held.state is ErasureState.HELD
    assert await state_of(storage, person) == "restricted"


async def test_a_hold_after_the_decision_comes_too_late_and_it_says_so(storage: Storage) -> None:
    person = await make_person(storage, await make_tenant(storage))
    now = datetime.now(UTC)
    erasure = await restrict(storage, await request(storage, person))
    decided = await erasing.decide(storage, erasure.org, erasure.id, now=now)

    await set_hold(storage, person)
    gone = await erasing.shred(storage, storage.tombstones, decided, keys_gone_on=now.date(), at=now)
    await remove(storage, gone)
    after = await scan(storage, gone)

    assert (after.state, after.reasons) == (ErasureState.SHREDDED, (Reason.HOLD_CAME_TOO_LATE,))
