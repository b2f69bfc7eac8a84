"""`/v1/anthropic/*`: Messages for clients that know another gateway, with and without a second `/v1` (spec, hatz 8).

One pipeline with `/v1/messages`; only what is taken differs: names of models
that stand for others, and fields that nobody here knows.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import product
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response

from api import examples
from api.anthropic import translate
from api.anthropic.bodies import lenient
from api.anthropic.envelope import ANTHROPIC_PLAIN
from api.anthropic.paging import ModelsQuery, page_of
from api.anthropic.schemas import CountTokensRequest, CreateMessageRequest
from api.anthropic.stream import MessageFrames
from api.anthropic.translate import Parsed
from api.authentication import admit, admit_call, caller
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.inference import answered, ignored_headers, new_call
from api.model_names import compatible_model, model_headers
from api.openapi import INFERENCE_ERRORS, KEY_ERRORS, PROMPT_ERRORS, errors, json_body, once_a_key
from api.state import gateway_of
from api.token_counting import counted_tokens
from gateway import errors as facts
from gateway.catalog import Model
from gateway.errors import NotFoundError
from gateway.inference.admission import is_enabled
from gateway.inference.call import Surface
from gateway.inference.naming import claude_name
from gateway.providers.fitting import fitted
from gateway.tenancy import Access, Scope

BASES = ("/v1/anthropic", "/v1/anthropic/v1")
"""The second for SDKs that add a `/v1` of their own."""

router = APIRouter(route_class=dialect_route(ANTHROPIC_PLAIN), tags=["Anthropic-compatible inference"])

Caller = Annotated[Access, Depends(caller())]
_Endpoint = Callable[..., Awaitable[Response]]


def _route(method: str, path: str, **described: Any) -> Callable[[_Endpoint], _Endpoint]:  # noqa: ANN401 - FastAPI's
    """The endpoint at `path` below both bases."""

    def register(endpoint: _Endpoint) -> _Endpoint:
        for base in BASES:
            router.add_api_route(base + path, endpoint, methods=[method], response_class=Response, **described)
        return endpoint

    return register


@_route(
    "POST",
    "/messages",
    summary="Create a message, by any name of a model",
    responses={
        200: examples.PLAIN_MESSAGE,
        **errors(ANTHROPIC_PLAIN, *INFERENCE_ERRORS, facts.UnsupportedParameterError),
    },
    openapi_extra=once_a_key(json_body(CreateMessageRequest, examples.SHORTHAND_REQUEST)),
)
async def create_message(request: Request) -> Response:
    """Anthropic's Messages request, answer and event stream. Needs the scope `ai:chat`.

    `model` may be `haiku`, `sonnet` or `opus` too, or a name of Claude's own with its date. Fields that are not known
    here are ignored.
    """
    access = await admit_call(request, Surface.ANTHROPIC, Scope.AI_CHAT)
    parsed, named = _meant(request, access, translate.create_message(await request.body(), read=lenient))
    told_id = exchange_of(request).told_id
    return await answered(
        request,
        new_call(request, access, Surface.ANTHROPIC, parsed),
        frames=lambda stream: MessageFrames(stream.call, ANTHROPIC_PLAIN, request_id=told_id),
        body=translate.plain_message,
        ignored=parsed.ignored,
        named=named,
    )


@_route(
    "POST",
    "/messages/count_tokens",
    summary="Count a message's tokens, by any name of a model",
    responses={
        200: examples.PLAIN_TOKEN_COUNT,
        **errors(ANTHROPIC_PLAIN, *PROMPT_ERRORS, facts.UnsupportedParameterError),
    },
    openapi_extra=json_body(CountTokensRequest, examples.SHORTHAND_COUNT_REQUEST),
)
async def count_tokens(request: Request) -> Response:
    """The prompt's input tokens, for limit checks; not the billed number. Needs the scope `ai:chat`."""
    access = await admit(request, Surface.ANTHROPIC, Scope.AI_CHAT)
    parsed, named = _meant(request, access, translate.count_tokens(await request.body(), read=lenient))
    tokens = await counted_tokens(request, access, Surface.ANTHROPIC, parsed)
    return Response(
        orjson.dumps({"input_tokens": tokens}),
        media_type="application/json",
        headers={**named, **ignored_headers(parsed.ignored)},
    )


@_route(
    "GET",
    "/models",
    summary="List the models that the caller may use",
    responses={200: examples.PLAIN_MODELS, **errors(ANTHROPIC_PLAIN, *KEY_ERRORS, facts.ValidationFailedError)},
)
async def list_models(request: Request, access: Caller, query: Annotated[ModelsQuery, Query()]) -> Response:
    """Those that are enabled for the caller and covered by the agreement, in the catalog's order."""
    gateway = gateway_of(request)
    now = gateway.clock.now()
    enabled = [model for model in gateway.catalog if is_enabled(model, access, now=now)]
    page, more = page_of(enabled, query)
    body = {
        "data": [_model(model) for model in page],
        "has_more": more,
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }
    return Response(orjson.dumps(body), media_type="application/json")


@_route(
    "GET",
    "/models/{model_id:path}",
    summary="Retrieve a model that the caller may use",
    responses={200: examples.PLAIN_MODEL, **errors(ANTHROPIC_PLAIN, *KEY_ERRORS, facts.NotFoundError)},
)
async def get_model(request: Request, access: Caller, model_id: str) -> Response:
    """One model, by any name that `messages` takes for it."""
    gateway = gateway_of(request)
    model = gateway.catalog.find(_name(request, access, model_id))
    if model is None or not is_enabled(model, access, now=gateway.clock.now()):
        raise NotFoundError("The model does not exist.", param="model_id")
    return Response(orjson.dumps(_model(model)), media_type="application/json")


async def greet(_: Request) -> Response:
    """That somebody is there, as clients ask before their first request: without a key, and without a word."""
    return Response()


for _base, _method in product((*BASES, f"{BASES[0]}/"), ("GET", "HEAD")):
    router.add_api_route(
        _base,
        greet,
        methods=[_method],
        summary="See that the gateway is there",
        include_in_schema=not _base.endswith("/"),
        response_class=Response,
        openapi_extra={"security": []},
    )


def _meant(request: Request, access: Access, parsed: Parsed) -> tuple[Parsed, dict[str, str]]:
    """The request by a name that the pipeline knows, with reasoning that the model has, and headers that say which."""
    name = _name(request, access, parsed.model)
    named = compatible_model(request, access, replace(parsed, model=name))
    model = gateway_of(request).catalog.find(named.name)
    if model is None:
        return replace(parsed, model=named.name), named.headers
    conversation, moved = fitted(parsed.conversation, model)
    meant = replace(parsed, model=named.name, conversation=conversation, ignored=(*parsed.ignored, *moved))
    return meant, named.headers if name == parsed.model else model_headers(model.id)


def _name(request: Request, access: Access, asked: str) -> str:
    gateway = gateway_of(request)
    return claude_name(
        asked,
        access,
        catalog=gateway.catalog,
        now=gateway.clock.now(),
        any_version=gateway.settings.claude_version_fallback,
    )


def _model(model: Model) -> dict[str, Any]:
    """Never retired: those are not shown."""
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.display_name,
        "created_at": model.created_at.isoformat(),
        "lifecycle": "active",
    }
