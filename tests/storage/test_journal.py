"""The journal on real PostgreSQL: money, records, audit and events move together."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from structlog.testing import capture_logs

from gateway.clock import SystemClock
from gateway.conversation import RedactedThinking, Text, Thinking
from gateway.errors import CreditsExhaustedError, NotFoundError
from gateway.ids import ConversationId, new_ulid
from gateway.inference.call import Status
from gateway.inference.seals import seals_of
from gateway.tenancy import StorageMode
from storage import Storage
from storage.holds import expire_lapsed
from storage.leases import Leases
from tests.conftest import Database
from tests.tenants import HAIKU, Tenant, failed, make_call, make_conversation, make_outcome, make_tenant


async def balance(storage: Storage, tenant: Tenant) -> tuple[int, int]:
    """Credits used and held."""
    access = await storage.access.resolve(tenant.token)
    async with storage.read(access.principal) as tx:
        found = await tx.usage.balance(datetime.now(UTC))
    return found.used, found.held


async def test_an_opened_call_holds_its_credits_until_it_is_closed(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    call = make_call(await storage.access.resolve(tenant.token))

    await storage.journal.open(call, HAIKU, 500)
    assert await balance(storage, tenant) == (0, 500)

    await storage.journal.close(make_outcome(call, charge=120))
    assert await balance(storage, tenant) == (120, 0)


async def test_a_failed_call_returns_its_hold_and_costs_nothing(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    call = make_call(await storage.access.resolve(tenant.token))
    await storage.journal.open(call, HAIKU, 500)

    await storage.journal.close(failed(make_outcome(call)))

    assert await balance(storage, tenant) == (0, 0)


async def test_closing_twice_charges_once(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    call = make_call(await storage.access.resolve(tenant.token))
    await storage.journal.open(call, HAIKU, 500)

    await storage.journal.close(make_outcome(call, charge=120))
    await storage.journal.close(make_outcome(call, charge=120))

    assert await balance(storage, tenant) == (120, 0)


async def test_opening_twice_holds_once(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    call = make_call(await storage.access.resolve(tenant.token))

    await storage.journal.open(call, HAIKU, 500)
    await storage.journal.open(call, HAIKU, 500)

    assert await balance(storage, tenant) == (0, 500)


async def test_a_call_that_costs_more_than_its_hold_is_charged_in_full(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    call = make_call(await storage.access.resolve(tenant.token))
    await storage.journal.open(call, HAIKU, 50)

    await storage.journal.close(make_outcome(call, charge=80))

    assert await balance(storage, tenant) == (80, 0)


async def test_two_hundred_parallel_calls_against_a_cap_for_fifty_admit_fifty(storage: Storage) -> None:
    tenant = await make_tenant(storage, allotment=50 * 100)
    access = await storage.access.resolve(tenant.token)

    async def attempt() -> bool:
        try:
            await storage.journal.open(make_call(access), HAIKU, 100)
        except CreditsExhaustedError:
            return False
        return True

    admitted = await asyncio.gather(*(attempt() for _ in range(200)))

    assert sum(admitted) == 50
    assert await balance(storage, tenant) == (0, 5_000)


async def test_a_spend_cap_below_the_allotment_is_what_counts(storage: Storage) -> None:
    tenant = await make_tenant(storage, spend_cap=150)
    access = await storage.access.resolve(tenant.token)
    await storage.journal.open(make_call(access), HAIKU, 100)

    with pytest.raises(CreditsExhaustedError) as refused:
        await storage.journal.open(make_call(access), HAIKU, 100)

    assert set(refused.value.details) == {"cycle_reset_at", "reason"}
    assert refused.value.details["reason"] == "spend_cap"


async def test_one_organisation_out_of_credits_does_not_fail_another_in_the_same_group(storage: Storage) -> None:
    poor, rich = await make_tenant(storage, allotment=10), await make_tenant(storage)
    calls = [make_call(await storage.access.resolve(tenant.token)) for tenant in (poor, rich) for _ in range(5)]

    opened = await settled([storage.journal.open(call, HAIKU, 100) for call in calls])

    assert [isinstance(each, CreditsExhaustedError) for each in opened] == [True] * 5 + [False] * 5


async def settled(work: list[Awaitable[None]]) -> list[BaseException | None]:
    return await asyncio.gather(*work, return_exceptions=True)


async def test_a_lapsed_hold_is_swept_and_its_call_recorded_as_lost(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    access = await storage.access.resolve(tenant.token)
    call = make_call(access)
    await storage.journal.open(call, HAIKU, 500)

    swept = await expire_lapsed(storage.pool, InAnHour())

    assert swept == 1
    assert await balance(storage, tenant) == (0, 0)
    async with storage.read(access.principal) as tx:
        assert (await tx.inferences.get(call.id)).status is Status.LOST


async def test_sweeping_twice_returns_credits_once(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    await storage.journal.open(make_call(await storage.access.resolve(tenant.token)), HAIKU, 500)

    assert [await expire_lapsed(storage.pool, InAnHour()) for _ in range(2)] == [1, 0]
    assert await balance(storage, tenant) == (0, 0)


async def test_a_hold_that_an_account_cannot_give_back_keeps_no_other_from_expiring(
    storage: Storage, database: Database
) -> None:
    damaged, sound = await make_tenant(storage), await make_tenant(storage)
    for tenant in (damaged, sound):
        await storage.journal.open(make_call(await storage.access.resolve(tenant.token)), HAIKU, 100)
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("update credit_accounts set pending = 1 where org_id = %s", [damaged.org])

    with capture_logs() as lines:
        swept = [await expire_lapsed(storage.pool, InAnHour()) for _ in range(2)]

    assert swept == [1, 0]
    assert [line["event"] for line in lines] == ["hold_not_expired"] * 2
    with psycopg.connect(database.owner_url) as owner:
        states = owner.execute("select org_id, state from credit_holds").fetchall()
    assert dict(states) == {damaged.org: "open", sound.org: "expired"}


async def test_a_live_hold_is_not_swept(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    await storage.journal.open(make_call(await storage.access.resolve(tenant.token)), HAIKU, 500)

    assert await expire_lapsed(storage.pool, SystemClock()) == 0


async def test_a_call_that_ends_after_its_hold_was_swept_is_still_charged(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    call = make_call(await storage.access.resolve(tenant.token))
    await storage.journal.open(call, HAIKU, 500)
    await expire_lapsed(storage.pool, InAnHour())

    await storage.journal.close(make_outcome(call, charge=120))

    assert await balance(storage, tenant) == (120, 0)


async def test_a_record_gives_back_what_was_said(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    access = await storage.access.resolve(tenant.token)
    call = make_call(access, conversation=make_conversation("What is a QT interval?"))
    await storage.journal.open(call, HAIKU, 500)
    await storage.journal.close(make_outcome(call, text="A stretch of the ECG."))

    async with storage.read(access.principal) as tx:
        record = await tx.inferences.get(call.id)

    assert record.content is not None
    assert record.content.messages == ({"role": "user", "content": "What is a QT interval?"},)
    assert record.content.answer == ({"type": "text", "text": "A stretch of the ECG."},)


async def test_content_at_rest_is_not_readable(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage)
    call = make_call(await storage.access.resolve(tenant.token), conversation=make_conversation("Zyxwvut 123-45-6789"))
    await storage.journal.open(call, HAIKU, 500)
    await storage.journal.close(make_outcome(call, text="Zyxwvut it is."))

    with psycopg.connect(database.owner_url) as connection:
        rows = connection.execute("select i::text from inferences i").fetchall()

    assert rows
    assert all("Zyxwvut" not in row[0] and b"Zyxwvut".hex() not in row[0] for row in rows)


@pytest.mark.parametrize("kept_by", ["call", "organization"])
async def test_content_that_must_not_be_kept_is_not(storage: Storage, kept_by: str) -> None:
    tenant = await make_tenant(storage, storage_mode=StorageMode.NONE if kept_by == "organization" else "full")
    access = await storage.access.resolve(tenant.token)
    call = make_call(access, store=kept_by != "call")
    await storage.journal.open(call, HAIKU, 500)
    await storage.journal.close(make_outcome(call))

    async with storage.read(access.principal) as tx:
        record = await tx.inferences.get(call.id)

    assert record.content is None
    assert record.usage is not None


async def test_another_organisation_does_not_see_a_record(storage: Storage) -> None:
    tenant, stranger = await make_tenant(storage), await make_tenant(storage)
    call = make_call(await storage.access.resolve(tenant.token))
    await storage.journal.open(call, HAIKU, 500)
    await storage.journal.close(make_outcome(call))

    foreign = await storage.access.resolve(stranger.token)
    with pytest.raises(NotFoundError):
        async with storage.read(foreign.principal) as tx:
            await tx.inferences.get(call.id)


async def test_a_conversation_goes_on_from_its_stored_turns(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    access = await storage.access.resolve(tenant.token)
    thread = ConversationId(new_ulid())
    call = make_call(access, thread=thread, conversation=make_conversation("One"))
    await storage.journal.open(call, HAIKU, 500)
    await storage.journal.close(make_outcome(call, text="Two"))

    turns = (await storage.journal.history(access, thread)).turns

    assert [(turn.role, turn.blocks) for turn in turns] == [("user", (Text("One"),)), ("assistant", (Text("Two"),))]


async def test_an_unknown_conversation_is_not_found(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    access = await storage.access.resolve(tenant.token)

    with pytest.raises(NotFoundError):
        await storage.journal.history(access, ConversationId(new_ulid()))


async def test_every_closed_call_leaves_one_audit_entry_and_one_event(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage)
    access = await storage.access.resolve(tenant.token)
    calls = [make_call(access) for _ in range(3)]
    for call in calls:
        await storage.journal.open(call, HAIKU, 500)
    await asyncio.gather(*(storage.journal.close(make_outcome(call)) for call in calls))

    with psycopg.connect(database.owner_url) as connection:
        entries = connection.execute("select entity_id from audit_entries where action = 'ai.request.completed'")
        audited = {row[0] for row in entries}
        events = connection.execute("select data ->> 'request_id' from outbox").fetchall()

    assert audited == {call.id for call in calls}
    assert sorted(event[0] for event in events) == sorted(f"req_{call.id}" for call in calls)


async def test_a_renewed_hold_outlives_its_first_lease(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    access = await storage.access.resolve(tenant.token)
    stale = make_call(access, at=datetime.now(UTC) - timedelta(seconds=50))
    await storage.journal.open(stale, HAIKU, 500)

    await storage.journal.leases.renew()

    assert await expire_lapsed(storage.pool, In(timedelta(seconds=30))) == 0


async def test_a_hold_is_not_renewed_beyond_the_longest_call(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    call = make_call(await storage.access.resolve(tenant.token), at=datetime.now(UTC) - timedelta(seconds=50))
    await storage.journal.open(call, HAIKU, 500)
    leases = Leases(storage.pool, clock=SystemClock(), lease=timedelta(minutes=1), longest_call=timedelta(0))
    leases.take(call.id)

    await leases.renew()
    await leases.close()

    assert await expire_lapsed(storage.pool, In(timedelta(seconds=30))) == 1


async def test_no_call_fails_on_a_connection_that_a_restart_left_behind(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage)
    access = await storage.access.resolve(tenant.token)
    await asyncio.gather(*(storage.journal.open(make_call(access), HAIKU, 10) for _ in range(20)))
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )

    for _ in range(10):
        await storage.journal.open(make_call(access), HAIKU, 10)
        assert (await storage.health())["database"]


async def test_a_blocked_call_is_recorded_without_a_charge(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    access = await storage.access.resolve(tenant.token)
    call = make_call(access)
    await storage.journal.open(call, HAIKU, 500)

    await storage.journal.close(replace(failed(make_outcome(call)), status=Status.BLOCKED))

    async with storage.read(access.principal) as tx:
        record = await tx.inferences.get(call.id)
    assert (record.status, record.content, record.credits) == (Status.BLOCKED, None, 0)


class In:
    """A clock that runs ahead."""

    def __init__(self, ahead: timedelta) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead


class InAnHour(In):
    def __init__(self) -> None:
        super().__init__(timedelta(hours=1))


SEAL = "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pk+/w=="


async def test_an_answer_is_found_again_by_its_sealed_reasoning_within_its_organisation(storage: Storage) -> None:
    ours, theirs = [await storage.access.resolve((await make_tenant(storage)).token) for _ in range(2)]
    for number, name in enumerate(("Maria Lopez", "Peter Chen"), start=1):
        call = make_call(ours)
        await storage.journal.open(call, HAIKU, 500)
        outcome = make_outcome(call)
        thought = Thinking("[NAME_1]", f"{SEAL}{number}")
        await storage.journal.close(
            replace(
                outcome,
                completion=outcome.completion and replace(outcome.completion, blocks=(thought, Text("Hi."))),
                placeholders={"NAME_1": name},
            )
        )
    seals = seals_of([Thinking("", f"{SEAL}1"), RedactedThinking("unknown")])

    assert await storage.journal.placeholders(ours, seals) == {"NAME_1": "Maria Lopez"}
    assert await storage.journal.placeholders(theirs, seals) == {}
    assert await storage.journal.placeholders(ours, seals_of([RedactedThinking("unknown")])) == {}


async def test_an_answer_whose_content_is_not_kept_is_not_found_again(storage: Storage) -> None:
    access = await storage.access.resolve((await make_tenant(storage)).token)
    call = replace(make_call(access), store=False)
    await storage.journal.open(call, HAIKU, 500)
    outcome = make_outcome(call)
    thought = Thinking("[NAME_1]", SEAL)
    await storage.journal.close(
        replace(
            outcome,
            completion=outcome.completion and replace(outcome.completion, blocks=(thought,)),
            placeholders={"NAME_1": "Maria Lopez"},
        )
    )

    assert await storage.journal.placeholders(access, seals_of([thought])) == {}


async def test_a_continued_conversation_brings_its_placeholders(storage: Storage) -> None:
    access = await storage.access.resolve((await make_tenant(storage)).token)
    thread = ConversationId(new_ulid())
    for body, name in (("NAME_1", "Maria Lopez"), ("NAME_2", "Peter Chen")):
        call = make_call(access, thread=thread)
        await storage.journal.open(call, HAIKU, 500)
        await storage.journal.close(replace(make_outcome(call), placeholders={body: name}))

    history = await storage.journal.history(access, thread)

    assert history.placeholders == {"NAME_1": "Maria Lopez", "NAME_2": "Peter Chen"}


async def test_turns_that_were_asked_at_once_bring_no_reasoning_about_somebody_else(storage: Storage) -> None:
    access = await storage.access.resolve((await make_tenant(storage)).token)
    thread = ConversationId(new_ulid())
    for name in ("Maria Lopez", "Peter Chen"):
        call = make_call(access, thread=thread)
        await storage.journal.open(call, HAIKU, 500)
        outcome = make_outcome(call)
        blocks = (Thinking("[NAME_1] is well", f"{SEAL}{name[0]}"), Text(f"{name} is well."))
        await storage.journal.close(
            replace(
                outcome,
                completion=outcome.completion and replace(outcome.completion, blocks=blocks),
                placeholders={"NAME_1": name},
            )
        )

    history = await storage.journal.history(access, thread)

    reasoning = [block for turn in history.turns for block in turn.blocks if isinstance(block, Thinking)]
    assert history.placeholders == {"NAME_1": "Maria Lopez"}
    assert reasoning == [Thinking("[NAME_1] is well", f"{SEAL}M")]
