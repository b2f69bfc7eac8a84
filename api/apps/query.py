"""`POST /v1/app/{app_id}/query`: an app's prompt, filled in and answered by the harness (spec, hatz 9.3)."""

from fastapi import APIRouter, Request, Response

from api import app_examples as examples
from api.apps.routes import known_app
from api.apps.schemas import QueryAppRequest
from api.authentication import admit_call
from api.dialect import dialect_route
from api.harness import examples as chats
from api.harness.answering import answered
from api.harness.asking import wanted
from api.harness.envelope import HARNESS
from api.harness.reading import Parsed
from api.openapi import INFERENCE_ERRORS, errors, json_body
from api.state import gateway_of
from api.validation import read_object, validated
from gateway.agents.scope import ToolNotInScopeError
from gateway.apps.asking import asking
from gateway.apps.jobs import AppKindError
from gateway.apps.rendering import read_inputs, rendered
from gateway.conversation import Sampling
from gateway.errors import RetrievalPhiBlockedError, ValidationFailedError
from gateway.files.file import FileNotReadyError
from gateway.harness.toolbox import require_allowed
from gateway.ids import FileId
from gateway.inference.call import Surface
from gateway.tenancy import Scope

router = APIRouter(route_class=dialect_route(HARNESS), tags=["Apps"])

_READS_FILES = "knowledge_search"


@router.post(
    "/v1/app/{app_id}/query",
    summary="Query an app",
    response_class=Response,
    responses={
        200: chats.CHAT,
        **errors(
            HARNESS, *INFERENCE_ERRORS, AppKindError, FileNotReadyError, ToolNotInScopeError, RetrievalPhiBlockedError
        ),
    },
    openapi_extra=json_body(QueryAppRequest, examples.QUERY_REQUEST),
)
async def query_app(request: Request, app_id: str) -> Response:
    """The app's prompt with `inputs` in it, as one message of a chat. Needs the scope `ai:chat`.

    With `stream` the answer is one JSON object a line. Files are searched by the model as it answers.
    """
    access = await admit_call(request, Surface.HARNESS, Scope.AI_CHAT)
    gateway, found = gateway_of(request), known_app(app_id)
    body = validated(QueryAppRequest, read_object(await request.body()), unknown=ValidationFailedError)
    async with gateway.storage.read(access.principal) as tx:
        app = await tx.apps.get(found)
    if app.definition.is_workflow:
        raise AppKindError(param="app_id")
    inputs = read_inputs(app.definition, body.inputs)
    files = (*inputs.files.values(), *(FileId(each.lower()) for each in body.file_uuids or ()))
    if files:
        require_allowed(_READS_FILES, access, "inputs" if inputs.files else "file_uuids")
    parsed = Parsed(
        model=body.model or app.definition.default_model,
        system=(),
        turns=(asking(rendered(app.definition.prompt_sections, inputs.values)),),
        sampling=Sampling(max_tokens=1),
        limit=None,
        stream=body.stream,
        files=files,
        tools=(_READS_FILES,) if files else None,
        picks_tools=False,
        end_user=None,
    )
    return await answered(request, await wanted(request, access, parsed))
