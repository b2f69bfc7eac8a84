"""Whom a call names: one row a person, and content that dies with their key or with their day's."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.conversation import Conversation
from gateway.ids import InferenceId, day_of
from gateway.inference.call import Call
from gateway.settings import Settings
from storage import Storage
from storage.end_users.binding import EndUsers
from storage.holds import expire_lapsed
from storage.pool import fetch
from tests.storage.keys_by_day import destroyed
from tests.tenants import HAIKU, Tenant, make_call, make_conversation, make_outcome, make_tenant

NAME = "maria.lopez@a.example"


def naming(end_user: str | None = NAME) -> Conversation:
    return replace(make_conversation("Hello"), end_user=end_user)


async def recorded(storage: Storage, tenant: Tenant, end_user: str | None = NAME) -> Call:
    call = make_call(await storage.access.resolve(tenant.token), conversation=naming(end_user))
    await storage.journal.open(call, HAIKU, 500)
    await storage.journal.close(make_outcome(call, text="All well."))
    return call


async def answer(storage: Storage, tenant: Tenant, inference: InferenceId) -> object:
    access = await storage.access.resolve(tenant.token)
    async with storage.read(access.principal) as tx:
        record = await tx.inferences.get(inference)
    return record.content and record.content.answer


async def destroy_keys_of_end_users(storage: Storage) -> None:
    await fetch(storage.pool, "update end_user_keys set sealed = null, destroyed_at = now()")


async def test_calls_of_one_name_are_of_one_end_user(storage: Storage) -> None:
    tenant = await make_tenant(storage)

    first, second = await recorded(storage, tenant), await recorded(storage, tenant)
    other = await recorded(storage, tenant, "someone.else")

    of = dict(await fetch(storage.pool, "select id, end_user_id from inferences"))
    assert of[first.id] == of[second.id] != of[other.id]


async def test_processes_that_meet_a_name_at_once_agree_on_its_end_user(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    processes = [EndUsers(storage.pool, storage.cipher) for _ in range(8)]

    found = await asyncio.gather(*(each.of(tenant.org, NAME) for each in processes))

    assert len({end_user.id for end_user in found}) == 1
    assert len({end_user.key.secret for end_user in found}) == 1


async def test_two_organisations_know_one_name_by_digests_that_differ(storage: Storage) -> None:
    ours, theirs = await make_tenant(storage), await make_tenant(storage)

    digests = {(await storage.end_users.of(tenant.org, NAME)).digest for tenant in (ours, theirs)}

    assert len(digests) == 2


async def test_a_name_is_nowhere_in_its_row(storage: Storage) -> None:
    tenant = await make_tenant(storage)

    end_user = await storage.end_users.of(tenant.org, NAME)

    ((row,),) = await fetch(storage.pool, "select to_jsonb(u)::text || encode(u.original, 'escape') from end_users u")
    assert NAME not in row
    assert end_user.digest in row


async def test_a_call_without_a_name_is_of_nobody(storage: Storage) -> None:
    tenant = await make_tenant(storage)

    await recorded(storage, tenant, None)
    await recorded(storage, tenant, "")

    assert await fetch(storage.pool, "select 1 from inferences where end_user_id is not null") == []
    assert await fetch(storage.pool, "select 1 from end_users") == []


async def test_the_audit_entry_of_a_call_names_its_subject_by_digest(storage: Storage) -> None:
    tenant = await make_tenant(storage)

    call = await recorded(storage, tenant)

    end_user = await storage.end_users.of(tenant.org, NAME)
    query = "select subject_type, subject_id_hmac from audit_entries where entity_id = %s"
    assert await fetch(storage.pool, query, [call.id]) == [("end_user", end_user.digest)]


async def test_content_of_an_end_user_opens(storage: Storage) -> None:
    tenant = await make_tenant(storage)

    call = await recorded(storage, tenant)

    assert await answer(storage, tenant, call.id) == ({"type": "text", "text": "All well."},)


@pytest.mark.parametrize("what", ["their key", "the key of the day"])
async def test_content_of_an_end_user_dies_with(storage: Storage, what: str, settings: Settings) -> None:
    tenant = await make_tenant(storage)
    call = await recorded(storage, tenant)

    if what == "their key":
        await destroy_keys_of_end_users(storage)
    else:
        await destroyed(storage, tenant.org, [day_of(call.id)])

    later = await Storage.open(settings)
    try:
        assert await answer(later, tenant, call.id) is None
    finally:
        await later.close()


async def test_other_peoples_content_outlives_a_key_that_is_destroyed(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    await recorded(storage, tenant)
    other = await recorded(storage, tenant, None)

    await destroy_keys_of_end_users(storage)

    assert await answer(storage, tenant, other.id) is not None


async def test_a_key_that_was_destroyed_is_never_filled_again(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    await storage.end_users.of(tenant.org, NAME)
    await destroy_keys_of_end_users(storage)

    with pytest.raises(Exception, match="append-only"):
        await fetch(storage.pool, "update end_user_keys set sealed = 'x', destroyed_at = null")


async def test_what_is_of_somebody_restricted_is_not_read(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    call = await recorded(storage, tenant)

    await fetch(storage.pool, "update end_users set state = 'restricted', restricted_at = %s", [datetime.now(UTC)])

    assert await answer(storage, tenant, call.id) is None


async def test_a_call_that_is_lost_is_audited_with_its_subject(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    end_user = await storage.end_users.of(tenant.org, NAME)
    call = make_call(await storage.access.resolve(tenant.token), conversation=naming())
    await storage.journal.open(call, HAIKU, 500)

    await fetch(storage.pool, "update credit_holds set expires_at = now() - interval '1 hour'")
    await expire_lapsed(storage.pool, storage.clock)

    query = "select action, subject_id_hmac from audit_entries where entity_id = %s"
    assert await fetch(storage.pool, query, [call.id]) == [("ai.request.lost", end_user.digest)]
