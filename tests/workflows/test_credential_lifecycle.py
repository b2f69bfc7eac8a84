"""Whole lives of credentials under skipped time, to the second, and what is decided about them on the way."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType as HistoryEvent
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer

from activities.credential_lifecycle import Issued, life_starts
from activities.event_log import EventLog
from activities.starting import Starting
from gateway.ids import EventId, OrganizationId
from storage import Storage
from storage.agents import lifecycles
from storage.outbox import OutboxEvent
from storage.pool import fetch
from tests.agents import MadeCredential, make_credential
from tests.receivers import make_org
from tests.workflows.credentials import audited, revoke, told, working
from workflows.credential_lifecycle import CredentialLifecycle, Lifecycles, workflow_id
from workflows.credential_upkeep import CredentialUpkeep
from workflows.queues import TaskQueue
from workflows.search_attributes import AGENT, KIND, ORGANIZATION, STATE

LATE = timedelta(seconds=10)
"""What a busy machine takes for a step passes on the virtual clock too. Early is nothing at all."""
"""Between what is due and when it is noted, at most."""


def issued(org: OrganizationId, credential: MadeCredential) -> Issued:
    return Issued(org, credential.agent, credential.id)


async def begun(client: Client, org: OrganizationId, credential: MadeCredential) -> WorkflowHandle[Any, Any]:
    await Lifecycles(client).start(issued(org, credential))
    return client.get_workflow_handle(workflow_id(credential.id))


async def until_looked(handle: WorkflowHandle[Any, Any]) -> None:
    """Until it knows what its credential's row says."""
    while not any(event.event_type == HistoryEvent.EVENT_TYPE_TIMER_STARTED for event in await history_of(handle)):
        pass


async def history_of(handle: WorkflowHandle[Any, Any]) -> list[Any]:
    return list((await handle.fetch_history()).events)


async def reminded(storage: Storage, credential: MadeCredential) -> datetime | None:
    rows = await fetch(storage.pool, "select reminded_at from agent_credentials where id = %s", [credential.id])
    return rows[0][0]


async def retire(storage: Storage, credential: MadeCredential, at: datetime) -> None:
    await fetch(storage.pool, "update agent_credentials set retires_at = %s where id = %s", [at, credential.id])


def event(org: OrganizationId, credential: MadeCredential, kind: str, **about: str) -> OutboxEvent:
    data: dict[str, Any] = {"agent_id": credential.agent, "credential_id": credential.id, **about}
    return OutboxEvent(EventId("01EVENT"), org, kind, data, datetime.now(UTC), attempts=1)


@pytest.mark.parametrize("dies", [False, True], ids=["worker stays", "worker dies at every step"])
async def test_a_life_is_warned_of_once_and_ends_never_early_and_without_delay(
    client: Client, storage: Storage, dies: bool
) -> None:
    org = await make_org(storage)
    born = datetime.now(UTC)
    ends = born + timedelta(days=30)
    credential = await make_credential(storage, org, expires_at=ends)

    async with working(client, storage, dies=dies):
        handle = await begun(client, org, credential)
        assert await handle.result() == "expired"
        attributes = (await handle.describe()).typed_search_attributes

    warned = await reminded(storage, credential)
    ((ended, about),) = await audited(storage, org, "agent_credential.expired")
    assert warned is not None
    assert timedelta() <= warned - (ends - timedelta(hours=24)) < LATE
    assert timedelta() <= ended - ends < LATE
    assert about == {"agent_id": credential.agent, "reason": "expired"}
    assert await told(storage, org, "agent.credential_expiring") == [credential.id]
    assert [attributes.get(key) for key in (ORGANIZATION, KIND, STATE, AGENT)] == [
        org,
        "credential.lifecycle",
        "expired",
        credential.agent,
    ]


async def test_a_short_life_is_warned_of_in_its_last_tenth(client: Client, storage: Storage) -> None:
    org = await make_org(storage)
    born = datetime.now(UTC)
    credential = await make_credential(storage, org, expires_at=born + timedelta(minutes=100))

    async with working(client, storage):
        await (await begun(client, org, credential)).result()

    warned = await reminded(storage, credential)
    assert warned is not None
    assert timedelta(minutes=90) <= warned - born < timedelta(minutes=90) + LATE


