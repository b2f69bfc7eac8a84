"""Chats in the background: asked for with `"background": true`, looked at, cancelled (spec O4)."""

from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import JsonValue

from api.authentication import authenticate
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.harness import answer, examples
from api.harness.asking import Wanted
from api.harness.envelope import HARNESS
from api.idempotency import once
from api.openapi import ACCESS_ERRORS, errors
from api.preference import once_done
from api.state import gateway_of
from gateway import errors as facts
from gateway import ids
from gateway.audit import AuditAction, PhiDisposition
from gateway.completion import StopReason
from gateway.errors import NotFoundError
from gateway.events import Event, EventType
from gateway.harness.background import Run, RunRequest, RunState
from gateway.harness.events import Ended
from gateway.ids import RunId, find_ulid
from gateway.tenancy import Access, Scope
from storage.transaction import Transaction

router = APIRouter(route_class=dialect_route(HARNESS), tags=["Native chat"])

_ENTITY = "chat_run"


async def begun(request: Request, access: Access, wanted: Wanted) -> Response:
    """200 with the run when it ends in time, 202 with a `Location` to ask when it does not."""
    call, gateway = wanted.asked.call, gateway_of(request)
    await call.quota.admit()
    # What is no model's name is whatever its caller wrote: it is refused, and stands nowhere.
    model = gateway.pipeline.require_model(call.model, access)
    run = RunId(call.id)
    asked = RunRequest.of(call.model, call.conversation, wanted.asked.files, call.ip_address)

    async def begin(tx: Transaction) -> Response:
        opened = await tx.chat_runs.open_run(run, access, asked)
        about: dict[str, JsonValue] = {"model": model.id, "tools": [*asked.tools]}
        tx.audit(AuditAction.CHAT_RUN_REQUESTED, entity_type=_ENTITY, entity_id=run, metadata=about)
        tx.tell(Event(EventType.CHAT_RUN_REQUESTED, {"run_id": run}))
        response = _json(_shown(opened), status=202)
        response.headers["location"] = f"/v1/chat/completions/{run}"
        return response

    response = await once(request, access, begin)
    first = RunId(orjson.loads(bytes(response.body))["id"].removeprefix("chatcmpl-"))
    done = await once_done(request, lambda: _look(request, access, first), is_done=lambda seen: not seen.state.is_open)
    if done is None:
        return response
    return await _told(request, access, done)


@router.get(
    "/v1/chat/completions/{run_id}",
    summary="Look at a chat in the background (extension)",
    response_class=Response,
    responses={200: examples.RUN, **errors(HARNESS, *ACCESS_ERRORS, facts.BaaRequiredError, facts.NotFoundError)},
)
async def get_run(request: Request, run_id: str) -> Response:
    """How far it is, and what was said. Only whoever asked for it may look. Needs the scope `ai:chat`.

    What was said is audited as it is read.
    """
    access = await authenticate(request, Scope.AI_CHAT)
    gateway_of(request).pipeline.require_readable(access.policy)
    return await _told(request, access, await _look(request, access, _known(run_id)))


@router.delete(
    "/v1/chat/completions/{run_id}",
    summary="Cancel a chat in the background (extension)",
    response_class=Response,
    responses={
        200: examples.RUN_CANCELLED,
        **errors(HARNESS, *ACCESS_ERRORS, facts.BaaRequiredError, facts.NotFoundError),
    },
)
async def cancel_run(request: Request, run_id: str) -> Response:
    """What runs is ended; what was answered by then is charged. One that has ended stays as it is.

    Needs the scope `ai:chat`.
    """
    access = await authenticate(request, Scope.AI_CHAT)
    gateway, address = gateway_of(request), exchange_of(request).ip_address
    gateway.pipeline.require_readable(access.policy)
    async with gateway.storage.begin(access.principal, ip_address=address) as tx:
        run, was_open = await tx.chat_runs.cancel(_known(run_id), access)
        about = {} if was_open else {"again": True}
        phi = _disposition(run)
        tx.audit(AuditAction.CHAT_RUN_CANCELLED, entity_type=_ENTITY, entity_id=run.id, metadata=about, phi=phi)
        if was_open:
            tx.tell(Event(EventType.CHAT_RUN_CANCELLED, {"run_id": run.id}))
    return _json(_shown(run))


async def _look(request: Request, access: Access, run: RunId) -> Run:
    async with gateway_of(request).storage.read(access.principal) as tx:
        return await tx.chat_runs.get(run, access)


async def _told(request: Request, access: Access, run: Run) -> Response:
    """The run. Somebody is shown what a model said of perhaps a patient, so that is audited."""
    if run.said:
        address = exchange_of(request).ip_address
        async with gateway_of(request).storage.begin(access.principal, ip_address=address) as tx:
            tx.audit(AuditAction.CHAT_RUN_RETRIEVED, entity_type=_ENTITY, entity_id=run.id, phi=_disposition(run))
    return _json(_shown(run))


def _disposition(run: Run) -> PhiDisposition:
    return PhiDisposition.CONTAINS_PHI if run.said else PhiDisposition.NOT_PRESENT


def _known(given: str) -> RunId:
    found = find_ulid(given, "chatcmpl-")
    if found is None:
        raise NotFoundError("The run does not exist.", param="run_id")
    return RunId(found)


def _shown(run: Run) -> dict[str, Any]:
    """In the shape of the answer that it comes to, once something was said."""
    shown: dict[str, Any] = {
        "id": f"chatcmpl-{run.id}",
        "object": "chat.completion",
        "status": run.state.value,
        "created": int(run.created_at.timestamp()),
        "started_at": run.started_at.isoformat() if run.started_at else None,
        "finished_at": run.finished_at.isoformat() if run.finished_at else None,
        "error": None if run.error is None else {"code": run.error[0], "message": run.error[1]},
        "model": None,
        "choices": [],
        "usage": None,
        "meta": {"request_id": ids.request_id(run.id)},
    }
    if not run.rounds:
        return shown
    stop = StopReason(run.stop_reason) if run.stop_reason else StopReason.END_TURN
    ended = Ended(stop, run.rounds, run.uses, sandboxed=False)
    done = run.state is RunState.COMPLETED
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": run.said},
        "finish_reason": answer.finish_reason(stop) if done else None,
    }
    return {
        **shown,
        "model": ended.model,
        "choices": [choice] if run.said or done else [],
        "usage": answer.usage(ended),
        "meta": answer.meta(ended, ids.request_id(run.id)),
    }


def _json(body: dict[str, Any], *, status: int = 200) -> Response:
    headers = {"cache-control": "private, no-store"}
    return Response(orjson.dumps(body), status_code=status, media_type="application/json", headers=headers)
