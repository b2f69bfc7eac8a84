"""The native surface: `/v1/ai/*`."""

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from api import examples
from api.authentication import admit_call, admitted_reader
from api.dialect import JsonObject, dialect_route
from api.exchange import exchange_of
from api.inference import answered, new_call
from api.native import translate
from api.native.envelope import NATIVE, success
from api.native.record import record_data
from api.native.schemas import ChatRequest
from api.native.stream import ChatFrames
from api.openapi import ACCESS_ERRORS, INFERENCE_ERRORS, errors, json_body, once_a_key
from api.state import gateway_of
from gateway import errors as facts
from gateway import ids
from gateway.audit import AuditAction
from gateway.errors import GatewayError, NotFoundError
from gateway.ids import ConversationId, InferenceId, find_ulid, new_ulid
from gateway.inference import trail
from gateway.inference.call import Answer, Surface
from gateway.inference.replay import Replay
from gateway.tenancy import Access, Scope, StorageMode

router = APIRouter(route_class=dialect_route(NATIVE), tags=["Native inference"])


@router.post(
    "/v1/ai/chat",
    summary="Chat with a model",
    response_class=Response,
    responses={200: examples.CHAT, **errors(NATIVE, *INFERENCE_ERRORS)},
    openapi_extra=once_a_key(json_body(ChatRequest, examples.CHAT_REQUEST)),
)
async def chat(request: Request) -> Response:
    """One turn of a conversation, streamed unless `stream` is false. Needs the scope `ai:chat`.

    Errors before the stream's first byte are plain JSON with their status;
    later ones are a `run.failed` event. `Last-Event-ID` is not supported.
    """
    access = await admit_call(request, Surface.NATIVE, Scope.AI_CHAT)
    parsed = translate.chat(await request.body())
    call = replace(
        new_call(request, access, Surface.NATIVE, parsed),
        store=parsed.store,
        thread=parsed.thread or _new_thread(access, store=parsed.store),
        continues=parsed.thread is not None,
    )
    try:
        return await answered(request, call, frames=ChatFrames, body=_body)
    except GatewayError as error:
        raise translate.named_as_sent(error, parsed) from error.__cause__


def _new_thread(access: Access, *, store: bool) -> ConversationId | None:
    """A new conversation's id, for a call whose turns will be kept."""
    if not store or access.policy.storage_mode is StorageMode.NONE:
        return None
    return ConversationId(new_ulid())


def _body(answer: Answer | Replay) -> JsonObject:
    return {
        "success": True,
        "data": translate.answer_data(answer),
        "meta": {"request_id": ids.request_id(answer.call.id), **translate.answer_meta(answer)},
    }


@router.get(
    "/v1/ai/messages/{message_id}",
    summary="Retrieve an inference record",
    response_class=Response,
    responses={
        200: examples.RECORD,
        **errors(
            NATIVE,
            *ACCESS_ERRORS,
            facts.BaaRequiredError,
            facts.RateLimitedError,
            facts.NotFoundError,
            facts.ValidationFailedError,
        ),
    },
)
async def get_message(
    request: Request,
    access: Annotated[Access, Depends(admitted_reader(Surface.NATIVE, Scope.AI_CHAT, Scope.CONTROL_READ))],
    message_id: str,
    view: Annotated[Literal["original", "redacted"], Query()] = "original",
) -> Response:
    """What was asked and answered, of either surface, by its bare, `msg_` or `req_` id. Reading it is audited.

    Needs the scope `ai:chat` or `control:read`. `view=redacted` shows what the provider saw.
    """
    ulid = find_ulid(message_id, "msg_", "req_")
    if ulid is None:
        raise NotFoundError("The message does not exist.", param="message_id")
    exchange = exchange_of(request)
    async with gateway_of(request).storage.begin(access.principal, ip_address=exchange.ip_address) as tx:
        redacted = view == "redacted"
        delegation = access.principal.delegation
        record = await tx.inferences.get(
            InferenceId(ulid), redacted=redacted, agent=delegation.agent if delegation else None
        )
        tx.audit(
            AuditAction.AI_MESSAGE_RETRIEVED,
            entity_type="inference",
            entity_id=record.id,
            metadata={"view": view},
            phi=trail.reading_disposition(record, redacted=redacted),
            subject=record.subject,
        )
    return success(record_data(record), request_id=exchange.request_id)
