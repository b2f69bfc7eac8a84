"""Jobs in the database: gone with their day, counted once whoever moves them, and never woken."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import pytest
from ulid import ULID

from gateway.apps.definition import AppDefinition, PromptSection, Step
from gateway.apps.jobs import Failure, Job, JobState, StepState, tries_of
from gateway.apps.rendering import Inputs
from gateway.audit import AuditAction
from gateway.errors import InvalidApiKeyError
from gateway.settings import Settings
from gateway.tenancy import Caller
from storage import Storage
from storage.apps import jobs
from storage.apps.running import RunningJobs
from storage.pool import fetch
from tests.agents import make_credential
from tests.storage.past import purged, retaining
from tests.tenants import HAIKU, Tenant, make_tenant

NOW = datetime.now(UTC)


async def ask(storage: Storage, tenant: Tenant, steps: int = 2) -> Job:
    """A job of steps of which each waits for the one before it."""
    access = await storage.access.resolve(tenant.token)
    made = tuple(
        Step(f"s{place}", "", place, None, (PromptSection(0, "Hi"),), (f"s{place - 1}",) if place else ())
        for place in range(steps)
    )
    async with storage.begin(access.principal) as tx:
        app = await tx.apps.add("App", None, AppDefinition(HAIKU.id, steps=made), by=tx.actor)
        job = await tx.app_jobs.open_job(access, app, Inputs({}, {}))
        tx.audit(AuditAction.APP_JOB_REQUESTED, entity_type="app_job", entity_id=job.id)
    return job


async def seen(storage: Storage, tenant: Tenant, job: Job) -> Job:
    access = await storage.access.resolve(tenant.token)
    async with storage.read(access.principal) as tx:
        return await tx.app_jobs.get(job.id, access)


def running(storage: Storage) -> RunningJobs:
    return RunningJobs(storage.pool, storage.cipher, storage.clock)


async def test_a_job_goes_with_its_day_once_it_has_ended(
    storage: Storage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant, past = await retaining(storage, 30), NOW - timedelta(days=40)
    monkeypatch.setattr(jobs, "new_ulid", lambda: str(ULID.from_datetime(past)))
    ended, runs = [await ask(storage, tenant) for _ in range(2)]
    monkeypatch.undo()
    kept = await ask(storage, tenant)
    await running(storage).begin(tenant.org, runs.id)
    await running(storage).finish(tenant.org, ended.id, JobState.COMPLETED, error=None)

    steps = await purged(storage, tenant, NOW)

    left = await fetch(storage.pool, "select id from app_jobs where org_id = %s order by id", [tenant.org])
    assert left == [(runs.id,), (kept.id,)]
    assert sum(step.jobs for step in steps) == 1
    # A process that has the day's key forgets it in a minute.
    another = await Storage.open(settings)
    try:
        assert await running(another).look(tenant.org, runs.id) is None
        assert (await seen(another, tenant, runs)).steps[0].id == "0"
    finally:
        await another.close()


async def test_a_job_that_has_ended_is_not_woken(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    job, moves = await ask(storage, tenant), running(storage)
    await moves.begin(tenant.org, job.id)
    (first, *_) = tries_of(job.id, 0)
    await moves.begin_step(tenant.org, job.id, 0, first)

    await moves.finish(tenant.org, job.id, JobState.FAILED, place=0, error=Failure("CODE", "Words."))
    await moves.finish(tenant.org, job.id, JobState.COMPLETED, error=None)

    found = await seen(storage, tenant, job)
    assert (found.state, found.error) == (JobState.FAILED, Failure("CODE", "Words."))
    assert [(step.state, step.error) for step in found.steps] == [
        (StepState.FAILED, found.error),
        (StepState.CANCELLED, None),
    ]
    assert await moves.begin(tenant.org, job.id) is None
    assert not await moves.begin_step(tenant.org, job.id, 1, first)
    assert await moves.look(tenant.org, job.id) is None


async def test_cancelling_and_beginning_a_step_at_once_leave_one_of_them(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    access = await storage.access.resolve(tenant.token)
    job, moves = await ask(storage, tenant, steps=20), running(storage)
    await moves.begin(tenant.org, job.id)

    async def cancel() -> None:
        async with storage.begin(access.principal) as tx:
            await tx.app_jobs.cancel(job.id, access)
            tx.audit(AuditAction.APP_JOB_CANCELLED, entity_type="app_job", entity_id=job.id)

    async def begin(place: int) -> bool:
        return await moves.begin_step(tenant.org, job.id, place, tries_of(job.id, place)[0])

    *begun, _ = await asyncio.gather(*map(begin, range(20)), cancel())

    found = await seen(storage, tenant, job)
    assert found.state is JobState.CANCELLED
    assert [step.state is StepState.RUNNING for step in found.steps] == begun


async def test_a_job_of_another_organisation_is_not_moved(storage: Storage) -> None:
    tenant, stranger = await make_tenant(storage), await make_tenant(storage)
    job, moves = await ask(storage, tenant), running(storage)

    assert await moves.begin(stranger.org, job.id) is None
    await moves.finish(stranger.org, job.id, JobState.FAILED, error=Failure("CODE", "Words."))

    assert (await seen(storage, tenant, job)).state is JobState.QUEUED


async def test_whoever_asked_may_do_by_now_what_their_token_may(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    agent = await make_credential(storage, tenant.org)

    for token in (tenant.token, agent.token):
        access = await storage.access.resolve(token)
        assert await storage.standing.access_of(Caller.of(access.principal)) == access


@pytest.mark.parametrize("change", ["revoked_at = now()", "expires_at = now() - interval '1 second'", "id = id || 'x'"])
async def test_whose_key_is_gone_may_do_nothing(storage: Storage, change: LiteralString) -> None:
    tenant = await make_tenant(storage)
    caller = Caller.of((await storage.access.resolve(tenant.token)).principal)
    await fetch(storage.pool, f"update api_keys set {change} where org_id = %s", [tenant.org])

    with pytest.raises(InvalidApiKeyError):
        await storage.standing.access_of(caller)
