"""Jobs as the worker moves them on. Every change may be made twice, and none wakes a job that has ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString

import orjson

from gateway.apps.definition import plan_of
from gateway.apps.jobs import Failure, JobRequest, JobState
from gateway.clock import Clock
from gateway.errors import NotFoundError, UnavailableError
from gateway.ids import ApiKeyId, CredentialId, InferenceId, JobId, OrganizationId
from gateway.inference.call import Status
from gateway.tenancy import Caller
from storage.apps.jobs import REQUEST, request_place
from storage.content import answer_place, answered_text
from storage.encryption import ContentCipher, SealedValueError
from storage.pool import Pool, fetch

_BEGIN: LiteralString = """
update app_jobs set state = 'running', started_at = coalesce(started_at, %(now)s)
where id = %(job)s and org_id = %(org)s and state in ('queued', 'running') returning id
"""

_LOOK: LiteralString = """
select state, key_id, credential_id, request from app_jobs where id = %(job)s and org_id = %(org)s
"""

_BEGIN_STEP: LiteralString = """
update app_job_steps s set state = 'running', inference_id = %(inference)s
where s.job_id = %(job)s and s.org_id = %(org)s and s.place = %(place)s and s.state in ('queued', 'running')
  and exists (select from app_jobs j where j.id = s.job_id and j.state = 'running')
returning s.place
"""

_COMPLETE_STEP: LiteralString = """
update app_job_steps set state = 'completed', inference_id = %(inference)s
where job_id = %(job)s and org_id = %(org)s and place = %(place)s and state in ('queued', 'running')
"""

_FINISH: LiteralString = """
with job as (
  update app_jobs set state = %(state)s, finished_at = %(now)s, error_code = %(code)s, error_message = %(message)s
  where id = %(job)s and org_id = %(org)s and state in ('queued', 'running') returning id
)
update app_job_steps s
set state = case when s.place = %(place)s then 'failed' else 'cancelled' end,
  error_code = case when s.place = %(place)s then %(code)s end,
  error_message = case when s.place = %(place)s then %(message)s end
where s.job_id = %(job)s and s.org_id = %(org)s and s.state in ('queued', 'running')
"""

_SAID: LiteralString = """
select s.place, i.id, i.answer_content from app_job_steps s join inferences i on i.id = s.inference_id
where s.job_id = %(job)s and s.org_id = %(org)s and s.place = any(%(places)s) and s.state = 'completed'
"""

_TRIED: LiteralString = """
select h.id, h.state, i.status, i.answer_content is not null
from credit_holds h left join inferences i on i.id = h.id where h.id = any(%(ids)s) and h.org_id = %(org)s
"""


@dataclass(frozen=True, slots=True)
class OpenJob:
    """A job that is to go on, and for whom."""

    caller: Caller
    request: JobRequest


@dataclass(frozen=True, slots=True)
class Try:
    """A call that a step is to become, or has become."""

    inference: InferenceId
    is_answered: bool
    is_withheld: bool = False
    """Answered, and billed, and kept from its caller."""
    is_kept: bool = True
    """Whether what was answered can be read."""


class RunningJobs:
    def __init__(self, pool: Pool, cipher: ContentCipher, clock: Clock) -> None:
        self._pool = pool
        self._cipher = cipher
        self._clock = clock

    async def begin(self, org: OrganizationId, job: JobId) -> Sequence[Sequence[int]] | None:
        """The steps, each by the places of those that it waits for; None for a job that has ended.

        Raises `NotFoundError` for one that nobody knows, and `UnavailableError`.
        """
        if not await fetch(self._pool, _BEGIN, self._named(org, job)):
            return None
        opened = await self.look(org, job)
        return plan_of(opened.request.definition) if opened else None

    async def look(self, org: OrganizationId, job: JobId) -> OpenJob | None:
        """None when it has ended, or what it was asked was destroyed. Raises as `begin` does."""
        rows = await fetch(self._pool, _LOOK, self._named(org, job))
        if not rows:
            raise NotFoundError
        ((state, key, credential, request),) = rows
        if not JobState(state).is_open:
            return None
        (asked,) = await self._opened(org, [(request_place(job), bytes(request))])
        if asked is None:
            return None
        caller = Caller(org, key and ApiKeyId(key), credential and CredentialId(credential))
        return OpenJob(caller, REQUEST.validate_json(asked))

    async def said(self, org: OrganizationId, job: JobId, places: Sequence[int]) -> Mapping[int, str]:
        """What completed steps answered, by place."""
        rows = await fetch(self._pool, _SAID, {**self._named(org, job), "places": [*places]})
        kept = [(place, call, bytes(answer)) for place, call, answer in rows if answer is not None]
        opened = await self._opened(org, [(answer_place(call), answer) for _, call, answer in kept])
        pairs = zip(kept, opened, strict=True)
        return {place: answered_text(orjson.loads(each)) for (place, _, _), each in pairs if each is not None}

    async def next_try(self, org: OrganizationId, tries: Sequence[InferenceId]) -> Try | None:
        """The first of a step's calls that was answered, or is to be made, or to be made again; None: none is left.

        One whose process died is made again under its own id: whichever of the two is settled first is billed.
        """
        rows = await fetch(self._pool, _TRIED, {"org": org, "ids": [*tries]})
        tried = {call: (state, status, has_answer) for call, state, status, has_answer in rows}
        for each in tries:
            state, status, has_answer = tried.get(each, (None, None, False))
            if state == "settled":
                is_given = status in (Status.COMPLETED, Status.CANCELLED)
                return Try(each, is_answered=True, is_withheld=not is_given, is_kept=has_answer)
            if state != "voided":
                return Try(each, is_answered=False)
        return None

    async def begin_step(self, org: OrganizationId, job: JobId, place: int, inference: InferenceId) -> bool:
        """Whether it may begin: not once the job has ended."""
        named = {**self._named(org, job), "place": place, "inference": inference}
        return bool(await fetch(self._pool, _BEGIN_STEP, named))

    async def complete_step(self, org: OrganizationId, job: JobId, place: int, inference: InferenceId) -> None:
        named = {**self._named(org, job), "place": place, "inference": inference}
        await fetch(self._pool, _COMPLETE_STEP, named)

    async def finish(
        self, org: OrganizationId, job: JobId, state: JobState, *, place: int | None = None, error: Failure | None
    ) -> None:
        """End it in `state`, unless it has ended; `place` is the step that failed. What is left is cancelled."""
        told = {"code": error and error.code, "message": error and error.message}
        await fetch(self._pool, _FINISH, {**self._named(org, job), "state": state, "place": place, **told})

    async def _opened(self, org: OrganizationId, values: Sequence[tuple[str, bytes]]) -> Sequence[bytes | None]:
        try:
            return await self._cipher.open_all(org, values)
        except SealedValueError:
            raise UnavailableError("The job could not be opened.") from None

    def _named(self, org: OrganizationId, job: JobId) -> dict[str, object]:
        return {"org": org, "job": job, "now": self._clock.now()}
