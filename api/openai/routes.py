"""The OpenAI-compatible surface (spec, hatz 7), for OpenAI's SDKs and whoever speaks like them."""

from functools import partial

from fastapi import APIRouter, Request, Response

from api.authentication import admit_call
from api.dialect import dialect_route
from api.inference import answered, new_call
from api.openai import examples, reading, response
from api.openai.envelope import OPENAI
from api.openai.meaning import meant
from api.openai.schemas import CreateResponseRequest
from api.openai.stream import ResponseFrames
from api.openai.turns import named_as_sent
from api.openapi import INFERENCE_ERRORS, errors, json_body, once_a_key
from gateway import errors as facts
from gateway.errors import GatewayError
from gateway.inference.call import Surface
from gateway.tenancy import Scope

router = APIRouter(route_class=dialect_route(OPENAI), tags=["OpenAI-compatible inference"])


@router.post(
    "/v1/openai/responses",
    summary="Create a response",
    response_class=Response,
    responses={
        200: examples.RESPONSE,
        **errors(OPENAI, *INFERENCE_ERRORS, facts.UnsupportedParameterError),
    },
    openapi_extra=once_a_key(json_body(CreateResponseRequest, examples.RESPONSE_REQUEST)),
)
async def create_response(request: Request) -> Response:
    """OpenAI's Responses request, answer and event stream. Needs the scope `ai:chat`.

    Nothing is kept for later requests: `store` is answered with `false`, and `previous_response_id` is refused.
    Fields that are not known here are ignored.
    """
    access = await admit_call(request, Surface.RESPONSES, Scope.AI_CHAT)
    parsed = reading.create_response(await request.body())
    try:
        asked = meant(request, access, parsed, limit=parsed.limit)
        return await answered(
            request,
            new_call(request, access, Surface.RESPONSES, asked),
            frames=lambda stream: ResponseFrames(stream.call, parsed.echo),
            body=partial(response.whole, echo=parsed.echo),
            ignored=(*parsed.ignored, *asked.moved),
            named=asked.headers,
        )
    except GatewayError as error:
        raise named_as_sent(error, parsed.places, reading.NAMES) from error.__cause__
