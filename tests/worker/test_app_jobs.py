"""Jobs of a worker process that is killed over them: another goes on, and nothing is paid for twice."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from temporalio.client import Client
from temporalio.worker import Worker

from activities.app_run import AppRunActivities
from gateway.apps.definition import AppDefinition, PromptSection, Step
from gateway.apps.jobs import Job
from gateway.apps.rendering import Inputs
from gateway.audit import AuditAction
from gateway.catalog import shipped_catalog
from gateway.clock import SystemClock
from gateway.events import Event, EventType
from gateway.limits.limiter import Limiter
from gateway.limits.tiers import read_tiers
from gateway.settings import Settings
from storage import Storage
from storage.pool import fetch
from tests.api.apps import make_marker
from tests.tenants import HAIKU, Tenant, make_tenant
from tests.upstream import SandboxServer
from tests.worker.conftest import worker_process
from worker.inference import WorkerInference
from workflows.app_run import RunApp, workflow_id
from workflows.queues import TaskQueue

SLOW = "[[sandbox: first_delay_ms=2000]]"


async def ask(storage: Storage, tenant: Tenant, *bodies: str) -> Job:
    """A job of steps one after the other, asked for as the API does."""
    access = await storage.access.resolve(tenant.token)
    steps = tuple(
        Step(f"s{place}", "", place, None, (PromptSection(0, body),), (f"s{place - 1}",) if place else ())
        for place, body in enumerate(bodies)
    )
    async with storage.begin(access.principal) as tx:
        app = await tx.apps.add("Referral", None, AppDefinition(HAIKU.id, steps=steps), by=tx.actor)
        job = await tx.app_jobs.open_job(access, app, Inputs({}, {}))
        tx.audit(AuditAction.APP_JOB_REQUESTED, entity_type="app_job", entity_id=job.id)
        tx.tell(Event(EventType.APP_JOB_REQUESTED, {"job_id": job.id}))
    return job


async def found(storage: Storage, tenant: Tenant, job: Job) -> Job:
    access = await storage.access.resolve(tenant.token)
    async with storage.read(access.principal) as tx:
        return await tx.app_jobs.get(job.id, access)


@asynccontextmanager
async def working(client: Client, storage: Storage, settings: Settings) -> AsyncGenerator[None]:
    """A worker of this process."""
    catalog, clock = shipped_catalog(), SystemClock()
    inference = WorkerInference(settings, storage, catalog, clock)
    limiter = Limiter(read_tiers(settings.tiers_file), storage.rate_buckets, clock)
    steps = AppRunActivities(storage, catalog, limiter, inference)
    async with (
        Worker(client, task_queue=TaskQueue.UPKEEP, workflows=[RunApp], activities=[steps.begin, steps.finish]),
        Worker(client, task_queue=TaskQueue.INFERENCE, activities=[steps.step]),
    ):
        yield
    await inference.close()


async def test_a_job_whose_worker_is_killed_over_a_step_is_done_by_another(
    storage: Storage, worker_settings: Settings, upkeep: Client, sandbox_server: SandboxServer
) -> None:
    tenant, marker = await make_tenant(storage), make_marker()
    settings = worker_settings.model_copy(update={"sandbox_url": sandbox_server.url, "phi_scanners": 1})
    job = await ask(storage, tenant, f"First {marker}", f"{SLOW} Second {marker}")

    def heard(word: str) -> int:
        return sum(f"{word} {marker}" in str(each["body"]) for each in sandbox_server.requests())

    async with worker_process(settings) as worker:
        while not heard("Second"):  # noqa: ASYNC110 - the sandbox tells no event
            await asyncio.sleep(0.1)
        worker.process.kill()
    async with working(upkeep, storage, settings):
        await upkeep.get_workflow_handle(workflow_id(job.id)).result()

    done = await found(storage, tenant, job)
    assert done.outputs == {"s1": f"Echo: Second {marker}"}
    assert (heard("First"), heard("Second")) == (1, 2)
    paid = await fetch(storage.pool, "select credits from usage_records where org_id = %s", [tenant.org])
    assert len(paid) == 2
    assert done.usage.credits == sum(row[0] for row in paid)
    holds = await fetch(storage.pool, "select state from credit_holds where org_id = %s", [tenant.org])
    assert holds == [("settled",), ("settled",)]
