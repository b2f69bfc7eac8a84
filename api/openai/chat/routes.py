"""`POST /v1/openai/chat/completions`: what most of OpenAI's clients call by default. An extension (spec U15)."""

from fastapi import APIRouter, Request, Response

from api.authentication import admit_call
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.inference import answered, new_call
from api.openai import examples
from api.openai.chat import answer, reading
from api.openai.chat.schemas import ChatCompletionRequest
from api.openai.chat.stream import ChunkFrames
from api.openai.envelope import OPENAI
from api.openai.meaning import meant
from api.openai.turns import named_as_sent
from api.openapi import INFERENCE_ERRORS, errors, json_body, once_a_key
from gateway import errors as facts
from gateway.errors import GatewayError
from gateway.inference.call import Surface
from gateway.tenancy import Scope

router = APIRouter(route_class=dialect_route(OPENAI), tags=["OpenAI-compatible inference"])


@router.post(
    "/v1/openai/chat/completions",
    summary="Create a chat completion",
    response_class=Response,
    responses={
        200: examples.CHAT_COMPLETION,
        **errors(OPENAI, *INFERENCE_ERRORS, facts.UnsupportedParameterError),
    },
    openapi_extra=once_a_key(json_body(ChatCompletionRequest, examples.CHAT_COMPLETION_REQUEST)),
)
async def create_chat_completion(request: Request) -> Response:
    """OpenAI's chat completion, whole or in chunks that end with `[DONE]`. Needs the scope `ai:chat`.

    An extension: tools are the client's, one answer a request. Fields that are not known here are ignored.
    """
    access = await admit_call(request, Surface.CHAT_COMPLETIONS, Scope.AI_CHAT)
    parsed = reading.chat_completion(await request.body())
    told_id = exchange_of(request).told_id
    try:
        asked = meant(request, access, parsed, limit=parsed.limit, names=reading.NAMES)
        return await answered(
            request,
            new_call(request, access, Surface.CHAT_COMPLETIONS, asked),
            frames=lambda stream: ChunkFrames(stream.call, includes_usage=parsed.includes_usage, request_id=told_id),
            body=answer.whole,
            ignored=(*parsed.ignored, *asked.moved),
            named=asked.headers,
        )
    except GatewayError as error:
        raise named_as_sent(error, parsed.places, reading.NAMES) from error.__cause__
