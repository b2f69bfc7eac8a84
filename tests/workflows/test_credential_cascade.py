"""Cascades on a real database: what goes along, by workers that are lost at every step, and what is found later."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer

from activities.credential_cascade import Begun, starts_cascade
from activities.event_log import EventLog
from activities.starting import Starting
from gateway.agents.cascade import Cascade, CascadeState, Counts
from gateway.events import EventType
from gateway.ids import CredentialId, EventId, OrganizationId
from gateway.tenancy import KeyMode, Principal
from storage import Storage
from storage.agents import cascading
from storage.outbox import OutboxEvent
from storage.pool import fetch
from tests.agents import MadeCredential, make_credential
from tests.receivers import make_org
from tests.workflows.credentials import audited, make_tree, revoke, told, working
from workflows.credential_cascade import CascadeRun, Cascades, CredentialCascade, workflow_id
from workflows.credential_upkeep import CredentialUpkeep
from workflows.queues import TaskQueue
from workflows.search_attributes import KIND, ORGANIZATION, STATE


async def started(client: Client, org: OrganizationId, cascade: Cascade) -> WorkflowHandle[Any, Any]:
    await Cascades(client).start(Begun(org, cascade.id))
    return client.get_workflow_handle(workflow_id(cascade.id))


async def receipt(storage: Storage, org: OrganizationId, cascade: Cascade) -> Cascade:
    async with storage.read(Principal(org, None, frozenset(), KeyMode.LIVE)) as view:
        return await view.agent_cascades.get(cascade.id)


async def left(storage: Storage, cascade: Cascade) -> list[CredentialId]:
    return await cascading.find_left(storage.pool, cascade.id, now=datetime.now(UTC))


async def revoked(storage: Storage, org: OrganizationId) -> dict[str, tuple[str, bool]]:
    rows = await fetch(
        storage.pool,
        "select id, revocation_reason, cuts_calls from agent_credentials where org_id = %s and revoked_at is not null",
        [org],
    )
    return {row[0]: (row[1], row[2]) for row in rows}


async def take(storage: Storage, org: OrganizationId, credential: MadeCredential, *, until: datetime) -> None:
    await fetch(
        storage.pool,
        "insert into agent_invocations (id, org_id, credential_id, started_at, expires_at)"
        " values (%s, %s, %s, now(), %s) on conflict do nothing",
        [credential.id, org, credential.id, until],
    )


@pytest.mark.parametrize("dies", [False, True], ids=["worker stays", "worker dies at every step"])
async def test_all_below_a_revoked_credential_go_along_each_told_once(
    client: Client, storage: Storage, dies: bool
) -> None:
    org = await make_org(storage)
    tree = await make_tree(storage, org, 3, 3, 3)
    cascade = await revoke(storage, org, tree[0])

    async with working(client, storage, dies=dies):
        handle = await started(client, org, cascade)
        await handle.result()
        attributes = (await handle.describe()).typed_search_attributes

    done = await receipt(storage, org, cascade)
    assert (done.state, done.counts) == (CascadeState.DONE, Counts(pending=0, done=40, irrevocable=0))
    assert done.rechecked_at is not None
    assert await left(storage, cascade) == []
    assert (await revoked(storage, org)) == {
        tree[0].id: ("leaked", True),
        **{each.id: ("parent_revoked", True) for each in tree[1:]},
    }
    assert await told(storage, org, "agent.credential_revoked") == sorted(each.id for each in tree)
    assert [attributes.get(key) for key in (ORGANIZATION, KIND, STATE)] == [org, "credential.cascade", "done"]
    for action in ("agent_cascade.completed", "agent_cascade.rechecked"):
        assert len(await audited(storage, org, action)) == 1


async def test_more_than_one_history_holds_is_carried_on_in_the_next(client: Client, storage: Storage) -> None:
    org = await make_org(storage)
    tree = await make_tree(storage, org, 210)
    cascade = await revoke(storage, org, tree[0])

    async with working(client, storage):
        run = CascadeRun(Begun(org, cascade.id), pages=1)
        handle = await client.start_workflow(
            CredentialCascade.run, run, id=workflow_id(cascade.id), task_queue=TaskQueue.UPKEEP
        )
        await handle.result()

    assert (await receipt(storage, org, cascade)).counts == Counts(pending=0, done=211, irrevocable=0)


async def test_a_call_that_runs_is_waited_for_and_one_that_nobody_ends_is_called_irrevocable(
    client: Client, storage: Storage, temporal_env: WorkflowEnvironment
) -> None:
    org = await make_org(storage)
    tree = await make_tree(storage, org, 2)
    cascade = await revoke(storage, org, tree[0])
    await take(storage, org, tree[1], until=datetime.now(UTC) + timedelta(minutes=5))

    async with working(client, storage):
        with temporal_env.with_time_skipping_disabled():
            handle = await started(client, org, cascade)
        await temporal_env.fast_forward(handle, timedelta(seconds=20))
        waiting = await receipt(storage, org, cascade)
        await temporal_env.fast_forward(handle, timedelta(minutes=2))
        stuck = await receipt(storage, org, cascade)
        await temporal_env.fast_forward(handle, timedelta(days=2))
        await handle.result()

    assert waiting.counts == Counts(pending=1, done=2, irrevocable=0)
    assert stuck.counts == Counts(pending=0, done=2, irrevocable=1)
    assert (await receipt(storage, org, cascade)).counts == Counts(pending=0, done=3, irrevocable=0)


async def test_a_call_that_may_end_by_itself_is_never_called_irrevocable(
    client: Client, storage: Storage, temporal_env: WorkflowEnvironment
) -> None:
    org = await make_org(storage)
    root = await make_credential(storage, org, policy="drain")
    cascade = await revoke(storage, org, root)
    await take(storage, org, root, until=datetime.now(UTC) + timedelta(minutes=5))

    async with working(client, storage):
        with temporal_env.with_time_skipping_disabled():
            handle = await started(client, org, cascade)
        await temporal_env.fast_forward(handle, timedelta(minutes=2))
        draining = await receipt(storage, org, cascade)
        await temporal_env.fast_forward(handle, timedelta(days=2))
        await handle.result()

    assert draining.counts == Counts(pending=1, done=0, irrevocable=0)


async def test_what_was_not_planned_is_found_a_day_later_and_goes_along(client: Client, storage: Storage) -> None:
    org = await make_org(storage)
    far = datetime.now(UTC) + timedelta(days=3000)
    root = await make_credential(storage, org, expires_at=far)
    cascade = await revoke(storage, org, root)
    missed = await make_credential(storage, org, parent=root, expires_at=far)

    async with working(client, storage):
        handle = await started(client, org, cascade)
        await handle.result()
        attributes = (await handle.describe()).typed_search_attributes

    assert await left(storage, cascade) == []
    assert missed.id in await revoked(storage, org)
    assert attributes.get(STATE) == "alarm"
    assert [about["left"] for _, about in await audited(storage, org, "agent_cascade.rechecked")] == [1]


async def test_the_event_that_begins_a_cascade_starts_it_once(client: Client, storage: Storage) -> None:
    org = await make_org(storage)
    cascade = await revoke(storage, org, (await make_tree(storage, org, 1))[0])
    data: dict[str, Any] = {"cascade_id": cascade.id}
    event = OutboxEvent(EventId("01EVENT"), org, "agent.cascade_begun", data, datetime.now(UTC), attempts=1)
    sink = Starting({EventType.AGENT_CASCADE_BEGUN: starts_cascade(Cascades(client))}, then=EventLog())

    async with working(client, storage):
        await sink.receive(event)
        await sink.receive(event)
        handle = client.get_workflow_handle(workflow_id(cascade.id))
        await handle.result()
        history = await handle.fetch_history()

    assert (await receipt(storage, org, cascade)).state is CascadeState.DONE
    await Replayer(
        workflows=[CredentialCascade], data_converter=client.data_converter, namespace=client.namespace
    ).replay_workflow(history)


async def test_a_cascade_that_lost_its_workflow_is_taken_up(client: Client, storage: Storage, task_queue: str) -> None:
    org = await make_org(storage)
    cascade = await revoke(storage, org, (await make_tree(storage, org, 1))[0])
    await fetch(storage.pool, "update agent_cascades set created_at = now() - interval '3 minutes'")

    async with working(client, storage):
        await client.execute_workflow(CredentialUpkeep.run, id=task_queue, task_queue=TaskQueue.UPKEEP)
        await client.get_workflow_handle(workflow_id(cascade.id)).result()

    assert (await receipt(storage, org, cascade)).state is CascadeState.DONE
