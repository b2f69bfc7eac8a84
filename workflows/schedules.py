"""What must always be scheduled or running, made so by every worker that starts."""

from datetime import timedelta
from typing import Any

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.types import MethodAsyncNoParam

from gateway.settings import Settings
from workflows import outbox_relay, webhook_dispatch
from workflows.audit_checkpoint import CheckpointAudit
from workflows.baa_upkeep import BaaUpkeep
from workflows.books_proof import ProveBooks
from workflows.budget_upkeep import BudgetUpkeep
from workflows.credential_upkeep import CredentialUpkeep
from workflows.end_user_upkeep import EndUserUpkeep
from workflows.hold_sweep import HoldSweep
from workflows.idempotency_upkeep import IdempotencyUpkeep
from workflows.key_notices import KeyNotices
from workflows.options import (
    BAA_UPKEEP_EVERY,
    BUDGET_UPKEEP_EVERY,
    CHECKPOINT_EVERY,
    CREDENTIAL_UPKEEP_EVERY,
    END_USER_UPKEEP_EVERY,
    IDEMPOTENCY_UPKEEP_EVERY,
    NEVER_GIVE_UP,
    PROBE_CATCH_UP,
    PROOF_CATCH_UP,
    PROOF_OFFSET,
    PURGE_EVERY,
    PURGE_OFFSET,
    REFUSALS_SUMMED_EVERY,
    SWEEP_CATCH_UP,
)
from workflows.outbox_relay import OutboxRelay
from workflows.provider_probe import ProbeProviders
from workflows.queues import TaskQueue
from workflows.refusal_summary import RefusalSummary
from workflows.retention_purge import RetentionPurge
from workflows.webhook_dispatch import WebhookDispatch

AUDIT_CHECKPOINT = "audit-checkpoint"
BAA_UPKEEP = "baa-upkeep"
BOOKS_PROOF = "books-proof"
BUDGET_UPKEEP = "budget-upkeep"
CREDENTIAL_UPKEEP = "credential-upkeep"
END_USER_UPKEEP = "gdpr-upkeep"
HOLD_SWEEP = "hold-sweep"
IDEMPOTENCY_UPKEEP = "idempotency-upkeep"
KEY_NOTICES = "key-notices"
PROVIDER_PROBE = "provider-probe"
RETENTION_PURGE = "retention-purge"
REFUSAL_SUMMARY = "refusal-summary"

_DAY = timedelta(days=1)


async def ensure(client: Client, settings: Settings) -> None:
    """Bring the schedules to what this code says, and start the relay and the dispatchers unless they run.

    Safe to repeat, and when several workers start at once. A schedule that an operator paused stays paused.
    """
    for name, schedule in _upkeep(settings).items():
        await _ensure_schedule(client, name, schedule)
    await client.start_workflow(
        OutboxRelay.run,
        id=outbox_relay.WORKFLOW_ID,
        task_queue=TaskQueue.UPKEEP,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        retry_policy=NEVER_GIVE_UP,
    )
    for shard in range(settings.webhook_shards):
        await client.start_workflow(
            WebhookDispatch.run,
            shard,
            id=webhook_dispatch.workflow_id(shard),
            task_queue=TaskQueue.WEBHOOKS,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            retry_policy=NEVER_GIVE_UP,
        )


def _upkeep(settings: Settings) -> dict[str, Schedule]:
    probing = timedelta(seconds=settings.provider_probe_s)
    return {
        AUDIT_CHECKPOINT: _regular(AUDIT_CHECKPOINT, CheckpointAudit.run, CHECKPOINT_EVERY),
        HOLD_SWEEP: _regular(HOLD_SWEEP, HoldSweep.run, timedelta(seconds=settings.hold_sweep_s)),
        KEY_NOTICES: _regular(KEY_NOTICES, KeyNotices.run, timedelta(seconds=settings.key_notices_s)),
        BOOKS_PROOF: _regular(BOOKS_PROOF, ProveBooks.run, _DAY, offset=PROOF_OFFSET, catch_up=PROOF_CATCH_UP),
        BAA_UPKEEP: _regular(BAA_UPKEEP, BaaUpkeep.run, BAA_UPKEEP_EVERY),
        BUDGET_UPKEEP: _regular(BUDGET_UPKEEP, BudgetUpkeep.run, BUDGET_UPKEEP_EVERY),
        CREDENTIAL_UPKEEP: _regular(CREDENTIAL_UPKEEP, CredentialUpkeep.run, CREDENTIAL_UPKEEP_EVERY),
        END_USER_UPKEEP: _regular(END_USER_UPKEEP, EndUserUpkeep.run, END_USER_UPKEEP_EVERY),
        IDEMPOTENCY_UPKEEP: _regular(IDEMPOTENCY_UPKEEP, IdempotencyUpkeep.run, IDEMPOTENCY_UPKEEP_EVERY),
        PROVIDER_PROBE: _regular(PROVIDER_PROBE, ProbeProviders.run, probing, catch_up=PROBE_CATCH_UP),
        RETENTION_PURGE: _regular(RETENTION_PURGE, RetentionPurge.run, PURGE_EVERY, offset=PURGE_OFFSET),
        REFUSAL_SUMMARY: _regular(REFUSAL_SUMMARY, RefusalSummary.run, REFUSALS_SUMMED_EVERY),
    }


def _regular(
    name: str,
    run: MethodAsyncNoParam[Any, Any],
    every: timedelta,
    *,
    offset: timedelta = timedelta(),
    catch_up: timedelta = SWEEP_CATCH_UP,
) -> Schedule:
    """Runs that never overlap, under ids that begin with `name`; `offset` is counted from midnight, UTC."""
    return Schedule(
        action=ScheduleActionStartWorkflow(run, id=name, task_queue=TaskQueue.UPKEEP),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every, offset=offset)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=catch_up),
    )


async def _ensure_schedule(client: Client, schedule_id: str, wanted: Schedule) -> None:
    try:
        await client.create_schedule(schedule_id, wanted)
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(schedule_id).update(lambda found: _update(found, wanted))


def _update(found: ScheduleUpdateInput, wanted: Schedule) -> ScheduleUpdate | None:
    present = found.description.schedule
    if _essence(present) == _essence(wanted):
        return None
    wanted.state = present.state
    return ScheduleUpdate(wanted)


def _essence(schedule: Schedule) -> tuple[object, ...]:
    """What decides when and what is run, in a form that is the same before and after a visit to the server."""
    action = schedule.action
    if not isinstance(action, ScheduleActionStartWorkflow):
        return (schedule,)
    intervals = [(interval.every, interval.offset or timedelta()) for interval in schedule.spec.intervals]
    return (
        (action.workflow, action.id, action.task_queue),
        (intervals, schedule.spec.calendars, schedule.spec.cron_expressions),
        (schedule.policy.overlap, schedule.policy.catchup_window),
    )
