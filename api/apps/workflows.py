"""Runs of workflows: asked for, looked at, cancelled (spec, hatz 10, U35, O4)."""

from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from api import app_examples as examples
from api.apps.routes import known_app
from api.apps.schemas import RunWorkflowRequest
from api.authentication import admit, authenticate
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.harness.envelope import HARNESS
from api.idempotency import once
from api.openapi import ACCESS_ERRORS, IDEMPOTENCY_ERRORS, errors, json_body, once_a_key
from api.preference import PARAMETER, once_done
from api.state import gateway_of
from api.validation import read_object, validated
from gateway import errors as facts
from gateway.apps.jobs import AppKindError, Failure, Job, JobsNotKeptError, JobStep, StepUsage
from gateway.apps.rendering import read_inputs
from gateway.audit import AuditAction, PhiDisposition
from gateway.errors import NotFoundError, ValidationFailedError
from gateway.events import Event, EventType
from gateway.files.file import FileNotReadyError
from gateway.harness.toolbox import require_allowed
from gateway.harness.tools.knowledge_search import KnowledgeSearch
from gateway.ids import JobId, find_ulid, message_id
from gateway.inference.call import Surface
from gateway.tenancy import Access, Scope
from storage.transaction import Transaction

router = APIRouter(route_class=dialect_route(HARNESS), tags=["Apps"])

_ENTITY = "app_job"
_INVOKED = "Workflow Job Invoked"
_SCOPES = (Scope.AI_CHAT, Scope.WORKFLOW_INVOKE)


@router.post(
    "/v1/workflows/run",
    summary="Run a workflow",
    status_code=202,
    response_class=Response,
    responses={
        200: examples.RUN_DONE,
        202: examples.RUN,
        **errors(
            HARNESS,
            *ACCESS_ERRORS,
            *IDEMPOTENCY_ERRORS,
            facts.BaaRequiredError,
            facts.RateLimitedError,
            facts.NotFoundError,
            AppKindError,
            JobsNotKeptError,
            FileNotReadyError,
            facts.ValidationFailedError,
            facts.TooLargeError,
        ),
    },
    openapi_extra=once_a_key(json_body(RunWorkflowRequest, examples.RUN_REQUEST), PARAMETER),
)
async def run_workflow(request: Request) -> Response:
    """Steps begin as soon as those that they depend on are done; finished ones are charged whatever comes later.

    200 with the job when it ends in time, 202 with a `Location` to ask when it does not. Needs the scope `ai:chat` or
    `workflow:invoke`.
    """
    access = await admit(request, Surface.HARNESS, *_SCOPES)
    gateway_of(request).pipeline.require_agreement(access.policy)
    body = validated(RunWorkflowRequest, read_object(await request.body()), unknown=ValidationFailedError)
    app_id = known_app(body.app_id)

    async def begin(tx: Transaction) -> Response:
        app = await tx.apps.get(app_id)
        if not app.definition.is_workflow:
            raise AppKindError(param="app_id")
        inputs = read_inputs(app.definition, body.inputs)
        if inputs.files:
            require_allowed(KnowledgeSearch.name, access, "inputs")
            await tx.files.require_ready([*inputs.files.values()])
        job = await tx.app_jobs.open_job(access, app, inputs)
        about = {"app_id": app.id, "app_version": app.version, "steps": len(job.steps)}
        tx.audit(AuditAction.APP_JOB_REQUESTED, entity_type=_ENTITY, entity_id=job.id, metadata=about)
        tx.tell(Event(EventType.APP_JOB_REQUESTED, {"job_id": job.id}))
        return _invoked(request, job.id)

    begun = await once(request, access, begin)
    job_id = JobId(orjson.loads(begun.body)["job_id"])

    async def look() -> Job:
        async with gateway_of(request).storage.read(access.principal) as tx:
            return await tx.app_jobs.get(job_id, access)

    done = await once_done(request, look, is_done=lambda seen: not seen.state.is_open)
    return begun if done is None else await _answered(request, access, done, invoked=begun)


