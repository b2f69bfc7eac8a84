"""Native chat: a model with tools that the gateway runs (spec, hatz 6)."""

from fastapi import APIRouter, Request, Response

from api.authentication import admit_call
from api.dialect import dialect_route
from api.harness import examples, reading
from api.harness.answering import answered
from api.harness.asking import wanted
from api.harness.envelope import HARNESS
from api.harness.schemas import ChatCompletionsRequest
from api.openapi import INFERENCE_ERRORS, errors, json_body
from gateway.harness.toolbox import UnknownToolError
from gateway.inference.call import Surface
from gateway.tenancy import Scope

router = APIRouter(route_class=dialect_route(HARNESS), tags=["Native chat"])


@router.post(
    "/v1/chat/completions",
    summary="Chat with a model that has tools of the gateway's",
    response_class=Response,
    responses={
        200: examples.CHAT,
        **errors(
            HARNESS,
            *INFERENCE_ERRORS,
            UnknownToolError,
            reading.ClientToolsError,
            reading.NoModelError,
        ),
    },
    openapi_extra=json_body(ChatCompletionsRequest, examples.CHAT_REQUEST),
)
async def complete(request: Request) -> Response:
    """The model is asked again with what its tools said, up to eight times. Needs the scope `ai:chat`.

    With `stream` the answer is one JSON object a line. Fields that are not known here are ignored.
    """
    access = await admit_call(request, Surface.HARNESS, Scope.AI_CHAT)
    return await answered(request, await wanted(request, access, reading.chat(await request.body())))
