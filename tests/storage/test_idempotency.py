"""Claims and kept answers, in PostgreSQL."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from temporalio.testing import ActivityEnvironment

from activities.idempotency import IdempotencyActivities
from gateway.audit import AuditAction
from gateway.clock import Clock
from gateway.errors import (
    IdempotencyConflictError,
    IdempotencyInProgressError,
    NotFoundError,
    UnavailableError,
)
from gateway.idempotency import Asked, GivenAnswer
from gateway.ids import InferenceId, new_ulid
from gateway.inference.call import Call, Status
from gateway.settings import Settings
from gateway.tenancy import Access, Principal
from storage import Storage
from storage.holds import expire_lapsed
from storage.stores.idempotency import AlreadyAnsweredError
from tests.conftest import Database
from tests.tenants import HAIKU, failed, make_call, make_outcome, make_tenant

ANSWER = GivenAnswer(201, {"etag": '"3"'}, b'{"plaintext":"hasp_key_live_secret"}\n{}')


class SteppedClock(Clock):
    """Stands where it was set."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def now(self) -> datetime:
        return self.at


async def access_of(storage: Storage) -> Access:
    return await storage.access.resolve((await make_tenant(storage)).token)


def asked(storage: Storage, principal: Principal, key: str = "k", body: bytes = b"{}", path: str = "/p") -> Asked:
    return storage.idempotency.asked(key, principal=principal, path=path, body=body)


def some_inference() -> InferenceId:
    return InferenceId(new_ulid())


async def opened(storage: Storage, access: Access, *, stream: bool = False) -> tuple[Asked, Call]:
    """A call that runs under a key."""
    call = replace(make_call(access), stream=stream)
    named = asked(storage, access.principal)
    assert await storage.idempotency.claim(named, call.id) is None
    await storage.journal.open(call, HAIKU, 100)
    return named, call


async def write(storage: Storage, access: Access, named: Asked, answer: GivenAnswer = ANSWER) -> None:
    async with storage.begin(access.principal) as tx:
        await tx.answers.claim(named)
        tx.audit(AuditAction.BUDGET_UPDATED, entity_type="organization", entity_id=access.principal.org)
        await tx.answers.keep(named, answer)


async def test_of_many_at_once_one_has_the_key(storage: Storage) -> None:
    access = await access_of(storage)

    async def claim() -> bool:
        try:
            return await storage.idempotency.claim(asked(storage, access.principal), some_inference()) is None
        except IdempotencyInProgressError:
            return False

    assert sum(await asyncio.gather(*(claim() for _ in range(50)))) == 1


async def test_a_claim_sent_twice_is_one_claim(storage: Storage) -> None:
    access, inference = await access_of(storage), some_inference()

    assert await storage.idempotency.claim(asked(storage, access.principal), inference) is None
    assert await storage.idempotency.claim(asked(storage, access.principal), inference) is None


@pytest.mark.parametrize(("key", "path"), [("other", "/p"), ("k", "/other")])
async def test_another_key_or_path_is_another_request(storage: Storage, key: str, path: str) -> None:
    access = await access_of(storage)
    await opened(storage, access)

    other = asked(storage, access.principal, key=key, path=path)
    assert await storage.idempotency.claim(other, some_inference()) is None


async def test_another_organisation_has_keys_of_its_own(storage: Storage) -> None:
    await opened(storage, await access_of(storage))

    other = await access_of(storage)
    assert await storage.idempotency.claim(asked(storage, other.principal), some_inference()) is None


async def test_a_body_that_differs_in_a_blank_is_another_request(storage: Storage) -> None:
    access = await access_of(storage)
    await opened(storage, access)

    with pytest.raises(IdempotencyConflictError):
        await storage.idempotency.claim(asked(storage, access.principal, body=b"{ }"), some_inference())


async def test_while_a_call_runs_its_key_waits(storage: Storage) -> None:
    access = await access_of(storage)
    named, _ = await opened(storage, access)

    with pytest.raises(IdempotencyInProgressError) as refused:
        await storage.idempotency.claim(named, some_inference())

    assert refused.value.retry_after_s == 5


