"""Walks the paths of our workflows whose histories are kept, on a real server: `make history`.

The activities are stand-ins and every value is made up. A history once shipped stays until no run is that old;
changing a workflow's order needs `workflow.patched` and a new history beside the old one.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from temporalio.client import Client, WorkflowHistory
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.books import ProvenPage
from activities.budget import ResetStep, SchedulePage
from activities.cursor import Cursor
from activities.provider_probe import ProbeReport
from activities.retention import DuePage, PurgeShift
from cli.embedded import temporal
from tests.replay import (
    app_runs,
    chat_runs,
    credentials,
    deliveries,
    erasures,
    file_processing,
    person_exports,
    replays,
)
from tests.workflows.test_books_proof import ScriptedBooks
from tests.workflows.test_budget_reset import ScriptedBudgets, start, working
from tests.workflows.test_hold_sweep import ScriptedHolds
from tests.workflows.test_idempotency_upkeep import ScriptedIdempotency
from tests.workflows.test_key_notices import ScriptedNotices
from tests.workflows.test_outbox_relay import CountingOutbox
from tests.workflows.test_provider_probe import ScriptedProbe
from tests.workflows.test_refusal_summary import ScriptedRefusals
from tests.workflows.test_retention_purge import ScriptedRetention
from workflows import codec, outbox_relay, schedules
from workflows.books_proof import ProveBooks
from workflows.budget_upkeep import BudgetUpkeep
from workflows.hold_sweep import HoldSweep
from workflows.idempotency_upkeep import IdempotencyUpkeep
from workflows.key_notices import KeyNotices
from workflows.outbox_relay import SHIFTS_PER_RUN, OutboxRelay
from workflows.provider_probe import ProbeProviders
from workflows.queues import TaskQueue
from workflows.refusal_summary import RefusalSummary
from workflows.retention_purge import RetentionPurge

HISTORIES = Path(__file__).parent / "histories"
NAMESPACE = "default"
KEYS = {1: bytes(range(32))}
"""Made for these histories; used nowhere else."""

_SWEEPS: dict[str, Sequence[int | Exception]] = {
    "hold-sweep-nothing-lapsed": [0],
    "hold-sweep-three-pages": [200, 200, 13, 0],
    "hold-sweep-after-a-failure": [ApplicationError("away", type="INFERENCE_UNAVAILABLE"), 5, 0],
}

_FORGETTING: dict[str, Sequence[int | Exception]] = {
    "idempotency-upkeep-after-a-failure": [ApplicationError("away", type="INFERENCE_UNAVAILABLE"), 7],
}

_NOTICES: dict[str, Sequence[int | Exception]] = {
    "key-notices-two-pages": [200, 13, 0],
    "key-notices-after-a-failure": [ApplicationError("away", type="INFERENCE_UNAVAILABLE"), 5, 0],
}

_SUMMARIES: dict[str, Sequence[int | Exception]] = {
    "refusal-summary-after-a-failure": [ApplicationError("away", type="INFERENCE_UNAVAILABLE"), 500, 5, 0],
}

_FIRST = ProvenPage("01ORG", "2026-05-01T00:00:00+00:00", periods=200)
_LAST = ProvenPage("01ORG", "2026-06-01T00:00:00+00:00", periods=3, is_last=True)
_PROOFS: dict[str, Sequence[ProvenPage | Exception]] = {
    "books-proof-two-pages": [_FIRST, _LAST],
    "books-proof-with-a-discrepancy": [replace(_LAST, discrepancies=1, accused=["available 01ORG"])],
    "books-proof-after-a-failure": [ApplicationError("away", type="INFERENCE_UNAVAILABLE"), _LAST],
}

_RESETS: dict[str, Sequence[ResetStep | Exception]] = {
    "budget-reset-nothing-ended": [ResetStep()],
    "budget-reset-after-a-wait": [ResetStep(wait_s=1), ResetStep(closed=True), ResetStep(closed=True), ResetStep()],
    "budget-reset-after-a-failure": [
        ApplicationError("away", type="INFERENCE_UNAVAILABLE"),
        ResetStep(closed=True),
        ResetStep(),
    ],
}
_SCHEDULED = [SchedulePage(20, 0, Cursor("01A")), SchedulePage(3, 1, Cursor("01B")), SchedulePage(0, 0)]

_PROBES: dict[str, Sequence[ProbeReport | Exception]] = {
    "provider-probe-one-answered": [ProbeReport(probed=2, answered=1, forgotten=3)],
    "provider-probe-after-a-failure": [
        ApplicationError("away", type="INFERENCE_UNAVAILABLE"),
        ProbeReport(probed=2, answered=2, forgotten=0),
    ],
}


_PURGES: dict[str, ScriptedRetention] = {
    "retention-purge-two-organisations": ScriptedRetention(
        [DuePage(["01A", "01B"])], {"01B": [PurgeShift(is_over=False)]}
    ),
    "retention-purge-after-failures": ScriptedRetention(
        [DuePage(["01A", "01B"])],
        {
            "01A": [ApplicationError("a fault", type="TypeError", non_retryable=True)],
            "01B": [ApplicationError("away", type="INFERENCE_UNAVAILABLE")],
        },
    ),
}


async def record() -> None:
    async with await WorkflowEnvironment.start_local(  # pyright: ignore[reportUnknownMemberType]
        dev_server_existing_path=temporal.binary(),
        search_attributes=[SearchAttributeKey.for_keyword(name) for name in temporal.SEARCH_ATTRIBUTES],
    ) as environment:
        client = await Client.connect(
            environment.client.service_client.config.target_host,
            namespace=NAMESPACE,
            identity="make history",  # the default names this machine
            data_converter=codec.data_converter(KEYS, NAMESPACE),
            header_codec_behavior=codec.HEADERS,
        )
        for name, script in _SWEEPS.items():
            _keep(name, await _sweep(client, script))
        for name, pages in _PROOFS.items():
            _keep(name, await _prove(client, pages))
        for name, steps in _RESETS.items():
            _keep(name, await _reset(client, steps))
        _keep("budget-upkeep-two-pages", await _schedule(client, _SCHEDULED))
        for name, script in _FORGETTING.items():
            _keep(name, await _forget(client, script))
        for name, script in _NOTICES.items():
            _keep(name, await _tell(client, script))
        for name, script in _SUMMARIES.items():
            _keep(name, await _sum_up(client, script))
        for name, probes in _PROBES.items():
            _keep(name, await _probe(client, probes))
        for name, retention in _PURGES.items():
            _keep(name, await _purge(client, retention))
        _keep("outbox-relay-continued-as-new", await _relay(client))
        webhooks = await deliveries.histories(client) | await replays.histories(client)
        agents = await credentials.histories(client)
        subjects = await erasures.histories(client) | await person_exports.histories(client)
        chats = await chat_runs.histories(client)
        apps = await app_runs.histories(client) | await file_processing.histories(client)
        for name, history in (webhooks | agents | subjects | apps | chats).items():
            _keep(name, history)


async def _sweep(client: Client, script: Sequence[int | Exception]) -> WorkflowHistory:
    holds = ScriptedHolds(script)
    async with Worker(client, task_queue=TaskQueue.UPKEEP, workflows=[HoldSweep], activities=[holds.expire_page]):
        handle = await client.start_workflow(HoldSweep.run, id=schedules.HOLD_SWEEP, task_queue=TaskQueue.UPKEEP)
        await handle.result()
        return await handle.fetch_history()


async def _prove(client: Client, script: Sequence[ProvenPage | Exception]) -> WorkflowHistory:
    books = ScriptedBooks(script)
    async with Worker(client, task_queue=TaskQueue.UPKEEP, workflows=[ProveBooks], activities=[books.prove_page]):
        handle = await client.start_workflow(ProveBooks.run, id=schedules.BOOKS_PROOF, task_queue=TaskQueue.UPKEEP)
        await handle.result()
        return await handle.fetch_history()


async def _reset(client: Client, script: Sequence[ResetStep | Exception]) -> WorkflowHistory:
    async with working(client, TaskQueue.UPKEEP, ScriptedBudgets(script)):
        handle = await start(client, TaskQueue.UPKEEP)
        await handle.result()
        return await handle.fetch_history()


async def _schedule(client: Client, pages: Sequence[SchedulePage]) -> WorkflowHistory:
    async with working(client, TaskQueue.UPKEEP, ScriptedBudgets(pages=pages)):
        handle = await client.start_workflow(BudgetUpkeep.run, id=schedules.BUDGET_UPKEEP, task_queue=TaskQueue.UPKEEP)
        await handle.result()
        return await handle.fetch_history()


async def _forget(client: Client, script: Sequence[int | Exception]) -> WorkflowHistory:
    idempotency = ScriptedIdempotency(script)
    async with Worker(
        client, task_queue=TaskQueue.UPKEEP, workflows=[IdempotencyUpkeep], activities=[idempotency.forget]
    ):
        handle = await client.start_workflow(
            IdempotencyUpkeep.run, id=schedules.IDEMPOTENCY_UPKEEP, task_queue=TaskQueue.UPKEEP
        )
        await handle.result()
        return await handle.fetch_history()


async def _tell(client: Client, script: Sequence[int | Exception]) -> WorkflowHistory:
    notices = ScriptedNotices(script)
    async with Worker(client, task_queue=TaskQueue.UPKEEP, workflows=[KeyNotices], activities=[notices.tell_page]):
        handle = await client.start_workflow(KeyNotices.run, id=schedules.KEY_NOTICES, task_queue=TaskQueue.UPKEEP)
        await handle.result()
        return await handle.fetch_history()


async def _sum_up(client: Client, script: Sequence[int | Exception]) -> WorkflowHistory:
    refusals = ScriptedRefusals(script)
    async with Worker(
        client, task_queue=TaskQueue.UPKEEP, workflows=[RefusalSummary], activities=[refusals.sum_up_page]
    ):
        handle = await client.start_workflow(
            RefusalSummary.run, id=schedules.REFUSAL_SUMMARY, task_queue=TaskQueue.UPKEEP
        )
        await handle.result()
        return await handle.fetch_history()


async def _probe(client: Client, script: Sequence[ProbeReport | Exception]) -> WorkflowHistory:
    async with (
        Worker(client, task_queue=TaskQueue.UPKEEP, workflows=[ProbeProviders]),
        Worker(client, task_queue=TaskQueue.OUTBOUND, activities=[ScriptedProbe(script).probe]),
    ):
        handle = await client.start_workflow(
            ProbeProviders.run, id=schedules.PROVIDER_PROBE, task_queue=TaskQueue.UPKEEP
        )
        await handle.result()
        return await handle.fetch_history()


async def _purge(client: Client, retention: ScriptedRetention) -> WorkflowHistory:
    async with Worker(
        client,
        task_queue=TaskQueue.UPKEEP,
        workflows=[RetentionPurge],
        activities=[retention.due_page, retention.purge_organization],
    ):
        handle = await client.start_workflow(
            RetentionPurge.run, id=schedules.RETENTION_PURGE, task_queue=TaskQueue.UPKEEP
        )
        await handle.result()
        return await handle.fetch_history()


async def _relay(client: Client) -> WorkflowHistory:
    outbox = CountingOutbox(shifts=SHIFTS_PER_RUN)
    async with Worker(
        client,
        task_queue=TaskQueue.UPKEEP,
        workflows=[OutboxRelay],
        activities=[outbox.relay, outbox.forget],
        graceful_shutdown_timeout=timedelta(seconds=1),
    ):
        handle = await client.start_workflow(OutboxRelay.run, id=outbox_relay.WORKFLOW_ID, task_queue=TaskQueue.UPKEEP)
        await outbox.is_working_on.wait()
        first = client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
        history = await first.fetch_history()
        await client.get_workflow_handle(handle.id).terminate()
    return history


def _keep(name: str, history: WorkflowHistory) -> None:
    HISTORIES.mkdir(exist_ok=True)
    (HISTORIES / f"{name}.json").write_text(history.to_json() + "\n")


if __name__ == "__main__":
    asyncio.run(record())
