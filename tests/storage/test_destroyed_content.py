"""What is left of calls whose content was destroyed, and what keeps the content of the others safe."""

from datetime import date

import pytest

from gateway.audit import AuditAction
from gateway.clock import SystemClock
from gateway.errors import IdempotencyNotReplayableError, UnavailableError
from gateway.idempotency import GivenAnswer
from gateway.ids import ConversationId, day_of, new_ulid
from gateway.inference.call import Call
from gateway.settings import Settings
from storage import Storage, unwrapped
from storage.encryption import ContentCipher
from storage.end_users.binding import EndUsers
from storage.journal import PostgresJournal
from storage.pool import fetch
from storage.root_keys import RootKeys
from tests.storage.keys_by_day import DAY, KeyService, destroyed
from tests.tenants import HAIKU, make_call, make_conversation, make_outcome, make_tenant


def journal_of(storage: Storage, service: RootKeys) -> PostgresJournal:
    cipher = ContentCipher(storage.pool, service)
    end_users = EndUsers(storage.pool, cipher)
    return PostgresJournal(storage.pool, cipher, end_users, storage.journal.leases, storage.invocations)


async def test_a_call_does_not_go_out_while_its_content_could_not_be_kept(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    service = KeyService(storage.root_keys)
    service.away = True
    journal = journal_of(storage, service)
    access = await storage.access.resolve(tenant.token)

    with pytest.raises(UnavailableError):
        await journal.open(make_call(access), HAIKU, 500)

    assert await fetch(storage.pool, "select 1 from credit_holds where org_id = %s", [tenant.org]) == []
    await journal.open(make_call(access, store=False), HAIKU, 500)
    await journal.close_down()


async def test_a_call_is_recorded_though_the_key_service_left_meanwhile(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unwrapped, "_KEPT_S", 0.0)
    tenant = await make_tenant(storage)
    access = await storage.access.resolve(tenant.token)
    call, service = make_call(access), KeyService(storage.root_keys)
    journal = journal_of(storage, service)
    await journal.open(call, HAIKU, 500)
    service.away = True

    await journal.close(make_outcome(call, text="All well."))

    async with storage.read(access.principal) as tx:
        content = (await tx.inferences.get(call.id)).content
    assert content is not None
    assert content.answer == ({"type": "text", "text": "All well."},)
    await journal.close_down()


async def recorded(storage: Storage, token: str, *, thread: ConversationId | None = None, text: str = "Hello") -> Call:
    call = make_call(await storage.access.resolve(token), thread=thread, conversation=make_conversation(text))
    await storage.journal.open(call, HAIKU, 500)
    await storage.journal.close(make_outcome(call))
    return call


async def test_a_call_is_sealed_under_the_day_of_its_id(storage: Storage) -> None:
    tenant = await make_tenant(storage)

    call = await recorded(storage, tenant.token)

    assert await fetch(storage.pool, "select day from content_keys") == [(day_of(call.id),)]


async def test_a_record_whose_content_was_destroyed_reads_as_one_without(storage: Storage, settings: Settings) -> None:
    tenant = await make_tenant(storage)
    call = await recorded(storage, tenant.token)
    await destroyed(storage, tenant.org, [day_of(call.id)])

    later = await Storage.open(settings)
    try:
        access = await later.access.resolve(tenant.token)
        async with later.read(access.principal) as tx:
            record = await tx.inferences.get(call.id)
    finally:
        await later.close()
    assert record.content is None
    assert record.credits == 10


async def moved_to_day(storage: Storage, call: Call, day: date) -> None:
    """As if the call had been made on `day`: its content is sealed under that day's key."""
    org = call.access.principal.org
    ((request, answer),) = await fetch(
        storage.pool, "select request_content, answer_content from inferences where id = %s", [call.id]
    )
    key = await storage.cipher.content_key(org, day)
    fresh = [
        key.seal(place := f"inferences.{column}/{call.id}", await storage.cipher.open(org, place, bytes(value)))
        for column, value in (("request_content", request), ("answer_content", answer))
    ]
    await fetch(
        storage.pool, "update inferences set request_content = %s, answer_content = %s where id = %s", [*fresh, call.id]
    )


async def test_a_conversation_goes_on_without_the_turns_that_were_destroyed(
    storage: Storage, settings: Settings
) -> None:
    tenant, thread = await make_tenant(storage), ConversationId(new_ulid())
    first = await recorded(storage, tenant.token, thread=thread, text="First")
    await recorded(storage, tenant.token, thread=thread, text="Second")
    await moved_to_day(storage, first, DAY)
    await destroyed(storage, tenant.org, [DAY])

    later = await Storage.open(settings)
    try:
        history = await later.journal.history(await later.access.resolve(tenant.token), thread)
    finally:
        await later.close()
    assert [turn.role for turn in history.turns] == ["user", "assistant"]
    assert history.turns[0] == make_conversation("Second").turns[0]


async def test_content_from_before_there_were_keys_by_day_still_opens(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    call = await recorded(storage, tenant.token, text="Old")
    for column in ("request_content", "answer_content"):
        place = f"inferences.{column}/{call.id}"
        ((value,),) = await fetch(storage.pool, f"select {column} from inferences where id = %s", [call.id])
        old = await storage.cipher.seal(tenant.org, place, await storage.cipher.open(tenant.org, place, bytes(value)))
        await fetch(storage.pool, f"update inferences set {column} = %s where id = %s", [old, call.id])
    await destroyed(storage, tenant.org, [day_of(call.id)])

    async with storage.read(call.access.principal) as tx:
        record = await tx.inferences.get(call.id)

    assert record.content is not None
    assert record.content.messages == ({"role": "user", "content": "Old"},)


async def test_an_answer_that_was_destroyed_is_not_given_again(storage: Storage, settings: Settings) -> None:
    tenant = await make_tenant(storage)
    principal = (await storage.access.resolve(tenant.token)).principal
    asked = storage.idempotency.asked("one", principal=principal, path="/v1/keys", body=b"{}")
    async with storage.begin(principal) as tx:
        await tx.answers.claim(asked)
        await tx.answers.keep(asked, GivenAnswer(201, {}, b"{}"))
        tx.audit(AuditAction.API_KEY_CREATED, entity_type="api_key", entity_id=new_ulid())
    await destroyed(storage, tenant.org, [SystemClock().now().date()])

    later = await Storage.open(settings)
    try:
        with pytest.raises(IdempotencyNotReplayableError):
            async with later.read(principal) as view:
                await view.answers.get(asked)
    finally:
        await later.close()
