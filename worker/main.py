"""Composition root of the worker: settings, storage, Temporal's workers, the sequencer, health, drain."""

import asyncio
import signal
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from importlib.metadata import version

import structlog
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.worker import Worker, WorkerDeploymentConfig

from activities.app_run import AppRunActivities, app_run_starts
from activities.audit_checkpoint import AuditCheckpointActivities
from activities.audit_export import AuditExportActivities, starts_export
from activities.baa import BaaActivities, starts_acceptance
from activities.books import BooksActivities
from activities.budget import BudgetActivities
from activities.chat_run import ChatRunActivities, chat_run_starts
from activities.credential_cascade import CredentialCascadeActivities, starts_cascade
from activities.credential_lifecycle import CredentialLifecycleActivities, life_starts
from activities.end_user_erasure import EndUserErasureActivities, starts_erasure
from activities.end_user_export import EndUserExportActivities, export_starts
from activities.erasure_certificate import ErasureCertificates
from activities.event_log import EventLog
from activities.file_embedding import FileEmbeddingActivities
from activities.file_processing import FileProcessingActivities, starts_reading
from activities.holds import HoldActivities
from activities.idempotency import IdempotencyActivities
from activities.key_notices import KeyNoticeActivities
from activities.outbox import OutboxActivities
from activities.provider_probe import ProviderProbeActivities
from activities.refusals import RefusalActivities
from activities.retention import RetentionActivities
from activities.starting import Starting
from activities.webhook_replay import WebhookReplayActivities, wakes_replay
from gateway import logs
from gateway.catalog import Catalog
from gateway.catalog.watch import CatalogWatch
from gateway.clock import SystemClock
from gateway.events import EventType
from gateway.limits.limiter import Limiter
from gateway.limits.tiers import read_tiers
from gateway.providers.probe import ProviderProbe
from gateway.providers.registry import catalog_files, configured_catalog
from gateway.settings import Settings
from gateway.timestamps.authority import TimeStampAuthority
from gateway.webhooks.sender import Sender
from storage import Storage
from storage.audit_exports import ExportWriting
from storage.audit_keys import signing_key
from storage.sequencer import Sequencer
from worker import health
from worker.inference import WorkerInference, inference_worker
from worker.reading import reading_worker
from worker.service import Service
from worker.temporal import TemporalWork
from worker.webhooks import webhook_workers
from workflows.app_run import AppWorkflows, RunApp
from workflows.audit_checkpoint import CheckpointAudit
from workflows.audit_export import ExportAudit
from workflows.audit_export_runs import AuditExportRuns
from workflows.baa_acceptance import BaaAcceptance, BaaAcceptances
from workflows.baa_upkeep import BaaUpkeep
from workflows.books_proof import ProveBooks
from workflows.budget_reset import BudgetReset
from workflows.budget_schedules import BudgetSchedules
from workflows.budget_upkeep import BudgetUpkeep
from workflows.chat_run import ChatWorkflows, RunChat
from workflows.credential_cascade import Cascades, CredentialCascade
from workflows.credential_lifecycle import CredentialLifecycle, Lifecycles
from workflows.credential_upkeep import CredentialUpkeep
from workflows.end_user_erasure import EraseEndUser, ErasureWorkflows
from workflows.end_user_export import ExportEndUser, PersonExports
from workflows.end_user_upkeep import EndUserUpkeep
from workflows.file_processing import FileReadingWorkflows, ProcessFile
from workflows.hold_sweep import HoldSweep
from workflows.idempotency_upkeep import IdempotencyUpkeep
from workflows.key_notices import KeyNotices
from workflows.outbox_relay import OutboxRelay
from workflows.provider_probe import ProbeProviders
from workflows.queues import TaskQueue
from workflows.refusal_summary import RefusalSummary
from workflows.retention_purge import RetentionPurge
from workflows.webhook_replay import ReplayPage, ReplayWebhooks, WebhookReplays

log = structlog.get_logger()


