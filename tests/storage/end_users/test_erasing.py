"""A person is erased act by act: what is destroyed when, what holds it, and what is found to be left."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.end_users.classes import RecordClass
from gateway.end_users.erasure import Erasure, ErasureState, Reason
from gateway.errors import NotFoundError, UnavailableError
from gateway.settings import Settings
from storage import Storage
from storage.end_users import erasing
from storage.end_users.removing import Removing
from storage.end_users.scanning import EXAMINED, OF_NOBODY, Scanning
from storage.end_users.tombstones import Tombstones
from storage.holds import expire_lapsed
from storage.pool import fetch
from storage.tables import Row
from tests.erasures import (
    NAME,
    Person,
    audited,
    begun_call,
    has_content,
    key_of,
    make_person,
    named_call,
    request,
    set_hold,
    set_policy,
    state_of,
    told,
)
from tests.receivers import make_endpoint
from tests.tenants import make_outcome, make_tenant


async def restrict(storage: Storage, erasure: Erasure) -> Erasure:
    return await erasing.restrict(storage, erasure.org, erasure.id, now=datetime.now(UTC))


async def shred(storage: Storage, erasure: Erasure) -> Erasure:
    now = datetime.now(UTC)
    decided = await erasing.decide(storage, erasure.org, erasure.id, now=now)
    return await erasing.shred(storage, storage.tombstones, decided, keys_gone_on=now.date(), at=now)


async def shredded(storage: Storage, person: Person) -> Erasure:
    return await shred(storage, await restrict(storage, await request(storage, person)))


async def remove(storage: Storage, erasure: Erasure) -> None:
    removing = Removing(storage.pool, storage.clock, erasure)
    after: str | None = ""
    while after is not None:
        after = await removing.records(after)
    digest: bytes | None = b""
    while digest is not None:
        digest = await removing.answers(digest)
    while await removing.export_parts():
        pass


async def scan(storage: Storage, erasure: Erasure) -> Erasure:
    now = datetime.now(UTC)
    found, kept = await Scanning(storage.pool, storage.end_users.digests, erasure).run(now=now)
    return await erasing.note_scan(storage, erasure, found, kept, now=now)


async def test_what_is_restricted_is_not_read_and_is_still_there(storage: Storage) -> None:
    person = await make_person(storage, await make_tenant(storage))

    erasure = await restrict(storage, await request(storage, person))

    assert (erasure.state, await state_of(storage, person)) == (ErasureState.RESTRICTED, "restricted")
    assert await has_content(storage, person) == [False, False]
    assert (await key_of(storage, person))[0] is not None


async def test_whoever_is_named_so_after_the_restriction_is_somebody_new(storage: Storage, settings: Settings) -> None:
    tenant = await make_tenant(storage)
    person = await make_person(storage, tenant)
    await restrict(storage, await request(storage, person))

    # Another process: this one knows whom it has found for a minute.
    later = await Storage.open(settings)
    try:
        again = await later.end_users.of(tenant.org, NAME)
    finally:
        await later.close()

    assert again.id != person.id
    assert again.digest == person.digest


async def test_what_is_shredded_has_neither_key_nor_name_nor_exports(storage: Storage) -> None:
    person = await make_person(storage, await make_tenant(storage))

    erasure = await shredded(storage, person)

    assert erasure.state is ErasureState.SHREDDED
    assert (await key_of(storage, person))[0] is None
    query = "select u.state, u.original, e.state, e.sealed_key from end_users u join end_user_exports e on true"
    assert await fetch(storage.pool, query) == [("erased", None, "cancelled", None)]
    assert erasure.counts == {RecordClass.PROFILE: 1, RecordClass.EXPORTS: 1}
    assert len(await told(storage, person, "end_user.export_cancelled")) == 1


async def test_what_is_left_is_taken_away_and_counted_once(storage: Storage) -> None:
    person = await make_person(storage, await make_tenant(storage), calls=3)
    erasure = await shredded(storage, person)

    await asyncio.gather(remove(storage, erasure), remove(storage, erasure))
    await remove(storage, erasure)
    after = await scan(storage, erasure)

    assert after.scan is not None
    assert after.scan.is_clean
    assert after.counts == {
        RecordClass.PROFILE: 1,
        RecordClass.CONTENT: 3,
        RecordClass.FINDINGS: 3,
        RecordClass.IDEMPOTENCY: 3,
        RecordClass.EXPORTS: 1,
        RecordClass.SHELLS: 3,
        RecordClass.USAGE: 3,
        RecordClass.AUDIT: after.scan.examined["audit_entries"],
        RecordClass.WEBHOOKS: 0,
    }
    assert await fetch(storage.pool, "select 1 from end_user_export_parts") == []


async def test_deliveries_that_tell_of_their_calls_are_counted_and_kept(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    await make_endpoint(storage, tenant.org, "https://93.184.215.14/hook", events=("ai.request.completed",))
    person = await make_person(storage, tenant, calls=3)
    await make_person(storage, tenant, name="somebody.else")
    erasure = await shredded(storage, person)
    await remove(storage, erasure)

    after = await scan(storage, erasure)

    assert (after.counts[RecordClass.WEBHOOKS], after.counts[RecordClass.SHELLS]) == (3, 3)


async def test_other_people_and_calls_of_nobody_keep_what_they_have(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    person, other = await make_person(storage, tenant), await make_person(storage, tenant, name="somebody.else")

    await remove(storage, await shredded(storage, person))

    assert await has_content(storage, other) == [True, True]
    assert await fetch(storage.pool, "select count(*) from phi_findings") == [(2,)]
    assert await fetch(storage.pool, "select count(*) from idempotency_keys") == [(2,)]


async def test_a_scan_before_anything_is_taken_away_finds_it_all(storage: Storage) -> None:
    person = await make_person(storage, await make_tenant(storage))
    erasure = await shredded(storage, person)

    after = await scan(storage, erasure)

    assert after.scan is not None
    assert {name.partition(".")[0] for name in after.scan.found} <= EXAMINED
    assert {name: count for name, count in after.scan.found.items() if count} == {
        "end_user_export_parts.content": 1,
        "idempotency_keys.inference_id": 2,
        "inferences.answer_content": 2,
        "inferences.request_content": 2,
        "phi_findings.findings": 2,
    }
    assert after.reasons == (Reason.RECORDS_FOUND,)


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("inferences", "update inferences set delegating_user = %(name)s where id = %(call)s"),
        ("outbox", "update outbox set data = jsonb_set(data, '{deep}', jsonb_build_array(%(name)s::text))"),
    ],
)
async def test_a_name_that_stands_where_it_must_not_is_found(storage: Storage, table: str, statement: str) -> None:
    person = await make_person(storage, await make_tenant(storage))
    erasure = await shredded(storage, person)
    await remove(storage, erasure)

    await fetch(storage.pool, statement, {"name": NAME, "call": person.calls[0]})  # pyright: ignore[reportArgumentType]
    after = await scan(storage, erasure)

    assert after.scan is not None
    assert after.scan.found[f"{table}.name"] > 0


def test_every_table_that_could_hold_something_of_a_person_is_scanned_or_says_why_not() -> None:
    telling = {"end_user_id", "inference_id", "subject_id_hmac", "digest"}
    could = {
        name
        for name, table in Row.metadata.tables.items()
        if any(column.name in telling or str(column.type) in ("BLOB", "JSONB") for column in table.columns)
    }

    assert could - EXAMINED == set(OF_NOBODY)


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


async def test_nothing_is_destroyed_while_its_tombstone_cannot_be_written(storage: Storage, tmp_path: Path) -> None:
    person = await make_person(storage, await make_tenant(storage))
    now = datetime.now(UTC)
    erasure = await restrict(storage, await request(storage, person))
    decided = await erasing.decide(storage, erasure.org, erasure.id, now=now)
    absent = Tombstones(tmp_path / "not-mounted", storage.keyring.subject)

    with pytest.raises(UnavailableError):
        await erasing.shred(storage, absent, decided, keys_gone_on=now.date(), at=now)

    assert (await key_of(storage, person))[0] is not None
    assert (await shred(storage, decided)).state is ErasureState.SHREDDED


async def test_what_must_be_kept_so_long_is_restricted_until_then(storage: Storage) -> None:
    person = await make_person(storage, await make_tenant(storage))
    await set_policy(storage, person, minimum_days=30)

    erasure = await restrict(storage, await request(storage, person))

    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    assert (erasure.state, erasure.due_at) == (ErasureState.WAITING, midnight + timedelta(days=31))
    assert await has_content(storage, person) == [False, False]
    later = await erasing.restrict(storage, erasure.org, erasure.id, now=midnight + timedelta(days=31))
    assert later.state is ErasureState.RESTRICTED


async def test_a_shorter_minimum_is_heeded_by_what_waits(storage: Storage) -> None:
    person = await make_person(storage, await make_tenant(storage))
    await set_policy(storage, person, minimum_days=30)
    erasure = await restrict(storage, await request(storage, person))

    await set_policy(storage, person, minimum_days=0)

    assert (await restrict(storage, erasure)).state is ErasureState.RESTRICTED


async def test_who_asks_while_it_is_under_way_is_told_of_the_same(storage: Storage) -> None:
    person = await make_person(storage, await make_tenant(storage))

    first, second = await asyncio.gather(request(storage, person), request(storage, person))

    assert first.id == second.id
    assert len(await told(storage, person, "end_user.erasure_requested")) == 1
    assert sorted("again" in about for _, about in await audited(storage, person)) == [False, True]


async def test_who_is_erased_is_known_no_more(storage: Storage) -> None:
    person = await make_person(storage, await make_tenant(storage))
    await shredded(storage, person)

    with pytest.raises(NotFoundError):
        await request(storage, person)


async def test_a_call_that_runs_is_waited_for_and_leaves_nothing_that_opens(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    person = await make_person(storage, tenant)
    running = await begun_call(storage, tenant)
    erasure = await shredded(storage, person)
    removing = Removing(storage.pool, storage.clock, erasure)

    assert await removing.is_anything_running()
    await storage.journal.close(make_outcome(running, text="Late."))
    assert not await removing.is_anything_running()
    await remove(storage, erasure)

    assert (after := (await scan(storage, erasure)).scan) is not None
    assert after.is_clean


async def test_a_process_that_sleeps_beyond_its_lease_leaves_nothing(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    person = await make_person(storage, tenant)
    asleep = await begun_call(storage, tenant)
    erasure = await shredded(storage, person)
    await fetch(
        storage.pool, "update credit_holds set expires_at = now() - interval '1 hour' where id = %s", [asleep.id]
    )
    await expire_lapsed(storage.pool, storage.clock)
    await remove(storage, erasure)

    with pytest.raises(UnavailableError):
        await storage.journal.close(make_outcome(asleep, text="Late."))

    assert (after := (await scan(storage, erasure)).scan) is not None
    assert after.is_clean


async def test_new_calls_of_the_same_name_are_not_touched(storage: Storage, settings: Settings) -> None:
    tenant = await make_tenant(storage)
    person = await make_person(storage, tenant)
    erasure = await restrict(storage, await request(storage, person))
    later = await Storage.open(settings)
    try:
        call = await named_call(later, tenant)
        await remove(storage, await shred(storage, erasure))
        again = await later.end_users.of(tenant.org, NAME)
        assert await has_content(later, Person(tenant, again.id, again.digest, [call.id])) == [True]
    finally:
        await later.close()


async def test_each_act_is_in_the_audit_log_once(storage: Storage) -> None:
    person = await make_person(storage, await make_tenant(storage))
    erasure = await restrict(storage, await request(storage, person, reference="DSR-17"))
    await restrict(storage, erasure)

    await asyncio.gather(shred(storage, erasure), shred(storage, erasure))

    assert await audited(storage, person) == [
        ("end_user.erasure_requested", {"end_user_id": person.id, "reference": "DSR-17"}),
        ("end_user.restricted", {"due_at": None}),
        ("end_user.erasure_decided", {}),
        ("end_user.shredded", {"exports": 1}),
    ]