async def test_a_completed_call_answers_for_its_key(storage: Storage) -> None:
    access = await access_of(storage)
    named, call = await opened(storage, access)
    await storage.journal.close(make_outcome(call))

    assert await storage.idempotency.claim(named, some_inference()) == call.id


@pytest.mark.parametrize("status", [Status.FAILED, Status.BLOCKED, Status.CANCELLED])
async def test_a_call_without_an_answer_frees_its_key_for_one(storage: Storage, status: Status) -> None:
    access = await access_of(storage)
    named, call = await opened(storage, access)
    await storage.journal.close(replace(failed(make_outcome(call)), status=status))
    next_one = some_inference()

    async def claim(inference: InferenceId) -> bool:
        try:
            return await storage.idempotency.claim(named, inference) is None
        except IdempotencyInProgressError:
            return False

    assert sum(await asyncio.gather(*(claim(each) for each in (next_one, *(some_inference() for _ in range(9)))))) == 1


async def test_a_stream_its_client_left_frees_its_key_though_it_was_charged(storage: Storage) -> None:
    access = await access_of(storage)
    named, call = await opened(storage, access, stream=True)
    await storage.journal.close(replace(make_outcome(call), status=Status.CANCELLED))

    assert await storage.idempotency.claim(named, some_inference()) is None


async def test_a_whole_answer_nobody_waited_for_answers_for_its_key(storage: Storage) -> None:
    access = await access_of(storage)
    named, call = await opened(storage, access)
    await storage.journal.close(replace(make_outcome(call), status=Status.CANCELLED))

    assert await storage.idempotency.claim(named, some_inference()) == call.id


async def test_a_released_key_is_free(storage: Storage) -> None:
    access, first = await access_of(storage), some_inference()
    named = asked(storage, access.principal)
    await storage.idempotency.claim(named, first)

    await storage.idempotency.release(named, first)

    other_body = asked(storage, access.principal, body=b"[]")
    assert await storage.idempotency.claim(other_body, some_inference()) is None


async def test_what_runs_is_not_released(storage: Storage) -> None:
    access = await access_of(storage)
    named, call = await opened(storage, access)

    await storage.idempotency.release(named, call.id)

    with pytest.raises(IdempotencyInProgressError):
        await storage.idempotency.claim(named, some_inference())


async def test_a_claim_that_never_opened_a_call_is_taken_over_after_two_minutes(settings: Settings) -> None:
    clock = SteppedClock()
    storage = await Storage.open(settings, clock=clock)
    access = await access_of(storage)
    named = asked(storage, access.principal)
    await storage.idempotency.claim(named, some_inference())

    clock.at += timedelta(seconds=119)
    with pytest.raises(IdempotencyInProgressError):
        await storage.idempotency.claim(named, some_inference())
    clock.at += timedelta(seconds=2)
    assert await storage.idempotency.claim(named, some_inference()) is None
    await storage.close()


async def test_a_written_answer_is_given_again_to_the_byte(storage: Storage) -> None:
    access = await access_of(storage)
    named = asked(storage, access.principal)
    await write(storage, access, named)

    with pytest.raises(AlreadyAnsweredError):
        await write(storage, access, named)

    async with storage.read(access.principal) as view:
        assert await view.answers.get(named) == ANSWER


async def test_an_effect_that_fails_leaves_its_key_free(storage: Storage) -> None:
    access = await access_of(storage)
    named = asked(storage, access.principal)

    async def fail() -> None:
        async with storage.begin(access.principal) as tx:
            await tx.answers.claim(named)
            raise NotFoundError

    with pytest.raises(NotFoundError):
        await fail()

    await write(storage, access, named)


async def test_whoever_waits_for_an_effect_too_long_is_told_to_come_again(storage: Storage) -> None:
    access = await access_of(storage)
    named = asked(storage, access.principal)

    async with storage.begin(access.principal) as tx:
        await tx.answers.claim(named)
        tx.audit(AuditAction.BUDGET_UPDATED, entity_type="organization", entity_id=access.principal.org)
        with pytest.raises(IdempotencyInProgressError):
            await write(storage, access, named)
        await tx.answers.keep(named, ANSWER)

    async with storage.read(access.principal) as view:
        assert await view.answers.get(named) == ANSWER