async def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT, then drain.

    Raises `KeyringError`, `CatalogError`, or `OSError` for a taken health port; `OSError` or `ValueError` for a file of
    time-stamp roots that cannot be used.
    """
    logs.configure(settings.log_level)
    stopping = _stopped_by_signals()
    catalog = configured_catalog(settings)
    watch = CatalogWatch(catalog, read=lambda: configured_catalog(settings), files=lambda: catalog_files(settings))
    following = Service("catalog", lambda: watch.run(settings.catalog_poll_s))
    authority = TimeStampAuthority.configured(settings)
    storage = await Storage.open(settings)
    sealing = Sequencer(storage.pool, SystemClock(), signing_key(storage.keyring.audit))
    sequencer = Service("sequencer", sealing.run)
    sender = Sender.configured(settings)
    inference = WorkerInference(settings, storage, catalog, SystemClock())
    temporal = TemporalWork(
        settings,
        keys=storage.keyring.codec.keys,
        workers=lambda client: [
            *_workers(client, settings, storage, catalog, authority, inference),
            *webhook_workers(client, settings, storage, sender, _deployment()),
        ],
    )

    async def database() -> bool:
        return (await storage.health())["database"]

    async def sequencing() -> bool:
        return sequencer.alive and sealing.in_step and not sealing.overdue

    async def tombstones() -> bool:
        return storage.replay.is_done

    checks: dict[str, health.Check] = {"database": database, "temporal": temporal.healthy, "sequencer": sequencing}
    if storage.tombstones.path is not None:
        checks["tombstones"] = tombstones
    try:
        async with health.serving(settings.worker_health_port, checks), sequencer.running(), following.running():
            if await _done_before(stopping, storage.replay.run_until_done()):
                await temporal.run(stopping)
    finally:
        await sender.close()
        await inference.close()
        await storage.close()
    log.info("worker_stopped")


def _workers(
    client: Client,
    settings: Settings,
    storage: Storage,
    catalog: Catalog,
    authority: TimeStampAuthority | None,
    inference: WorkerInference,
) -> Sequence[Worker]:
    """One for each task queue but the webhooks'."""
    clock = SystemClock()
    signer = signing_key(storage.keyring.audit)
    checkpoints = AuditCheckpointActivities(storage.pool, clock, signer, authority)
    writing = ExportWriting(storage.pool, storage.cipher, clock, signer, settings.base_url)
    exports = AuditExportActivities(storage.pool, clock, writing)
    limiter = Limiter(read_tiers(settings.tiers_file), storage.rate_buckets, clock)
    apps = AppRunActivities(storage, catalog, limiter, inference)
    chats = ChatRunActivities(storage, limiter, inference, inference.toolbox)
    acceptances = BaaAcceptances(client)
    agreements = BaaActivities(storage, acceptances, settings, authority)
    books = BooksActivities(storage.pool)
    budgets = BudgetActivities(storage.pool, clock, BudgetSchedules(client))
    certificates = ErasureCertificates(storage, settings, authority)
    erasures = EndUserErasureActivities(
        storage, certificates, ErasureWorkflows(client), backup_keep_days=settings.backup_keep_days
    )
    person_exports = EndUserExportActivities(storage)
    files = FileProcessingActivities(storage, inference.guard)
    embedding = FileEmbeddingActivities(storage, inference.meanings)
    holds = HoldActivities(storage.pool, clock)
    idempotency = IdempotencyActivities(storage.pool, clock)
    notices = KeyNoticeActivities(storage.pool, clock)
    lives, credential_cascades = Lifecycles(client), Cascades(client)
    credentials = CredentialLifecycleActivities(storage.pool, clock, lives)
    cascades = CredentialCascadeActivities(storage.pool, clock, credential_cascades, lives)
    asked_for = Starting(
        {
            EventType.AGENT_CASCADE_BEGUN: starts_cascade(credential_cascades),
            **app_run_starts(AppWorkflows(client)),
            **chat_run_starts(ChatWorkflows(client)),
            **life_starts(lives),
            EventType.AUDIT_EXPORT_REQUESTED: starts_export(AuditExportRuns(client)),
            EventType.BAA_ACCEPTED: starts_acceptance(acceptances),
            EventType.END_USER_ERASURE_REQUESTED: starts_erasure(ErasureWorkflows(client)),
            EventType.FILE_UPLOADED: starts_reading(FileReadingWorkflows(client)),
            **export_starts(PersonExports(client)),
            EventType.WEBHOOK_REPLAY_CHANGED: wakes_replay(WebhookReplays(client)),
        },
        then=EventLog(),
    )
    outbox = OutboxActivities(storage.pool, clock, asked_for, kept=timedelta(days=settings.webhook_keep_days))
    providers = ProviderProbeActivities(ProviderProbe(catalog, settings.sandbox_url), storage.provider_health, clock)
    refusals = RefusalActivities(storage.pool, clock)
    retention = RetentionActivities(storage.pool, clock)
    replays = WebhookReplayActivities(storage)
    drain = timedelta(seconds=settings.worker_drain_s)
    return [
        Worker(
            client,
            task_queue=TaskQueue.UPKEEP,
            workflows=[
                BaaAcceptance,
                BaaUpkeep,
                BudgetReset,
                BudgetUpkeep,
                CheckpointAudit,
                CredentialCascade,
                CredentialLifecycle,
                CredentialUpkeep,
                EndUserUpkeep,
                EraseEndUser,
                ExportAudit,
                ExportEndUser,
                HoldSweep,
                IdempotencyUpkeep,
                KeyNotices,
                OutboxRelay,
                ProbeProviders,
                ProcessFile,
                ProveBooks,
                RefusalSummary,
                ReplayPage,
                ReplayWebhooks,
                RetentionPurge,
                RunApp,
                RunChat,
            ],
            activities=[
                agreements.activate,
                agreements.keep_page,
                agreements.renew_page,
                agreements.start_page,
                apps.begin,
                apps.finish,
                books.prove_page,
                chats.begin,
                chats.finish,
                budgets.close_period,
                budgets.schedule_page,
                cascades.finish,
                cascades.look,
                cascades.recheck,
                cascades.start_page,
                cascades.sweep,
                cascades.wake,
                checkpoints.checkpoint_page,
                credentials.end,
                credentials.look,
                credentials.start_page,
                credentials.warn,
                erasures.remove,
                erasures.restrict,
                erasures.scan,
                erasures.shred,
                erasures.start_page,
                exports.forget,
                exports.write,
                holds.expire_page,
                idempotency.forget,
                notices.tell_page,
                person_exports.destroy,
                person_exports.give_up,
                person_exports.write,
                outbox.relay,
                outbox.forget,
                refusals.sum_up_page,
                replays.finish,
                replays.queue,
                replays.step,
                replays.take_back,
                replays.untried,
                retention.due_page,
                retention.purge_organization,
            ],
            graceful_shutdown_timeout=drain,
            deployment_config=_deployment(),
        ),
        reading_worker(client, files, drain=drain, deployment=_deployment()),
        inference_worker(client, [apps.step, chats.round, chats.tool], drain=drain, deployment=_deployment()),
        Worker(
            client,
            task_queue=TaskQueue.OUTBOUND,
            activities=[
                agreements.make_document,
                checkpoints.stamp_page,
                embedding.embed,
                erasures.certify,
                providers.probe,
            ],
            graceful_shutdown_timeout=drain,
            deployment_config=_deployment(),
        ),
    ]


def _deployment() -> WorkerDeploymentConfig:
    """Names the build by its version: left to itself the SDK hashes every loaded module, most of a second."""
    release = WorkerDeploymentVersion(deployment_name="hasp", build_id=version("hasp"))
    return WorkerDeploymentConfig(version=release, use_worker_versioning=False)


async def _done_before(stopping: asyncio.Event, work: Coroutine[None, None, None]) -> bool:
    """Whether `work` came to its end before the worker was told to stop. Raises what it raised."""
    working, told = asyncio.create_task(work), asyncio.create_task(stopping.wait())
    await asyncio.wait({working, told}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if not working.done():
        working.cancel()
        return False
    await working
    return True


def _stopped_by_signals() -> asyncio.Event:
    """Set by SIGTERM and SIGINT. Both explicitly: a shell starts background jobs with SIGINT ignored."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stopping.set)
    return stopping
