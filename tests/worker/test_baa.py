import asyncio
from datetime import timedelta

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client

from gateway.clock import SystemClock
from gateway.settings import Settings
from storage import Storage
from tests.activities.agreements import accept, audited, document, make_organization, make_seal, told
from tests.worker.conftest import Line, worker_process
from workflows.baa_acceptance import workflow_id

_SCHEDULED = PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED


def _waits_for_its_seal(line: Line) -> bool:
    return line.get("event") == "agreement_not_signed"


def _activated(line: Line) -> bool:
    return line.get("event_type") == "baa.activated"


async def _fails(client: Client, workflow: str) -> None:
    """Until the server has heard of a failure and waits for the next try: a kill in between costs a timeout."""
    handle = client.get_workflow_handle(workflow)
    while True:
        pending = (await handle.describe()).raw_description.pending_activities
        if any(each.HasField("last_failure") and each.state == _SCHEDULED for each in pending):
            return
        await asyncio.sleep(0.05)


async def test_what_was_accepted_is_in_force_though_its_worker_was_killed(
    worker_settings: Settings, storage: Storage, upkeep: Client
) -> None:
    org = await make_organization(storage)
    accepted = await accept(storage, org)

    async with worker_process(worker_settings) as worker:
        waiting = await worker.line(_waits_for_its_seal)
        await _fails(upkeep, workflow_id(accepted.id))
        worker.process.kill()
        await worker.process.wait()
    make_seal(worker_settings, SystemClock().now() - timedelta(minutes=1))
    async with worker_process(worker_settings) as worker:
        await worker.line(_activated)

    assert waiting["acceptance_id"] == accepted.id
    assert await audited(storage, org) == ["baa.accepted", "baa.activated", "baa.signed"]
    assert [event for event, _ in await told(storage, org)] == ["baa.accepted", "baa.activated"]
    assert (await document(storage, org, accepted.id)).startswith(b"%PDF-")
