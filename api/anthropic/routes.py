"""The Anthropic-compatible surface: `/v1/messages`, drop-in for official SDKs with only base URL and key changed."""

import orjson
from fastapi import APIRouter, Request, Response

from api import examples
from api.anthropic import translate
from api.anthropic.envelope import ANTHROPIC
from api.anthropic.schemas import CountTokensRequest, CreateMessageRequest
from api.anthropic.stream import MessageFrames
from api.anthropic.translate import Parsed
from api.authentication import admit, admit_call
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.inference import answered, new_call
from api.openapi import INFERENCE_ERRORS, PROMPT_ERRORS, errors, json_body, once_a_key
from api.state import gateway_of
from gateway import errors as facts
from gateway.audit import AuditAction
from gateway.inference import trail
from gateway.inference.call import Surface
from gateway.limits.limiter import UNLIMITED
from gateway.tenancy import Scope

router = APIRouter(route_class=dialect_route(ANTHROPIC), tags=["Anthropic-compatible inference"])


@router.post(
    "/v1/messages",
    summary="Create a message",
    response_class=Response,
    responses={
        200: examples.MESSAGE,
        **errors(ANTHROPIC, *INFERENCE_ERRORS, facts.UnsupportedParameterError),
    },
    openapi_extra=once_a_key(json_body(CreateMessageRequest, examples.MESSAGE_REQUEST)),
)
async def create_message(request: Request) -> Response:
    """Anthropic's Messages request, answer and event stream. Needs the scope `ai:chat`.

    Fields that Anthropic does not publish are refused by name, `store` among them.
    """
    access = await admit_call(request, Surface.MESSAGES, Scope.AI_CHAT)
    parsed = translate.create_message(await request.body())
    call = new_call(request, access, Surface.MESSAGES, parsed)
    return await answered(
        request,
        call,
        frames=lambda stream: MessageFrames(stream.call),
        body=translate.message,
        ignored=parsed.ignored,
    )


@router.post(
    "/v1/messages/count_tokens",
    summary="Count a message's tokens",
    response_class=Response,
    responses={
        200: examples.TOKEN_COUNT,
        **errors(ANTHROPIC, *PROMPT_ERRORS, facts.UnsupportedParameterError),
    },
    openapi_extra=json_body(CountTokensRequest, examples.TOKEN_COUNT_REQUEST),
)
async def count_tokens(request: Request) -> Response:
    """The prompt's input tokens, for limit checks; not the billed number. Needs the scope `ai:chat`."""
    access = await admit(request, Surface.MESSAGES, Scope.AI_CHAT)
    parsed = translate.count_tokens(await request.body())
    gateway, exchange = gateway_of(request), exchange_of(request)
    exchange.model = gateway.catalog.find(parsed.model)
    prompt = await gateway.token_counter.admit(parsed.conversation, parsed.model, access)
    async with gateway.storage.invocations.during(exchange.id, access.principal) as running:
        # Before it leaves: whatever becomes of it then, it was recorded like any other AI call.
        async with gateway.storage.begin(access.principal, ip_address=exchange.ip_address) as tx:
            tx.audit(
                AuditAction.AI_TOKENS_COUNTED,
                entity_type="request",
                entity_id=exchange.id,
                metadata=trail.counting_metadata(prompt, exchange.id, (exchange.quota or UNLIMITED).limits),
                phi=trail.counting_disposition(prompt.report),
            )
        tokens = await gateway.token_counter.count(prompt, running)
    body = orjson.dumps({"input_tokens": tokens})
    return Response(body, media_type="application/json", headers=_ignored(parsed))


def _ignored(parsed: Parsed) -> dict[str, str]:
    return {"hasp-ignored-parameters": ", ".join(parsed.ignored)} if parsed.ignored else {}
