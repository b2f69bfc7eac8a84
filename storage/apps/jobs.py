"""Jobs as whoever asked for them sees them. What steps said stands in the records of the calls that they became."""

from collections.abc import Mapping, Sequence
from typing import Final

import orjson
from pydantic import TypeAdapter
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.apps.definition import App
from gateway.apps.jobs import (
    Failure,
    Job,
    JobRequest,
    JobsNotKeptError,
    JobState,
    JobStep,
    StepState,
    StepUsage,
    last_steps,
)
from gateway.apps.rendering import Inputs
from gateway.clock import Clock
from gateway.errors import InvalidApiKeyError, NotFoundError, UnavailableError
from gateway.ids import AppId, InferenceId, JobId, OrganizationId, day_of, new_ulid
from gateway.tenancy import Access, Caller, StorageMode
from storage.content import answer_place, answered_text
from storage.encryption import ContentCipher, SealedValueError
from storage.tables import AppJobRow, AppJobStepRow, InferenceRow, UsageRow

REQUEST: Final = TypeAdapter(JobRequest)
_Found = tuple[AppJobStepRow, bytes | None, UsageRow | None]


class JobReader:
    def __init__(self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher) -> None:
        self._session = session
        self._org = org
        self._cipher = cipher

    async def get(self, job: JobId, access: Access) -> Job:
        """Raises `NotFoundError` for one that is unknown or was asked for by somebody else."""
        return await self._shown(await self._row(job, access))

    async def _row(self, job: JobId, access: Access, *, lock: bool = False) -> AppJobRow:
        query = select(AppJobRow).where(
            AppJobRow.org_id == self._org, AppJobRow.id == job, AppJobRow.line == access.principal.line
        )
        row = await self._session.scalar(query.with_for_update() if lock else query)
        if row is None:
            raise NotFoundError("The job does not exist.", param="job_id")
        return row

    async def _shown(self, row: AppJobRow) -> Job:
        query = (
            select(AppJobStepRow, InferenceRow.answer_content, UsageRow)
            .join(InferenceRow, InferenceRow.id == AppJobStepRow.inference_id, isouter=True)
            .join(UsageRow, UsageRow.id == AppJobStepRow.inference_id, isouter=True)
            .where(AppJobStepRow.job_id == row.id)
            .order_by(AppJobStepRow.place)
        )
        found: list[_Found] = [(step, answer, usage) for step, answer, usage in await self._session.execute(query)]
        request, said = await self._opened(row, found)
        # Of a job whose day was destroyed nobody knows any more what its steps were called.
        names = [(step.id, step.display_name) for step in request.definition.steps] if request else []
        names = names or [(str(step.place), "") for step, _, _ in found]
        pairs = zip(found, names, strict=True)
        steps = tuple(_step(step, usage, *named, said.get(step.place)) for (step, _, usage), named in pairs)
        last = last_steps(request.definition) if request else ()
        outputs = {step.id: step.output or "" for step in steps if step.id in last}
        return Job(
            id=JobId(row.id),
            app=AppId(row.app_id),
            state=JobState(row.state),
            created_at=row.created_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
            steps=steps,
            outputs=outputs if row.state == JobState.COMPLETED and request else None,
            error=_failure(row.error_code, row.error_message),
        )

    async def _opened(self, row: AppJobRow, found: Sequence[_Found]) -> tuple[JobRequest | None, Mapping[int, str]]:
        """What was asked, None when it was destroyed, and by place what completed steps said."""
        answers = {
            step.place: (answer_place(step.inference_id or ""), answer)
            for step, answer, _ in found
            if answer is not None and step.state == StepState.COMPLETED
        }
        try:
            request, *said = await self._cipher.open_all(
                self._org, [(request_place(row.id), row.request), *answers.values()]
            )
        except SealedValueError:
            raise UnavailableError("The job could not be opened.") from None
        texts = {
            place: answered_text(orjson.loads(each))
            for place, each in zip(answers, said, strict=True)
            if each is not None
        }
        return None if request is None else REQUEST.validate_json(request), texts


class JobStore(JobReader):
    def __init__(self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher, clock: Clock) -> None:
        super().__init__(session, org, cipher)
        self._clock = clock

    async def open_job(self, access: Access, app: App, inputs: Inputs) -> Job:
        """A job that waits to be run. Raises `JobsNotKeptError` where the organisation keeps no content."""
        principal, caller = access.principal, Caller.of(access.principal)
        if access.policy.storage_mode is StorageMode.NONE:
            raise JobsNotKeptError
        if principal.line is None:
            raise InvalidApiKeyError
        job, now = JobId(new_ulid()), self._clock.now()
        key = await self._cipher.content_key(self._org, day_of(job))
        request = REQUEST.dump_json(JobRequest(app.definition, inputs))
        row = AppJobRow(
            id=job,
            org_id=self._org,
            app_id=app.id,
            line=principal.line,
            key_id=caller.key,
            credential_id=caller.credential,
            state=JobState.QUEUED,
            request=key.seal(request_place(job), request),
            created_at=now,
        )
        self._session.add(row)
        await self._session.flush()
        for place in range(len(app.definition.steps)):
            self._session.add(AppJobStepRow(job_id=job, place=place, org_id=self._org, state=StepState.QUEUED))
        await self._session.flush()
        return await self._shown(row)

    async def cancel(self, job: JobId, access: Access) -> tuple[Job, bool]:
        """The job, and whether it was still open: one that has ended stays as it is. Raises as `get` does."""
        row = await self._row(job, access, lock=True)
        was_open = JobState(row.state).is_open
        if was_open:
            row.state, row.finished_at = JobState.CANCELLED, self._clock.now()
            waiting = AppJobStepRow.job_id == job, AppJobStepRow.state == StepState.QUEUED
            await self._session.execute(update(AppJobStepRow).where(*waiting).values(state=StepState.CANCELLED))
            await self._session.flush()
        return await self._shown(row), was_open


def request_place(job: str) -> str:
    return f"app_jobs.request/{job}"


def _step(row: AppJobStepRow, usage: UsageRow | None, step_id: str, display_name: str, output: str | None) -> JobStep:
    return JobStep(
        id=step_id,
        display_name=display_name,
        state=StepState(row.state),
        output=output,
        error=_failure(row.error_code, row.error_message),
        usage=_usage(usage) if usage else StepUsage(),
        inference=InferenceId(row.inference_id) if row.inference_id else None,
    )


def _usage(row: UsageRow) -> StepUsage:
    cached = row.cache_read_tokens + row.cache_write_5m_tokens + row.cache_write_1h_tokens
    return StepUsage(row.input_tokens + cached, row.output_tokens, row.credits)


def _failure(code: str | None, message: str | None) -> Failure | None:
    return None if code is None or message is None else Failure(code, message)