async def test_a_rotated_one_ends_with_its_overlap_and_is_not_warned_of(
    client: Client, storage: Storage, temporal_env: WorkflowEnvironment
) -> None:
    org = await make_org(storage)
    credential = await make_credential(storage, org, expires_at=datetime.now(UTC) + timedelta(days=30))
    at = datetime.now(UTC) + timedelta(hours=1)
    sink = Starting(life_starts(Lifecycles(client)), then=EventLog())

    async with working(client, storage):
        with temporal_env.with_time_skipping_disabled():
            await sink.receive(event(org, credential, "agent.credential_issued"))
        handle = client.get_workflow_handle(workflow_id(credential.id))
        await retire(storage, credential, at)
        rotated = event(org, credential, "agent.credential_rotated", retires_at=at.isoformat())
        await sink.receive(rotated)
        await sink.receive(rotated)
        overlapping = await handle.query("state")
        await temporal_env.fast_forward(handle, timedelta(hours=2))
        assert await handle.result() == "expired"

    ((ended, about),) = await audited(storage, org, "agent_credential.expired")
    assert overlapping == "overlapping"
    assert timedelta() <= ended - at < LATE
    assert about["reason"] == "retired"
    assert await told(storage, org, "agent.credential_expiring") == []


async def test_one_that_is_revoked_on_the_way_ends_at_once_without_a_warning(
    client: Client, storage: Storage, temporal_env: WorkflowEnvironment
) -> None:
    org = await make_org(storage)
    credential = await make_credential(storage, org)
    sink = Starting(life_starts(Lifecycles(client)), then=EventLog())

    async with working(client, storage):
        with temporal_env.with_time_skipping_disabled():
            await sink.receive(event(org, credential, "agent.credential_issued"))
        await revoke(storage, org, credential)
        revoked = event(org, credential, "agent.credential_revoked", reason="leaked")
        await sink.receive(revoked)
        handle = client.get_workflow_handle(workflow_id(credential.id))
        assert await handle.result() == "revoked"
        await sink.receive(revoked)
        history = await handle.fetch_history()

    assert await told(storage, org, "agent.credential_expiring") == []
    assert await audited(storage, org, "agent_credential.expired") == []
    await Replayer(
        workflows=[CredentialLifecycle], data_converter=client.data_converter, namespace=client.namespace
    ).replay_workflow(history)


async def test_one_that_was_revoked_before_its_workflow_began_is_left_at_that(client: Client, storage: Storage) -> None:
    org = await make_org(storage)
    credential = await make_credential(storage, org)
    await revoke(storage, org, credential)

    async with working(client, storage):
        await Lifecycles(client).revoke(issued(org, credential))
        assert await (await begun(client, org, credential)).result() == "revoked"


async def test_decisions_that_make_no_sense_are_refused_and_change_nothing(
    client: Client, storage: Storage, temporal_env: WorkflowEnvironment
) -> None:
    org = await make_org(storage)
    ends = datetime.now(UTC) + timedelta(days=1)
    credential = await make_credential(storage, org, expires_at=ends)

    async with working(client, storage):
        with temporal_env.with_time_skipping_disabled():
            handle = await begun(client, org, credential)
        await until_looked(handle)
        for at in ((ends + timedelta(hours=1)).isoformat(), ends.replace(tzinfo=None).isoformat(), "soon"):
            with pytest.raises(WorkflowUpdateFailedError) as refused:
                await handle.execute_update("retire", at)  # pyright: ignore[reportUnknownMemberType]
            assert isinstance(refused.value.cause, ApplicationError)
            assert refused.value.cause.type == "VALIDATION_FAILED"
        stage = await handle.query("state")
        await handle.terminate()

    assert stage == "active"


async def test_an_end_that_nobody_saw_is_noted_afterwards(client: Client, storage: Storage, task_queue: str) -> None:
    org = await make_org(storage)
    credential = await make_credential(storage, org)
    await fetch(
        storage.pool,
        "update agent_credentials set created_at = now() - interval '2 hours', expires_at = now() - interval '1 hour'",
    )

    async with working(client, storage):
        await client.execute_workflow(CredentialUpkeep.run, id=task_queue, task_queue=TaskQueue.UPKEEP)
        assert await client.get_workflow_handle(workflow_id(credential.id)).result() == "expired"

    assert len(await audited(storage, org, "agent_credential.expired")) == 1
    assert await lifecycles.left(storage.pool, now=datetime.now(UTC), after="") == []
