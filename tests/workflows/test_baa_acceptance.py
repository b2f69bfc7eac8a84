"""The workflow on a real database and a real seal, by workers that are lost at every step."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import EventType as HistoryEvent
from temporalio.client import Client, WorkflowHistory
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer, Worker

from activities.baa import Accepted, BaaActivities
from gateway.baa.acceptance import AcceptanceStatus
from gateway.ids import AcceptanceId, OrganizationId
from gateway.settings import Settings
from storage import Storage, agreements
from tests.activities.agreements import (
    accept,
    activities_of,
    audited,
    document,
    found,
    make_organization,
    make_seal,
    put_in_force,
    told,
)
from workflows.baa_acceptance import BaaAcceptance, BaaAcceptances, workflow_id
from workflows.queues import TaskQueue
from workflows.search_attributes import KIND, ORGANIZATION, STATE

STEPS = ("make_document", "activate")
ONCE = ["baa.accepted", "baa.activated", "baa.signed"]


@dataclass(slots=True)
class LostOnce:
    """Activities whose worker is lost once: before `step` begins, or after it was done and before anybody hears."""

    real: BaaActivities
    step: str
    after: bool
    lost: set[str] = field(default_factory=set[str])

    @activity.defn(name="baa.make_document")
    async def make_document(self, accepted: Accepted) -> None:
        await self._through("make_document", lambda: self.real.make_document(accepted))

    @activity.defn(name="baa.activate")
    async def activate(self, accepted: Accepted) -> None:
        await self._through("activate", lambda: self.real.activate(accepted))

    async def _through(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        is_lost = name == self.step and name not in self.lost
        self.lost.add(name)
        if is_lost and not self.after:
            raise ApplicationError("lost", type="LOST")
        await work()
        if is_lost:
            raise ApplicationError("lost", type="LOST")


def workers(client: Client, activities: BaaActivities | LostOnce) -> list[Worker]:
    return [
        Worker(client, task_queue=TaskQueue.UPKEEP, workflows=[BaaAcceptance], activities=[activities.activate]),
        Worker(client, task_queue=TaskQueue.OUTBOUND, activities=[activities.make_document]),
    ]


async def work(
    client: Client, activities: BaaActivities | LostOnce, org: OrganizationId, acceptance: AcceptanceId
) -> WorkflowHistory:
    upkeep, outbound = workers(client, activities)
    async with upkeep, outbound:
        await BaaAcceptances(client).start(org, acceptance)
        handle = client.get_workflow_handle(workflow_id(acceptance))
        await handle.result()
        attributes = (await handle.describe()).typed_search_attributes
        assert [attributes.get(key) for key in (ORGANIZATION, KIND, STATE)] == [org, "baa.acceptance", "done"]
        return await handle.fetch_history()


async def test_an_acceptance_becomes_a_signed_agreement_in_force(
    client: Client, storage: Storage, settings: Settings
) -> None:
    make_seal(settings, datetime.now(UTC))
    org = await make_organization(storage)
    accepted = await accept(storage, org)

    await work(client, activities_of(storage, settings), org, accepted.id)

    assert (await found(storage, org, accepted.id)).status is AcceptanceStatus.ACTIVE
    assert (await document(storage, org, accepted.id)).startswith(b"%PDF-")
    assert await audited(storage, org) == ONCE


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_worker_lost_at_any_step_leaves_one_agreement(
    client: Client, storage: Storage, settings: Settings, step: str, after: bool
) -> None:
    make_seal(settings, datetime.now(UTC))
    org = await make_organization(storage)
    accepted = await accept(storage, org)

    await work(client, LostOnce(activities_of(storage, settings), step, after), org, accepted.id)

    assert await audited(storage, org) == ONCE
    assert [event for event, _ in await told(storage, org)].count("baa.activated") == 1


async def test_many_who_start_it_at_once_start_one(client: Client, storage: Storage, settings: Settings) -> None:
    make_seal(settings, datetime.now(UTC))
    org = await make_organization(storage)
    accepted = await accept(storage, org)
    acceptances = BaaAcceptances(client)

    upkeep, outbound = workers(client, activities_of(storage, settings))
    async with upkeep, outbound:
        await asyncio.gather(*(acceptances.start(org, accepted.id) for _ in range(10)))
        await client.get_workflow_handle(workflow_id(accepted.id)).result()
        await acceptances.start(org, accepted.id)
        await client.get_workflow_handle(workflow_id(accepted.id)).result()

    assert await audited(storage, org) == ONCE


async def test_what_the_operator_put_in_force_gets_its_document_afterwards(
    client: Client, storage: Storage, settings: Settings
) -> None:
    make_seal(settings, datetime.now(UTC))
    org = await make_organization(storage)
    accepted = await accept(storage, org)
    async with storage.as_operator(org, command="test") as tx:
        await agreements.activate(tx, accepted.id)

    await work(client, activities_of(storage, settings), org, accepted.id)

    kept = await found(storage, org, accepted.id)
    assert (kept.status, kept.awaits_document) == (AcceptanceStatus.ACTIVE, False)
    assert await audited(storage, org) == ONCE


async def test_an_agreement_nobody_countersigns_has_no_document_and_stays_in_force(
    client: Client, storage: Storage, settings: Settings
) -> None:
    org = await make_organization(storage)
    acceptance = await put_in_force(storage, org)

    await work(client, activities_of(storage, settings), org, acceptance)

    assert (await found(storage, org, acceptance)).document is None


async def test_a_history_holds_ids_only_and_replays(client: Client, storage: Storage, settings: Settings) -> None:
    make_seal(settings, datetime.now(UTC))
    org = await make_organization(storage)
    accepted = await accept(storage, org)

    history = await work(client, activities_of(storage, settings), org, accepted.id)

    started = history.events[0].workflow_execution_started_event_attributes
    (given,) = await client.data_converter.decode(started.input.payloads, [Accepted])
    results = [
        event.activity_task_completed_event_attributes.result.payloads
        for event in history.events
        if event.event_type == HistoryEvent.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
    ]
    assert given == Accepted(org, accepted.id)
    assert [await client.data_converter.decode(each) for each in results] == [[None], [None]]
    await Replayer(
        workflows=[BaaAcceptance], data_converter=client.data_converter, namespace=client.namespace
    ).replay_workflow(history)
