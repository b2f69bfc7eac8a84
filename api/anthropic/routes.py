"""The Anthropic-compatible surface: `/v1/messages`, drop-in for official SDKs with only base URL and key changed."""

import orjson
from fastapi import APIRouter, Request, Response

from api import examples
from api.anthropic import translate
from api.anthropic.envelope import ANTHROPIC
from api.anthropic.schemas import CountTokensRequest, CreateMessageRequest
from api.anthropic.stream import MessageFrames
from api.authentication import admit, admit_call
from api.dialect import dialect_route
from api.inference import answered, ignored_headers, new_call
from api.openapi import INFERENCE_ERRORS, PROMPT_ERRORS, errors, json_body, once_a_key
from api.token_counting import counted_tokens
from gateway import errors as facts
from gateway.inference.call import Surface
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
    tokens = await counted_tokens(request, access, Surface.MESSAGES, parsed)
    return Response(
        orjson.dumps({"input_tokens": tokens}), media_type="application/json", headers=ignored_headers(parsed.ignored)
    )
