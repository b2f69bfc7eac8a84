"""Whole erasures under skipped time, and what comes in their way."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer, Worker

from activities.end_user_erasure import (
    EndUserErasureActivities,
    ErasureRuns,
    ErasureStep,
    ErasureWanted,
    starts_erasure,
)
from activities.erasure_certificate import ErasureCertificates
from gateway.clock import SystemClock
from gateway.end_users.classes import RecordClass
from gateway.end_users.erasure import SETTLING, Erasure, ErasureState, Reason
from gateway.ids import EventId
from gateway.settings import Settings
from gateway.tenancy import KeyMode, Principal
from storage import Storage
from storage.audit_keys import signing_key
from storage.audit_verification import verify
from storage.end_users import erasing
from storage.outbox import OutboxEvent
from storage.pool import Pool, fetch
from storage.sequencer import Sequencer
from tests.erasures import (
    NoRuns,
    Person,
    audited,
    begun_call,
    has_content,
    make_export,
    make_person,
    request,
    set_hold,
    set_policy,
    state_of,
    told,
)
from tests.tenants import make_outcome, make_tenant
from tests.workflows.credentials import Dying, ServerClock
from workflows.end_user_erasure import EraseEndUser, ErasureWorkflows, Progress, workflow_id
from workflows.end_user_upkeep import EndUserUpkeep, TakenUp
from workflows.queues import TaskQueue
from workflows.search_attributes import KIND, ORGANIZATION, STATE

LATE = timedelta(seconds=10)
"""What a busy machine takes for a step passes on the virtual clock too."""


class Holding(EndUserErasureActivities):
    """Somebody sets a hold on `person` when the step `after` is done."""

    person: Person
    storage: Storage
    after: str

    @activity.defn(name="gdpr.erasure_restrict")
    async def restrict(self, wanted: ErasureWanted) -> ErasureStep:
        step = await super().restrict(wanted)
        if self.after == "restrict":
            await set_hold(self.storage, self.person)
        return step

    @activity.defn(name="gdpr.erasure_shred")
    async def shred(self, wanted: ErasureWanted) -> ErasureStep:
        step = await super().shred(wanted)
        if self.after == "shred":
            await set_hold(self.storage, self.person)
        return step


async def server_time(_: Pool) -> datetime:
    return ServerClock().now()


@pytest_asyncio.fixture
async def storage(settings: Settings) -> AsyncGenerator[Storage]:
    opened = await Storage.open(settings, clock=ServerClock())
    yield opened
    await opened.close()


def made(
    storage: Storage,
    settings: Settings,
    kind: type[EndUserErasureActivities] = EndUserErasureActivities,
    runs: ErasureRuns | None = None,
) -> Any:
    certificates = ErasureCertificates(storage, settings, None)
    return kind(storage, certificates, runs or NoRuns(), backup_keep_days=30, witness=server_time)


@asynccontextmanager
async def working(client: Client, activities: Any) -> AsyncGenerator[None]:
    steps = [activities.restrict, activities.shred, activities.remove, activities.scan, activities.start_page]
    async with (
        Worker(client, task_queue=TaskQueue.UPKEEP, workflows=[EraseEndUser, EndUserUpkeep], activities=steps),
        Worker(client, task_queue=TaskQueue.OUTBOUND, activities=[activities.certify]),
    ):
        yield


async def start(client: Client, erasure: Erasure) -> WorkflowHandle[Any, Progress]:
    """As the outbox does it, which may do so twice."""
    event = OutboxEvent(
        EventId("01EVENT"),
        erasure.org,
        "end_user.erasure_requested",
        {"erasure_id": erasure.id},
        datetime.now(UTC),
        attempts=1,
    )
    starts = starts_erasure(ErasureWorkflows(client))
    await starts(event)
    await starts(event)
    return client.get_workflow_handle_for(EraseEndUser.run, workflow_id(erasure.id))


async def current(storage: Storage, erasure: Erasure) -> Erasure:
    return await erasing.current(storage, erasure.org, erasure.id)


@pytest.mark.parametrize("dies", [False, True], ids=["worker stays", "worker dies at every step"])
async def test_who_is_erased_has_nothing_left_and_it_is_certified(
    client: Client, storage: Storage, settings: Settings, dies: bool
) -> None:
    person = await make_person(storage, await make_tenant(storage), calls=3)
    await make_export(storage, person, state="running")
    activities = made(storage, settings)

    async with working(client, Dying(activities) if dies else activities):
        handle = await start(client, await request(storage, person))
        progress = await handle.result()
        attributes = (await handle.describe()).typed_search_attributes

    (requested,) = await told(storage, person, "end_user.erasure_requested")
    async with storage.read(Principal(person.org, None, frozenset(), KeyMode.LIVE)) as tx:
        erasure = await tx.end_user_erasures.get(requested["erasure_id"])
        certified = await tx.end_user_erasures.certificate(erasure.id)
    assert progress == Progress("certify", "done")
    assert erasure.state is ErasureState.DONE
    assert erasure.scan is not None
    assert erasure.scan.is_clean
    assert erasure.restricted_at is not None
    assert erasure.shredded_at is not None
    assert timedelta() <= erasure.shredded_at - erasure.restricted_at - SETTLING < LATE
    assert erasure.keys_gone_on == erasure.shredded_at.date() + timedelta(days=30)
    assert erasure.counts[RecordClass.CONTENT] == 3
    assert erasure.counts[RecordClass.EXPORTS] == 2
    assert certified is not None
    assert certified.document["erasure_id"] == erasure.id
    assert await told(storage, person, "end_user.erased") == [{"erasure_id": erasure.id, "end_user_id": person.id}]
    assert len(await told(storage, person, "end_user.export_cancelled")) == 2
    assert [action for action, _ in await audited(storage, person)] == [
        "end_user.erasure_requested",
        "end_user.restricted",
        "end_user.erasure_decided",
        "end_user.shredded",
        *["end_user.scanned"] * (2 if dies else 1),
        "end_user.erased",
    ]
    assert [attributes.get(key) for key in (ORGANIZATION, KIND, STATE)] == [person.org, "gdpr.erasure", "done"]


async def test_what_was_sealed_of_who_is_erased_opens_for_no_process_and_the_log_still_verifies(
    client: Client, storage: Storage, settings: Settings
) -> None:
    person = await make_person(storage, await make_tenant(storage))
    kept = await fetch(storage.pool, "select id, request_content, answer_content from inferences order by id")

    async with working(client, made(storage, settings)):
        await (await start(client, await request(storage, person))).result()

    await Sequencer(storage.pool, SystemClock(), signing_key(storage.keyring.audit)).seal()
    assert (await verify(storage.pool, person.org)).flaw is None
    # As from a copy of the table: without the keys it is nothing.
    later = await Storage.open(settings)
    try:
        places = [(f"inferences.request_content/{row[0]}", bytes(row[1])) for row in kept]
        assert await later.cipher.open_all(person.org, places) == [None, None]
    finally:
        await later.close()


@pytest.mark.parametrize("hold", ["legal", "subject"])
async def test_who_is_held_is_left_as_they_are(client: Client, storage: Storage, settings: Settings, hold: str) -> None:
    person = await make_person(storage, await make_tenant(storage))
    await (set_policy(storage, person, legal_hold=True) if hold == "legal" else set_hold(storage, person))
    erasure = await request(storage, person)

    async with working(client, made(storage, settings)):
        handle = await start(client, erasure)
        assert await handle.result() == Progress("restrict", "held")

    assert (await current(storage, erasure)).reasons == (Reason(f"{hold}_hold"),)
    assert await state_of(storage, person) == "active"
    assert await has_content(storage, person) == [True, True]
    assert (await handle.describe()).typed_search_attributes.get(STATE) == "held"


@pytest.mark.parametrize(
    ("after", "state", "reasons"),
    [
        ("restrict", ErasureState.HELD, (Reason.SUBJECT_HOLD,)),
        ("shred", ErasureState.DONE, (Reason.HOLD_CAME_TOO_LATE,)),
    ],
)
async def test_a_hold_that_comes_between_stops_it_before_the_key_is_destroyed_and_not_after(
    client: Client, storage: Storage, settings: Settings, after: str, state: ErasureState, reasons: tuple[Reason, ...]
) -> None:
    person = await make_person(storage, await make_tenant(storage))
    erasure = await request(storage, person)
    holding = made(storage, settings, Holding)
    holding.person, holding.storage, holding.after = person, storage, after

    async with working(client, holding):
        await (await start(client, erasure)).result()

    found = await current(storage, erasure)
    assert (found.state, found.reasons) == (state, reasons)
    assert await has_content(storage, person) == [state is ErasureState.HELD] * 2


async def test_what_must_be_kept_is_kept_to_the_second_and_then_erased(
    client: Client, storage: Storage, settings: Settings
) -> None:
    person = await make_person(storage, await make_tenant(storage))
    await set_policy(storage, person, minimum_days=100)
    erasure = await request(storage, person)

    async with working(client, made(storage, settings)):
        assert (await (await start(client, erasure)).result()).state == "done"

    found = await current(storage, erasure)
    assert found.due_at is not None
    assert found.shredded_at is not None
    assert found.restricted_at is not None
    assert found.due_at - found.restricted_at > timedelta(days=100)
    assert timedelta() <= found.shredded_at - found.due_at - SETTLING < LATE


async def test_a_hold_while_it_waits_stops_it(
    client: Client, storage: Storage, settings: Settings, temporal_env: WorkflowEnvironment
) -> None:
    person = await make_person(storage, await make_tenant(storage))
    await set_policy(storage, person, minimum_days=100)
    erasure = await request(storage, person)

    async with working(client, made(storage, settings)):
        with temporal_env.with_time_skipping_disabled():
            handle = await start(client, erasure)
        while (await handle.query(EraseEndUser.progress)).state != "waiting":
            pass
        await set_policy(storage, person, legal_hold=True)
        await temporal_env.fast_forward(handle, timedelta(days=31))
        assert (await handle.result()).state == "held"

    assert await state_of(storage, person) == "active"


async def test_a_call_that_runs_is_waited_for(client: Client, storage: Storage, settings: Settings) -> None:
    tenant = await make_tenant(storage)
    person = await make_person(storage, tenant)
    running = await begun_call(storage, tenant)
    erasure = await request(storage, person)

    class Slow(EndUserErasureActivities):
        tries = 0

        @activity.defn(name="gdpr.erasure_remove")
        async def remove(self, wanted: ErasureWanted) -> ErasureStep:
            Slow.tries += 1
            step = await super().remove(wanted)
            if step.wait_s:
                await storage.journal.close(make_outcome(running, text="Late."))
            return step

    async with working(client, made(storage, settings, Slow)):
        await (await start(client, erasure)).result()

    assert Slow.tries == 2
    found = await current(storage, erasure)
    assert (found.state, found.counts[RecordClass.CONTENT]) == (ErasureState.DONE, 3)


async def test_what_a_scan_finds_is_taken_away_before_it_is_certified(
    client: Client, storage: Storage, settings: Settings
) -> None:
    person = await make_person(storage, await make_tenant(storage))
    erasure = await request(storage, person)

    class Forgetful(EndUserErasureActivities):
        tries = 0

        @activity.defn(name="gdpr.erasure_remove")
        async def remove(self, wanted: ErasureWanted) -> ErasureStep:
            Forgetful.tries += 1
            return ErasureStep("shredded") if Forgetful.tries == 1 else await super().remove(wanted)

    async with working(client, made(storage, settings, Forgetful)):
        handle = await start(client, erasure)
        await handle.result()
        history = await handle.fetch_history()

    found = await current(storage, erasure)
    assert (found.state, found.reasons) == (ErasureState.DONE, ())
    assert Forgetful.tries == 2
    await Replayer(
        workflows=[EraseEndUser], data_converter=client.data_converter, namespace=client.namespace
    ).replay_workflow(history)


async def test_what_lost_its_workflow_is_taken_up(client: Client, storage: Storage, settings: Settings) -> None:
    person = await make_person(storage, await make_tenant(storage))
    erasure = await request(storage, person)

    async with working(client, made(storage, settings, runs=ErasureWorkflows(client))):
        upkeep = await client.start_workflow(
            EndUserUpkeep.run, id=f"test-upkeep/{erasure.id}", task_queue=TaskQueue.UPKEEP
        )
        assert await upkeep.result() == TakenUp(erasures=1)
        await client.get_workflow_handle(workflow_id(erasure.id)).result()

    assert (await current(storage, erasure)).state is ErasureState.DONE
