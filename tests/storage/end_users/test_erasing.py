"""A person is erased act by act: what is destroyed when, what holds it, and what is found to be left."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.end_users.classes import RecordClass
from gateway.end_users.erasure import ErasureState, Reason
from gateway.errors import NotFoundError, UnavailableError, ValidationFailedError
from gateway.settings import Settings
from storage import Storage
from storage.end_users import erasing
from storage.end_users.removing import Removing
from storage.end_users.scanning import EXAMINED, OF_NOBODY
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
    remove,
    request,
    restrict,
    scan,
    set_policy,
    shred,
    shredded,
    state_of,
    told,
)
from tests.receivers import make_endpoint
from tests.tenants import make_outcome, make_tenant


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
        ("inferences", "update inferences set credential_id = %(name)s where id = %(call)s"),
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


@pytest.mark.parametrize("name", ["none", "completed", "live", "messages", "end_user", "claude-haiku-4-5", "erased"])
async def test_a_name_that_is_a_word_of_ours_is_not_found_in_what_says_it_of_everybody(
    storage: Storage, name: str
) -> None:
    person = await make_person(storage, await make_tenant(storage), name=name)
    erasure = await shredded(storage, person)
    await remove(storage, erasure)

    after = await scan(storage, erasure)

    assert after.scan is not None
    assert after.scan.is_clean


async def test_for_whom_agents_acted_too_is_erased_and_it_says_that_it_is_kept_as_whom(storage: Storage) -> None:
    person = await make_person(storage, await make_tenant(storage))
    erasure = await shredded(storage, person)
    await remove(storage, erasure)
    named = {"name": NAME, "call": person.calls[0]}
    await fetch(storage.pool, "update inferences set delegating_user = %(name)s where id = %(call)s", named)

    after = await scan(storage, erasure)

    assert after.scan is not None
    assert after.scan.is_clean
    assert after.reasons == (Reason.DELEGATING_USER,)


async def test_a_reference_that_is_the_name_is_refused_before_it_is_kept(storage: Storage) -> None:
    person = await make_person(storage, await make_tenant(storage), name="user-17")

    with pytest.raises(ValidationFailedError) as refused:
        await request(storage, person, reference="user-17")

    assert refused.value.param == "reference"
    assert await audited(storage, person) == []


def test_every_table_that_could_hold_something_of_a_person_is_scanned_or_says_why_not() -> None:
    telling = {"end_user_id", "inference_id", "subject_id_hmac", "digest"}
    could = {
        name
        for name, table in Row.metadata.tables.items()
        if any(column.name in telling or str(column.type) in ("BLOB", "JSONB") for column in table.columns)
    }

    assert could - EXAMINED == set(OF_NOBODY)


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


async def test_a_call_after_the_restriction_is_kept_as_long_as_one_before_it(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    end_user = await storage.end_users.of(tenant.org, NAME)
    person = Person(tenant, end_user.id, end_user.digest, [])
    await set_policy(storage, person, minimum_days=30)
    erasure = await restrict(storage, await request(storage, person))
    assert erasure.state is ErasureState.RESTRICTED

    # By a process that has known them for less than a minute.
    await named_call(storage, tenant)
    waits = await shred(storage, erasure)
    assert waits.due_at is not None
    gone = await erasing.decide(storage, erasure.org, erasure.id, now=waits.due_at)

    assert (waits.state, gone.state) == (ErasureState.WAITING, ErasureState.SHREDDING)
    assert (await key_of(storage, person))[0] is not None


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


async def test_a_call_of_a_process_that_slept_before_it_was_opened_leaves_nothing(
    storage: Storage, settings: Settings
) -> None:
    tenant = await make_tenant(storage)
    person = await make_person(storage, tenant)
    asleep = await Storage.open(settings)
    try:
        assert (await asleep.end_users.of(tenant.org, NAME)).id == person.id
        await remove(storage, await shredded(storage, person))

        with pytest.raises(UnavailableError):
            await begun_call(asleep, tenant)
    finally:
        await asleep.close()

    assert await fetch(storage.pool, "select count(*) from inferences where end_user_id = %s", [person.id]) == [(2,)]
    assert await fetch(storage.pool, "select 1 from credit_holds where state = 'open'") == []


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
