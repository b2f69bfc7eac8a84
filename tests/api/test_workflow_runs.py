"""Workflows run to their end: through HTTP, Temporal, the pipeline and the sandbox, with workers that die over them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment, WorkflowEnvironment
from temporalio.worker import Worker

from activities.app_run import AppJob, AppRunActivities, AppStep, app_run_starts
from gateway.apps.jobs import tries_of
from gateway.audit import AuditAction
from gateway.catalog import shipped_catalog
from gateway.clock import SystemClock
from gateway.ids import EventId, JobId, new_uuid
from gateway.inference.call import Call, Surface
from gateway.limits.limiter import Limiter
from gateway.limits.tiers import read_tiers
from gateway.settings import Settings
from gateway.tenancy import PhiMode, StorageMode
from storage.files.processing import FileProcessing
from storage.onboarding import change_policy
from storage.outbox import OutboxEvent
from storage.pool import fetch
from tests.api.apps import HAIKU, WORKFLOW, Desk, make_desk, make_marker
from tests.gateway_server import GatewayServer
from tests.tenants import make_conversation
from tests.workflows.conftest import KEYS, encrypting
from tests.workflows.credentials import Dying
from worker.inference import WorkerInference
from workflows.app_run import AppWorkflows, RunApp, workflow_id
from workflows.queues import TaskQueue

Json = dict[str, Any]
SSN = "219-09-9999"


@pytest.fixture
def client(temporal_env: WorkflowEnvironment) -> Client:
    return encrypting(temporal_env.client, KEYS)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def activities(gateway_server: GatewayServer, server_settings: Settings) -> AsyncIterator[AppRunActivities]:
    settings = server_settings.model_copy(update={"phi_scanners": 1})
    storage, catalog = gateway_server.storage, shipped_catalog()
    inference = WorkerInference(settings, storage, catalog, SystemClock())
    limiter = Limiter(read_tiers(settings.tiers_file), storage.rate_buckets, SystemClock())
    yield AppRunActivities(storage, catalog, limiter, inference)
    await inference.close()


@asynccontextmanager
async def working(client: Client, steps: Any) -> AsyncGenerator[None]:
    upkeep = Worker(client, task_queue=TaskQueue.UPKEEP, workflows=[RunApp], activities=[steps.begin, steps.finish])
    soon = timedelta(milliseconds=100)
    async with (
        upkeep,
        Worker(client, task_queue=TaskQueue.INFERENCE, activities=[steps.step], max_heartbeat_throttle_interval=soon),
    ):
        yield


def step_of(name: str, body: str, *depends_on: str, model: str | None = None) -> tuple[Json, Json]:
    step = {"id": name, "config": {"model": model}, "prompt_sections": [{"body": body}]}
    return step, {"step_id": name, "depends_on": [*depends_on]}


async def make(desk: Desk, *steps: tuple[Json, Json]) -> str:
    made = [step for step, _ in steps], [dependency for _, dependency in steps]
    return await desk.make(WORKFLOW | {"steps": made[0], "dependencies": made[1]})


async def begun(desk: Desk, app: str, note: str) -> str:
    body = {"app_id": app, "inputs": {"note": note}}
    return (await desk.send("POST", "/workflows/run", body, prefer="respond-async")).json()["job_id"]


async def tell(client: Client, desk: Desk, job: str, kind: str = "app_job.requested") -> WorkflowHandle[Any, str]:
    """As the outbox does it, which may do so twice."""
    event = OutboxEvent(EventId("01EVENT"), desk.tenant.org, kind, {"job_id": job}, SystemClock().now(), attempts=1)
    start = app_run_starts(AppWorkflows(client))[kind]
    await start(event)
    await start(event)
    return client.get_workflow_handle_for(RunApp.run, workflow_id(job))


async def ended(client: Client, desk: Desk, app: str, note: str) -> Json:
    """A whole job, as its caller sees it."""
    job = await begun(desk, app, note)
    await (await tell(client, desk, job)).result()
    return await shown(desk, job)


async def shown(desk: Desk, job: str) -> Json:
    return (await desk.send("GET", f"/workflows/{job}")).json()


async def upload(desk: Desk, pieces: Sequence[str]) -> str:
    """A file of which these pieces were read."""
    storage = desk.server.storage
    access = await storage.access.resolve(desk.tenant.token)
    async with storage.begin(access.principal) as tx:
        file = await tx.files.add(access, "scan.txt", b"as it came", by=None)
        tx.audit(AuditAction.APP_UPDATED, entity_type="file", entity_id=file.id)
    processing = FileProcessing(storage.pool, storage.cipher, storage.clock)
    found = await processing.look(desk.tenant.org, file.id)
    assert found is not None
    await processing.keep(desk.tenant.org, file.id, found, pieces, {})
    return file.id


def heard(desk: Desk, marker: str) -> list[str]:
    """What the vendor was asked of what has `marker`, oldest first."""
    return [body for each in desk.server.sandbox.requests() if marker in (body := str(each["body"]))]


async def bills(desk: Desk) -> Sequence[int]:
    rows = await fetch(
        desk.server.storage.pool, "select credits from usage_records where org_id = %s order by id", [desk.tenant.org]
    )
    return [row[0] for row in rows]


def states(job: Json) -> list[str]:
    return [step["status"] for step in job["steps"]]


@pytest.mark.parametrize("dies", [False, True], ids=["worker stays", "worker dies at every step"])
async def test_each_step_is_asked_with_what_earlier_ones_said_and_paid_for_once(
    gateway_server: GatewayServer, client: Client, activities: AppRunActivities, dies: bool
) -> None:
    desk, marker = await make_desk(gateway_server), make_marker()
    app = await make(
        desk,
        step_of("one", "First {{inputs.note}}"),
        step_of("two", "Second {{inputs.note}}", model=HAIKU),
        step_of("both", "Of {{steps.one.output}} and {{steps.two.output}}", "one", "two"),
    )

    async with working(client, Dying(activities) if dies else activities):
        job = await ended(client, desk, app, marker)

    one, two = f"Echo: First {marker}", f"Echo: Second {marker}"
    assert (job["status"], job["error"]) == ("completed", None)
    assert job["outputs"] == {"both": f"Echo: Of {one} and {two}"}
    assert [step["output"] for step in job["steps"]] == [one, two, job["outputs"]["both"]]
    assert len(heard(desk, marker)) == 3
    records = [await desk.send("GET", f"/ai/messages/{step['message_id']}") for step in job["steps"]]
    assert [record.json()["data"]["content"] for record in records] == [
        [{"type": "text", "text": step["output"]}] for step in job["steps"]
    ]
    paid = await bills(desk)
    assert len(paid) == 3
    assert job["usage"]["credits"] == sum(paid) == sum(step["usage"]["credits"] for step in job["steps"]) > 0


async def test_a_call_whose_worker_died_over_it_is_made_again_and_paid_for_once(
    gateway_server: GatewayServer, client: Client, activities: AppRunActivities
) -> None:
    desk, marker = await make_desk(gateway_server), make_marker()
    job = await begun(desk, await make(desk, step_of("one", "First {{inputs.note}}")), marker)
    access = await gateway_server.storage.access.resolve(desk.tenant.token)
    (left, *_), now = tries_of(JobId(job), 0), SystemClock().now()
    call = Call(left, access, Surface.HARNESS, HAIKU, make_conversation(), now)
    # What a worker leaves that was killed while the provider answered.
    await gateway_server.storage.journal.open(call, shipped_catalog().get(HAIKU), 1_000)

    async with working(client, activities):
        await (await tell(client, desk, job)).result()

    assert (await shown(desk, job))["outputs"] == {"one": f"Echo: First {marker}"}
    holds = "select id, state from credit_holds where org_id = %s"
    assert await fetch(gateway_server.storage.pool, holds, [desk.tenant.org]) == [(left, "settled")]
    assert len(await bills(desk)) == 1


async def test_a_step_that_four_workers_take_at_once_is_paid_for_once(
    gateway_server: GatewayServer, activities: AppRunActivities
) -> None:
    desk, marker = await make_desk(gateway_server), make_marker()
    job = AppJob(desk.tenant.org, await begun(desk, await make(desk, step_of("one", "{{inputs.note}}")), marker))
    await ActivityEnvironment().run(activities.begin, job)

    await asyncio.gather(*(ActivityEnvironment().run(activities.step, AppStep(job, 0)) for _ in range(4)))

    assert (await shown(desk, job.id))["steps"][0]["output"] == f"Echo: {marker}"
    assert len(await bills(desk)) == 1
    settled = "select count(*), sum(charged) from credit_holds where org_id = %s"
    assert await fetch(gateway_server.storage.pool, settled, [desk.tenant.org]) == [(1, (await bills(desk))[0])]


async def test_an_answer_that_nobody_wrote_down_is_not_asked_for_again(
    gateway_server: GatewayServer, activities: AppRunActivities
) -> None:
    desk, marker = await make_desk(gateway_server), make_marker()
    job = AppJob(desk.tenant.org, await begun(desk, await make(desk, step_of("one", "{{inputs.note}}")), marker))
    await ActivityEnvironment().run(activities.begin, job)
    await ActivityEnvironment().run(activities.step, AppStep(job, 0))
    # What a worker leaves that was killed after its call was settled.
    await fetch(gateway_server.storage.pool, "update app_job_steps set state = 'running' where job_id = %s", [job.id])

    await ActivityEnvironment().run(activities.step, AppStep(job, 0))

    assert states(await shown(desk, job.id)) == ["completed"]
    assert len(heard(desk, marker)) == 1


async def test_a_step_that_a_worker_stops_over_is_done_by_the_next_and_paid_for_once(
    gateway_server: GatewayServer, client: Client, activities: AppRunActivities, temporal_env: WorkflowEnvironment
) -> None:
    desk, marker = await make_desk(gateway_server), make_marker()
    job = await begun(desk, await make(desk, step_of("one", "[[sandbox: first_delay_ms=300]] {{inputs.note}}")), marker)

    with temporal_env.with_time_skipping_disabled():
        async with working(client, activities):
            handle = await tell(client, desk, job)
            while not heard(desk, marker):  # noqa: ASYNC110 - the sandbox tells no event
                await asyncio.sleep(0.02)
        async with working(client, activities):
            assert await handle.result() == "completed"

    assert (await shown(desk, job))["outputs"] == {"one": f"Echo: {marker}"}
    assert len(await bills(desk)) == 1


async def test_a_provider_that_fails_is_asked_again_in_a_call_of_its_own(
    gateway_server: GatewayServer, client: Client, activities: AppRunActivities
) -> None:
    desk, marker = await make_desk(gateway_server), make_marker()
    app = await make(desk, step_of("one", "[[sandbox: script=400,ok]] {{inputs.note}}"))

    async with working(client, Busy(activities)):
        job = await ended(client, desk, app, marker)

    first, second, *_ = tries_of(JobId(job["job_id"]), 0)
    assert (job["status"], states(job)) == ("completed", ["completed"])
    holds = "select id, state from credit_holds where org_id = %s"
    found = dict(await fetch(gateway_server.storage.pool, holds, [desk.tenant.org]))
    assert found == {first: "voided", second: "settled"}
    assert len(await bills(desk)) == 1


async def test_what_a_vendor_says_of_a_refusal_is_told_nowhere(
    gateway_server: GatewayServer, client: Client, activities: AppRunActivities
) -> None:
    desk, marker = await make_desk(gateway_server), make_marker()
    app = await make(desk, step_of("one", "[[sandbox: error=400]] {{inputs.note}}"))

    async with working(client, activities):
        job = await ended(client, desk, app, marker)

    assert job["error"] == {"code": "PROVIDER_REJECTED", "message": "The model provider rejected the request."}


async def test_a_step_that_fails_ends_the_job_and_what_was_answered_is_paid_for(
    gateway_server: GatewayServer, client: Client, activities: AppRunActivities
) -> None:
    desk, marker = await make_desk(gateway_server), make_marker()
    app = await make(
        desk,
        step_of("good", "Good {{inputs.note}}"),
        step_of("bad", "[[sandbox: error=400]] Bad {{steps.good.output}}", "good"),
        step_of("never", "Never {{steps.bad.output}}", "bad"),
    )

    async with working(client, activities):
        job = await ended(client, desk, app, marker)

    assert (job["status"], states(job)) == ("failed", ["completed", "failed", "cancelled"])
    assert job["error"] == job["steps"][1]["error"]
    assert job["error"]["code"] == "PROVIDER_REJECTED"
    assert (job["outputs"], job["steps"][0]["output"]) == (None, f"Echo: Good {marker}")
    assert await bills(desk) == [job["usage"]["credits"]]
    assert not any("Never" in body for body in heard(desk, marker))


async def test_a_job_that_is_cancelled_ends_its_steps_and_begins_no_more(
    gateway_server: GatewayServer, client: Client, activities: AppRunActivities, temporal_env: WorkflowEnvironment
) -> None:
    desk, marker = await make_desk(gateway_server), make_marker()
    slow = Slow(activities)
    app = await make(desk, step_of("slow", "{{inputs.note}}"), step_of("never", "{{steps.slow.output}}", "slow"))
    job = await begun(desk, app, marker)

    async with working(client, slow):
        with temporal_env.with_time_skipping_disabled():
            handle = await tell(client, desk, job)
            await slow.began.wait()
            told = await desk.send("DELETE", f"/workflows/{job}")
            await tell(client, desk, job, "app_job.cancelled")
            state = await handle.result()

    assert (told.json()["status"], state) == ("cancelled", "cancelled")
    found = await shown(desk, job)
    assert (found["status"], states(found)) == ("cancelled", ["cancelled", "cancelled"])
    assert heard(desk, marker) == []


async def test_a_job_that_was_cancelled_before_it_began_is_never_run(
    gateway_server: GatewayServer, client: Client, activities: AppRunActivities
) -> None:
    desk, marker = await make_desk(gateway_server), make_marker()
    job = await begun(desk, await make(desk, step_of("one", "{{inputs.note}}")), marker)
    await desk.send("DELETE", f"/workflows/{job}")

    async with working(client, activities):
        await (await tell(client, desk, job, "app_job.cancelled")).result()
        await tell(client, desk, job)

    assert (await shown(desk, job))["status"] == "cancelled"
    assert heard(desk, marker) == []


async def test_no_step_is_asked_for_a_key_that_was_revoked(
    gateway_server: GatewayServer, client: Client, activities: AppRunActivities
) -> None:
    desk, marker = await make_desk(gateway_server), make_marker()
    job = await begun(desk, await make(desk, step_of("one", "{{inputs.note}}")), marker)
    await desk.send("DELETE", f"/api_keys/{desk.tenant.key.id}")

    async with working(client, activities):
        assert await (await tell(client, desk, job)).result() == "failed"

    errors = "select error_code from app_jobs where id = %s"
    assert await fetch(gateway_server.storage.pool, errors, [job]) == [("INVALID_API_KEY",)]
    assert heard(desk, marker) == []


async def test_nothing_that_names_somebody_reaches_the_provider_and_values_come_back(
    gateway_server: GatewayServer, client: Client, activities: AppRunActivities
) -> None:
    desk, marker = await make_desk(gateway_server), make_marker()
    app = await make(desk, step_of("one", "{{inputs.note}}"), step_of("two", "Of {{steps.one.output}}", "one"))

    async with working(client, activities):
        job = await ended(client, desk, app, f"see {marker} for the SSN {SSN}")

    assert job["outputs"] == {"two": f"Echo: Of Echo: see {marker} for the SSN {SSN}"}
    assert len(heard(desk, marker)) == 2
    assert not any(SSN in body for body in heard(desk, marker))


async def test_an_organisation_that_keeps_nothing_any_more_has_its_jobs_fail(
    gateway_server: GatewayServer, client: Client, activities: AppRunActivities
) -> None:
    desk, marker = await make_desk(gateway_server), make_marker()
    job = await begun(desk, await make(desk, step_of("one", "{{inputs.note}}")), marker)
    await change_policy(gateway_server.storage, desk.tenant.org, {"storage_mode": StorageMode.NONE})

    async with working(client, activities):
        await (await tell(client, desk, job)).result()

    assert (await shown(desk, job))["error"]["code"] == "JOB_NOT_STORABLE"
    assert heard(desk, marker) == []


async def test_a_file_stands_for_its_text(
    gateway_server: GatewayServer, client: Client, activities: AppRunActivities
) -> None:
    desk, marker = await make_desk(gateway_server), make_marker()
    scan = {"variable_name": "scan", "variable_type": "file_upload"}
    step, _ = step_of("one", "Read {{inputs.scan}}")
    app = await desk.make(WORKFLOW | {"user_inputs": [scan], "steps": [step], "dependencies": list[Json]()})
    file, unread = await upload(desk, [f"First {marker}", "and second"]), new_uuid()

    refused = await desk.send("POST", "/workflows/run", {"app_id": app, "inputs": {"scan": unread}})
    begun = await desk.send("POST", "/workflows/run", {"app_id": app, "inputs": {"scan": file}}, prefer="wait=0")
    async with working(client, activities):
        await (await tell(client, desk, begun.json()["job_id"])).result()

    assert (refused.status, refused.json()["error"]["code"]) == (404, "RESOURCE_NOT_FOUND")
    assert (await shown(desk, begun.json()["job_id"]))["outputs"] == {"one": f"Echo: Read First {marker}\nand second"}


async def test_where_identifiers_are_blocked_a_job_fails_for_that(
    gateway_server: GatewayServer, client: Client, activities: AppRunActivities
) -> None:
    desk = await make_desk(gateway_server, phi_mode=PhiMode.BLOCK)
    app = await make(desk, step_of("one", "{{inputs.note}}"))

    async with working(client, activities):
        job = await ended(client, desk, app, f"SSN {SSN}")

    assert (job["status"], job["error"]["code"]) == ("failed", "PHI_BLOCKED")
    assert await bills(desk) == []


async def test_nothing_but_ids_is_in_the_history_of_a_run(
    gateway_server: GatewayServer, client: Client, activities: AppRunActivities
) -> None:
    desk = await make_desk(gateway_server)
    app = await make(desk, step_of("one", "{{inputs.note}}"))
    job = await begun(desk, app, "Quillfeather")

    async with working(client, activities):
        handle = await tell(client, desk, job)
        await handle.result()

    history = await handle.fetch_history()
    inputs = [event.activity_task_scheduled_event_attributes.input.payloads for event in history.events]
    told = [await client.data_converter.decode([*payloads]) for payloads in inputs if payloads]
    assert str(told).count(job) == 3
    assert "Quillfeather" not in str(told) + history.to_json()


class Slow:
    """A step that is under way until it is ended."""

    def __init__(self, real: AppRunActivities) -> None:
        self.begin, self.finish = real.begin, real.finish
        self.began = asyncio.Event()

    @activity.defn(name="app.step")
    async def step(self, step: AppStep) -> None:
        self.began.set()
        while True:
            activity.heartbeat()
            await asyncio.sleep(0.05)


class Busy:
    """Whose provider has no room the first time."""

    def __init__(self, real: AppRunActivities) -> None:
        self.begin, self.finish = real.begin, real.finish
        self._real = real

    @activity.defn(name="app.step")
    async def step(self, step: AppStep) -> None:
        if activity.info().attempt == 1:
            try:
                await self._real.step(step)
            except ApplicationError:
                raise ApplicationError("busy", type="INFERENCE_UNAVAILABLE") from None
        await self._real.step(step)