async def test_neither_keys_nor_bodies_nor_answers_rest_in_clear(storage: Storage, database: Database) -> None:
    access = await access_of(storage)
    await write(storage, access, asked(storage, access.principal, key="MRN-4711", body=b'{"ssn":"078-05-1120"}'))

    with psycopg.connect(database.owner_url) as connection:
        (row,) = connection.execute("select k::text, encode(answer, 'escape') from idempotency_keys k").fetchall()

    assert not any(secret in str(row) for secret in ("MRN-4711", "078-05-1120", "hasp_key_live_secret"))


async def test_an_answer_moved_to_another_key_does_not_open(storage: Storage, database: Database) -> None:
    access = await access_of(storage)
    one, other = (asked(storage, access.principal, key=key) for key in ("one", "other"))
    await write(storage, access, one)
    await write(storage, access, other)
    with psycopg.connect(database.owner_url) as connection:
        connection.execute(
            "update idempotency_keys k set answer = o.answer from idempotency_keys o where o.digest = %s", [one.digest]
        )

    async with storage.read(access.principal) as view:
        with pytest.raises(UnavailableError):
            await view.answers.get(other)


async def test_after_a_day_a_key_is_free_and_then_forgotten(settings: Settings) -> None:
    clock = SteppedClock()
    storage = await Storage.open(settings, clock=clock)
    upkeep = IdempotencyActivities(storage.pool, clock)
    access = await access_of(storage)
    old, written, young = (asked(storage, access.principal, key=key) for key in ("old", "written", "young"))
    await storage.idempotency.claim(old, some_inference())
    await write(storage, access, written)
    clock.at += timedelta(hours=23, minutes=59)
    await storage.idempotency.claim(young, some_inference())
    assert (await ActivityEnvironment().run(upkeep.forget)).keys == 0

    clock.at += timedelta(minutes=1)
    await write(storage, access, written, GivenAnswer(200, {}, b"new"))
    assert (await ActivityEnvironment().run(upkeep.forget)).keys == 1

    async with storage.read(access.principal) as view:
        assert (await view.answers.get(written)).body == b"new"
    with pytest.raises(IdempotencyInProgressError):
        await storage.idempotency.claim(young, some_inference())
    await storage.close()


async def test_a_connection_sees_its_own_organisation_s_keys_only(storage: Storage, database: Database) -> None:
    mine, theirs = await access_of(storage), await access_of(storage)
    for access in (mine, theirs):
        await write(storage, access, asked(storage, access.principal))

    with psycopg.connect(database.app_url) as connection:
        connection.execute("select set_config('hasp.organization', %s, true)", [mine.principal.org])
        assert connection.execute("select org_id from idempotency_keys").fetchall() == [(mine.principal.org,)]


class AfterEveryLease(Clock):
    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(hours=1)


async def test_a_lost_call_whose_key_was_given_to_another_cannot_be_settled_any_more(
    storage: Storage, database: Database
) -> None:
    access = await access_of(storage)
    named, sleeper = await opened(storage, access)
    await expire_lapsed(storage.pool, AfterEveryLease())
    retry = make_call(access)
    assert await storage.idempotency.claim(named, retry.id) is None
    await storage.journal.open(retry, HAIKU, 100)

    with pytest.raises(UnavailableError):
        await storage.journal.close(make_outcome(sleeper, charge=30))
    await storage.journal.close(make_outcome(retry, charge=40))

    with psycopg.connect(database.owner_url) as owner:
        charged = owner.execute("select credits from usage_records where org_id = %s", [access.principal.org])
        assert charged.fetchall() == [(40,)]


async def test_a_lost_call_that_is_settled_before_anybody_asks_again_is_the_answer(storage: Storage) -> None:
    access = await access_of(storage)
    named, sleeper = await opened(storage, access)
    await expire_lapsed(storage.pool, AfterEveryLease())
    await storage.journal.close(make_outcome(sleeper, charge=30))

    assert await storage.idempotency.claim(named, some_inference()) == sleeper.id
