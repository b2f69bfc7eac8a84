"""A run of a workflow: what was asked, how far it is, what came of each step (spec U35)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from gateway.apps.definition import AppDefinition
from gateway.apps.rendering import Inputs
from gateway.errors import GatewayError, Kind
from gateway.ids import AppId, InferenceId, JobId, derived_ulid

MOST_TRIES: Final = 10
"""Of a step: each that failed was voided, and the next is a call of its own."""


class JobsNotKeptError(GatewayError):
    """Between its steps, and until it is read, a job is nowhere but in the database."""

    kind, code = Kind.CONFLICT, "JOB_NOT_STORABLE"
    message = "This organization keeps no content, and a job's has to be kept while it runs. Query an app instead."


class AppKindError(GatewayError):
    kind, code = Kind.UNSUPPORTED, "WRONG_KIND_OF_APP"
    message = "A workflow is run with `POST /v1/workflows/run`, any other app with `POST /v1/app/{app_id}/query`."


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        return self in (JobState.QUEUED, JobState.RUNNING)


class StepState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    """It did not begin any more, or was ended with its job."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A `GatewayError`'s code and text: neither quotes anybody."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class JobRequest:
    """The app as it was when the job was asked for, and what it was given."""

    definition: AppDefinition
    inputs: Inputs


@dataclass(frozen=True, slots=True)
class StepUsage:
    input_tokens: int = 0
    output_tokens: int = 0
    credits: int = 0


@dataclass(frozen=True, slots=True)
class JobStep:
    id: str
    display_name: str
    state: StepState
    output: str | None = field(repr=False)
    """None also for one whose content was destroyed since."""
    error: Failure | None
    usage: StepUsage
    inference: InferenceId | None
    """The call that it became, if it became one."""


@dataclass(frozen=True, slots=True)
class Job:
    id: JobId
    app: AppId
    state: JobState
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    steps: tuple[JobStep, ...]
    outputs: Mapping[str, str] | None = field(repr=False)
    """Of a completed job: what the steps said that no other waits for, by id."""
    error: Failure | None

    @property
    def usage(self) -> StepUsage:
        """Of all steps, also of a job that failed: what was answered is paid for."""
        return StepUsage(
            input_tokens=sum(step.usage.input_tokens for step in self.steps),
            output_tokens=sum(step.usage.output_tokens for step in self.steps),
            credits=sum(step.usage.credits for step in self.steps),
        )


def tries_of(job: JobId, place: int) -> tuple[InferenceId, ...]:
    """The calls that step `place` of `job` may become, in order: the same for whoever asks, so none is billed twice."""
    return tuple(InferenceId(derived_ulid(job, f"step/{place}/{number}")) for number in range(MOST_TRIES))


def last_steps(definition: AppDefinition) -> tuple[str, ...]:
    """Ids of the steps that no other waits for: theirs is the outcome of the whole."""
    waited_for = {each for step in definition.steps for each in step.depends_on}
    return tuple(step.id for step in definition.steps if step.id not in waited_for)
