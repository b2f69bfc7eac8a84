"""Native chat: a model with tools that the gateway runs (spec, hatz 6)."""

from fastapi import APIRouter, Request, Response

from api.authentication import admit_call
from api.dialect import dialect_route
from api.harness import examples, reading
from api.harness.answering import answered
from api.harness.asking import wanted
from api.harness.background import begun
from api.harness.envelope import HARNESS
from api.harness.schemas import ChatCompletionsRequest
from api.openapi import IDEMPOTENCY_ERRORS, INFERENCE_ERRORS, errors, json_body, once_a_key
from api.preference import PARAMETER
from api.state import gateway_of
from gateway import errors as facts
from gateway.agents.scope import ToolNotInScopeError
from gateway.harness.background import RunNotKeptError
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
        202: examples.RUN_BEGUN,
        **errors(
            HARNESS,
            *INFERENCE_ERRORS,
            *IDEMPOTENCY_ERRORS,
            facts.RetrievalPhiBlockedError,
            RunNotKeptError,
            UnknownToolError,
            ToolNotInScopeError,
            reading.ClientToolsError,
            reading.NoModelError,
        ),
    },
    openapi_extra=once_a_key(json_body(ChatCompletionsRequest, examples.CHAT_REQUEST), PARAMETER),
)
async def complete(request: Request) -> Response:
    """The model is asked again with what its tools said, up to eight times. Needs the scope `ai:chat`.

    With `stream` the answer is one JSON object a line. With `background` it is a job: 200 when it ends in time, 202
    with a `Location` to ask when it does not. Fields that are not known here are ignored.
    """
    access = await admit_call(request, Surface.HARNESS, Scope.AI_CHAT)
    parsed = reading.chat(await request.body())
    asked = await wanted(request, access, parsed)
    if parsed.background:
        gateway_of(request).pipeline.require_scope(access, asked.asked.call.conversation)
        return await begun(request, access, asked)
    return await answered(request, asked)
