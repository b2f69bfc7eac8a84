"""Runs of workflows: the steps of `app.run`. Only ids and places come and go; what is said stays in the database."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from temporalio import activity

from activities.heartbeat import beating
from activities.starting import Start
from activities.surface import surfaced
from gateway.apps.asking import asked, chosen_model
from gateway.apps.definition import Step
from gateway.apps.jobs import Failure, JobsNotKeptError, JobState, tries_of
from gateway.apps.rendering import rendered, variables_in
from gateway.catalog import Catalog
from gateway.errors import NotFoundError, PhiBlockedError, ProviderRejectedError, TriesUsedUpError
from gateway.events import EventType
from gateway.ids import InferenceId, JobId, OrganizationId
from gateway.inference.call import Call, Surface
from gateway.inference.composing import Inference
from gateway.limits.limiter import Limiter
from gateway.tenancy import StorageMode
from storage import Storage
from storage.apps.file_texts import file_texts
from storage.apps.running import OpenJob, RunningJobs
from storage.outbox import OutboxEvent


@dataclass(frozen=True, slots=True)
class AppJob:
    org: str
    id: str


@dataclass(frozen=True, slots=True)
class AppStep:
    job: AppJob
    place: int


@dataclass(frozen=True, slots=True)
class Plan:
    """For each step the places of those that it waits for; None: there is nothing to be run any more."""

    waits_for: Sequence[Sequence[int]] | None


@dataclass(frozen=True, slots=True)
class Ending:
    """`place` is the step that failed; `code` and `message` are a `GatewayError`'s."""

    job: AppJob
    state: str
    place: int | None = None
    code: str | None = None
    message: str | None = None


class AppRuns(Protocol):
    """What runs jobs."""

    async def start(self, job: AppJob) -> None:
        """Have it run. Asked twice, it is run once."""
        ...

    async def cancel(self, job: AppJob) -> None:
        """Have what runs of it ended. May be asked for at any time, and again."""
        ...


def app_run_starts(runs: AppRuns) -> dict[str, Start]:
    """By the types of the events that tell of jobs."""
    return {
        EventType.APP_JOB_REQUESTED: lambda event: runs.start(_told_of(event)),
        EventType.APP_JOB_CANCELLED: lambda event: runs.cancel(_told_of(event)),
    }


def _told_of(event: OutboxEvent) -> AppJob:
    return AppJob(event.org, str(event.data["job_id"]))


class AppRunActivities:
    """Each is safe to run twice, also at once: a step's calls have ids of their own, and each is billed once."""

    def __init__(
        self, storage: Storage, catalog: Catalog, limiter: Limiter, inference: Callable[[], Awaitable[Inference]]
    ) -> None:
        self._storage = storage
        self._jobs = RunningJobs(storage.pool, storage.cipher, storage.clock)
        self._catalog = catalog
        self._limiter = limiter
        self._inference = inference

    @activity.defn(name="app.begin")
    @surfaced
    async def begin(self, job: AppJob) -> Plan:
        return Plan(await self._jobs.begin(OrganizationId(job.org), JobId(job.id)))

    @activity.defn(name="app.step")
    @surfaced
    async def step(self, step: AppStep) -> None:
        """One call of a model, with what earlier steps said. Nothing happens once the job has ended.

        A call that was answered before its worker died is not made again; one that was not is made under the same id.
        """
        async with beating():
            opened = await self._jobs.look(OrganizationId(step.job.org), JobId(step.job.id))
            if opened is not None:
                try:
                    await self._made(step, opened)
                except ProviderRejectedError:
                    # Its own words, which may be of what was asked, are for callers alone: not for Temporal's history.
                    raise ProviderRejectedError from None

    @activity.defn(name="app.finish")
    @surfaced
    async def finish(self, ending: Ending) -> None:
        """Write down how it ended, unless it is written down."""
        failed = ending.code is not None and ending.message is not None
        await self._jobs.finish(
            OrganizationId(ending.job.org),
            JobId(ending.job.id),
            JobState(ending.state),
            place=ending.place,
            error=Failure(ending.code or "", ending.message or "") if failed else None,
        )

    async def _made(self, step: AppStep, opened: OpenJob) -> None:
        org, job, place = opened.caller.org, JobId(step.job.id), step.place
        tried = await self._jobs.next_try(org, tries_of(job, place))
        if tried is None:
            raise TriesUsedUpError
        if tried.is_withheld:
            raise PhiBlockedError
        if not tried.is_kept:
            raise JobsNotKeptError
        if not tried.is_answered:
            if not await self._jobs.begin_step(org, job, place, tried.inference):
                return
            await self._asked(opened, job, place, tried.inference)
        await self._jobs.complete_step(org, job, place, tried.inference)

    async def _read(self, opened: OpenJob, step: Step) -> Mapping[str, str]:
        """What is written in the files that `step` names, by variable: it has no tool to read them with."""
        named = variables_in(step.prompt_sections)
        files = {name: file for name, file in opened.request.inputs.files.items() if name in named}
        texts = await file_texts(self._storage.pool, self._storage.cipher, opened.caller.org, {*files.values()})
        if not texts.keys() >= {*files.values()}:
            raise NotFoundError("A file that the job was given is not kept any more.", param="inputs")
        return {name: texts[file] for name, file in files.items()}

    async def _asked(self, opened: OpenJob, job: JobId, place: int, inference: InferenceId) -> None:
        """Raises what keeps the call from being made, or answered; it is audited by then."""
        definition, inputs = opened.request.definition, opened.request.inputs
        step, places = definition.steps[place], {each.id: at for at, each in enumerate(definition.steps)}
        access = await self._storage.standing.access_of(opened.caller)
        said = await self._jobs.said(opened.caller.org, job, range(len(definition.steps)))
        outputs = {name: said[at] for name, at in places.items() if at in said}
        if access.policy.storage_mode is StorageMode.NONE or not outputs.keys() >= {*step.depends_on}:
            raise JobsNotKeptError
        name, parts = step.model or definition.default_model, await self._inference()
        values = {**inputs.values, **await self._read(opened, step)}
        conversation = asked(rendered(step.prompt_sections, values, outputs), name, self._catalog)
        now = self._storage.clock.now()
        await parts.pipeline.complete(
            Call(
                id=inference,
                access=access,
                surface=Surface.HARNESS,
                model=chosen_model(name, conversation, access, auto=parts.auto, now=now),
                conversation=conversation,
                received_at=now,
                quota=self._limiter.quota(access),
            )
        )