@router.get(
    "/v1/workflows/{job_id}",
    summary="Status and results of a workflow's run",
    response_class=Response,
    responses={200: examples.JOB, **errors(HARNESS, *ACCESS_ERRORS, facts.NotFoundError)},
)
async def get_job(request: Request, job_id: str) -> Response:
    """How far it is and what its steps said. Only whoever asked for it may look. Needs `ai:chat` or `workflow:invoke`.

    Outputs are audited as they are read.
    """
    access = await authenticate(request, *_SCOPES)
    gateway_of(request).pipeline.require_readable(access.policy)
    async with gateway_of(request).storage.read(access.principal) as tx:
        job = await tx.app_jobs.get(_known(job_id), access)
    return await _answered(request, access, job)


@router.delete(
    "/v1/workflows/{job_id}",
    summary="Cancel a workflow's run (extension)",
    response_class=Response,
    responses={200: examples.CANCELLED_JOB, **errors(HARNESS, *ACCESS_ERRORS, facts.NotFoundError)},
)
async def cancel_job(request: Request, job_id: str) -> Response:
    """Steps that run are ended; what was answered by then is charged. One that has ended stays as it is.

    Needs the scope `ai:chat` or `workflow:invoke`.
    """
    access = await authenticate(request, *_SCOPES)
    gateway, address = gateway_of(request), exchange_of(request).ip_address
    gateway.pipeline.require_readable(access.policy)
    async with gateway.storage.begin(access.principal, ip_address=address) as tx:
        job, was_open = await tx.app_jobs.cancel(_known(job_id), access)
        about = {} if was_open else {"again": True}
        phi = _disposition(job)
        tx.audit(AuditAction.APP_JOB_CANCELLED, entity_type=_ENTITY, entity_id=job.id, metadata=about, phi=phi)
        if was_open:
            tx.tell(Event(EventType.APP_JOB_CANCELLED, {"job_id": job.id}))
    return _json(_shown(job))


async def _answered(request: Request, access: Access, job: Job, *, invoked: Response | None = None) -> Response:
    """The job. Somebody is shown what a model said of perhaps a patient, so that is audited."""
    if any(step.output is not None for step in job.steps):
        address = exchange_of(request).ip_address
        async with gateway_of(request).storage.begin(access.principal, ip_address=address) as tx:
            phi = _disposition(job)
            tx.audit(AuditAction.APP_JOB_RETRIEVED, entity_type=_ENTITY, entity_id=job.id, phi=phi)
    if invoked is None:
        return _json(_shown(job))
    response = _json({**orjson.loads(invoked.body), "job": _shown(job)})
    response.headers.update({name: value for name, value in invoked.headers.items() if name == "idempotent-replayed"})
    return response


def _disposition(job: Job) -> PhiDisposition:
    has_output = any(step.output is not None for step in job.steps)
    return PhiDisposition.CONTAINS_PHI if has_output else PhiDisposition.NOT_PRESENT


def _invoked(request: Request, job: JobId) -> Response:
    told = {"status": _INVOKED, "job_id": job, "request_id": exchange_of(request).request_id}
    response = _json(told, status=202)
    response.headers["location"] = f"/v1/workflows/{job}"
    return response


def _known(given: str) -> JobId:
    found = find_ulid(given)
    if found is None:
        raise NotFoundError("The job does not exist.", param="job_id")
    return JobId(found)


def _shown(job: Job) -> dict[str, Any]:
    return {
        "job_id": job.id,
        "app_id": job.app,
        "status": job.state.value,
        "created_at": job.created_at.isoformat(),
        "started_at": job.started_at.isoformat() if job.started_at else None,
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
        "steps": [_shown_step(step) for step in job.steps],
        "outputs": None if job.outputs is None else {**job.outputs},
        "error": _shown_error(job.error),
        "usage": _shown_usage(job.usage),
    }


def _shown_step(step: JobStep) -> dict[str, Any]:
    return {
        "id": step.id,
        "display_name": step.display_name,
        "status": step.state.value,
        "output": step.output,
        "error": _shown_error(step.error),
        "usage": _shown_usage(step.usage),
        "message_id": message_id(step.inference) if step.inference else None,
    }


def _shown_error(error: Failure | None) -> dict[str, str] | None:
    return None if error is None else {"code": error.code, "message": error.message}


def _shown_usage(usage: StepUsage) -> dict[str, int]:
    return {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens, "credits": usage.credits}


def _json(body: dict[str, Any], *, status: int = 200) -> Response:
    headers = {"cache-control": "private, no-store"}
    return Response(orjson.dumps(body), status_code=status, media_type="application/json", headers=headers)
