"""The OpenAI-compatible surface (spec, hatz 7), for OpenAI's SDKs and whoever speaks like them."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import orjson
from fastapi import APIRouter, Request, Response

from api.authentication import admit, admit_call
from api.dialect import dialect_route
from api.inference import answered, ignored_headers, new_call
from api.openai import examples, items, reading, response
from api.openai.envelope import OPENAI
from api.openai.meaning import meant
from api.openai.schemas import CreateResponseRequest
from api.openai.stream import ResponseFrames
from api.openai.turns import named_as_sent
from api.openapi import INFERENCE_ERRORS, PROMPT_ERRORS, errors, json_body, once_a_key
from api.state import gateway_of
from api.token_counting import counted_tokens
from gateway import errors as facts
from gateway.conversation import Block
from gateway.errors import GatewayError, ValidationFailedError
from gateway.inference.call import Surface
from gateway.tenancy import Access, Scope

router = APIRouter(route_class=dialect_route(OPENAI), tags=["OpenAI-compatible inference"])

MOST_RECALLED = 256
"""Answers whose items one request may refer to: each is a record that is opened for it."""


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
    sent = reading.sent(await request.body())
    recalled = await _referred_to(request, access, sent.references)
    parsed = reading.create_response(sent, recalled)
    try:
        asked = meant(request, access, parsed, limit=parsed.limit, names=reading.NAMES)
        call = new_call(request, access, Surface.RESPONSES, asked)
        return await answered(
            request,
            replace(call, recalled_items=len(recalled)),
            frames=lambda stream: ResponseFrames(stream.call, parsed.echo),
            body=partial(response.whole, echo=parsed.echo),
            ignored=(*parsed.ignored, *asked.moved),
            named=asked.headers,
        )
    except GatewayError as error:
        raise named_as_sent(error, parsed.places, reading.NAMES) from error.__cause__


@router.post(
    "/v1/openai/responses/input_tokens",
    summary="Count a response's input tokens (extension)",
    response_class=Response,
    responses={
        200: examples.INPUT_TOKENS,
        **errors(OPENAI, *PROMPT_ERRORS, facts.UnsupportedParameterError),
    },
    openapi_extra=json_body(CreateResponseRequest, examples.RESPONSE_REQUEST),
)
async def count_input_tokens(request: Request) -> Response:
    """The input's tokens, for limit checks; not the billed number. Needs the scope `ai:chat`."""
    access = await admit(request, Surface.RESPONSES, Scope.AI_CHAT)
    sent = reading.sent(await request.body())
    parsed = reading.create_response(sent, await _referred_to(request, access, sent.references))
    try:
        asked = meant(request, access, parsed, limit=parsed.limit, names=reading.NAMES)
        tokens = await counted_tokens(request, access, Surface.RESPONSES, asked)
    except GatewayError as error:
        raise named_as_sent(error, parsed.places, reading.NAMES) from error.__cause__
    told = {"object": "response.input_tokens", "input_tokens": tokens}
    unread = (*parsed.ignored, *asked.moved)
    return Response(
        orjson.dumps(told), media_type="application/json", headers={**asked.headers, **ignored_headers(unread)}
    )


async def _referred_to(request: Request, access: Access, references: Sequence[str]) -> dict[str, Block]:
    """What `references` stand for, those that are known: an answer is opened for them only for who may have one."""
    wanted = {each: place for each in references if (place := items.place_of(each)) is not None}
    if not wanted:
        return {}
    gateway = gateway_of(request)
    gateway.pipeline.require_agreement(access.policy)
    answers = tuple(dict.fromkeys(answer for answer, _ in wanted.values()))
    if len(answers) > MOST_RECALLED:
        raise ValidationFailedError(
            f"`input` refers to items of more than {MOST_RECALLED} answers. Send them whole, with `store: false`.",
            param="input",
        )
    known = await gateway.storage.answered_items.of(access, answers, now=gateway.clock.now())
    return {each: known[answer][at] for each, (answer, at) in wanted.items() if at < len(known.get(answer, ()))}
