"""`/v1/chat/agents`: assistants with instructions, tools and files of their own, which chats name as `agent-<id>`."""

from collections.abc import Container
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import JsonValue

from api.authentication import authenticate, caller
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.harness import examples
from api.harness.envelope import HARNESS
from api.harness.preset_schemas import ChangePresetRequest, CreatePresetRequest
from api.idempotency import once
from api.manage.preconditions import IfMatch, tagged, versions
from api.openapi import ACCESS_ERRORS, IDEMPOTENCY_ERRORS, errors, json_body, once_a_key
from api.state import gateway_of
from api.validation import read_object, validated
from gateway import errors as facts
from gateway.audit import AuditAction
from gateway.catalog.choice import read_model
from gateway.errors import MissingScopeError, NotFoundError, ValidationFailedError
from gateway.harness.presets import Preset, PresetDefinition, TooManyPresetsError
from gateway.harness.toolbox import UnknownToolError
from gateway.ids import FileId, PresetId, find_uuid
from gateway.tenancy import Access, KeyMode, Scope
from storage.transaction import Transaction

router = APIRouter(route_class=dialect_route(HARNESS), tags=["Native chat"])


async def _writer(request: Request) -> Access:
    access = await authenticate(request, Scope.CONTROL_WRITE)
    if access.principal.mode is KeyMode.TEST:
        raise MissingScopeError("A test key cannot change agents: chats of live keys begin with them too.")
    return access


Reader = Annotated[Access, Depends(caller(Scope.AI_CHAT, Scope.CONTROL_READ, Scope.CONTROL_WRITE))]
Writer = Annotated[Access, Depends(_writer)]


@router.get(
    "/v1/chat/agents",
    summary="List the agents that chats may begin with",
    response_class=Response,
    responses={200: examples.PRESETS, **errors(HARNESS, *ACCESS_ERRORS)},
)
async def list_presets(request: Request, access: Reader) -> Response:
    """The organization's, oldest first. Needs the scope `ai:chat` or `control:read`."""
    async with gateway_of(request).storage.read(access.principal) as tx:
        presets = await tx.presets.all()
    return _json({"data": [*map(shown, presets)]})


@router.post(
    "/v1/chat/agents",
    summary="Create an agent (extension)",
    status_code=201,
    response_class=Response,
    responses={
        201: examples.PRESET_CREATED,
        **errors(
            HARNESS,
            *ACCESS_ERRORS,
            *IDEMPOTENCY_ERRORS,
            TooManyPresetsError,
            UnknownToolError,
            facts.ValidationFailedError,
            facts.TooLargeError,
        ),
    },
    openapi_extra=once_a_key(json_body(CreatePresetRequest, examples.CREATE_PRESET_REQUEST)),
)
async def create_preset(request: Request, access: Writer) -> Response:
    """Chats name it `agent-` and its `id`. Needs the scope `control:write`, of a live key."""
    body = validated(CreatePresetRequest, read_object(await request.body()), unknown=ValidationFailedError)
    definition = _definition(request, body)

    async def add(tx: Transaction) -> Response:
        preset = await tx.presets.add(body.name, definition, by=tx.actor)
        _audit(tx, AuditAction.PRESET_CREATED, preset)
        response = _json({**shown(preset), "request_id": exchange_of(request).request_id}, status=201)
        response.headers["location"] = f"/v1/chat/agents/{preset.id}"
        return tagged(response, preset.version)

    return await once(request, access, add)


@router.get(
    "/v1/chat/agents/{agent_id}",
    summary="Read an agent (extension)",
    response_class=Response,
    responses={200: examples.PRESET, **errors(HARNESS, *ACCESS_ERRORS, facts.NotFoundError)},
)
async def get_preset(request: Request, access: Reader, agent_id: str) -> Response:
    """Its `ETag` is for changing it. Needs the scope `ai:chat` or `control:read`."""
    async with gateway_of(request).storage.read(access.principal) as tx:
        preset = await tx.presets.get(_known(agent_id))
    return tagged(_json(shown(preset)), preset.version)


@router.patch(
    "/v1/chat/agents/{agent_id}",
    summary="Change an agent (extension)",
    response_class=Response,
    responses={
        200: examples.PRESET,
        **errors(
            HARNESS,
            *ACCESS_ERRORS,
            UnknownToolError,
            facts.NotFoundError,
            facts.ValidationFailedError,
            facts.PreconditionFailedError,
            facts.TooLargeError,
        ),
    },
    openapi_extra=json_body(ChangePresetRequest, examples.CHANGE_PRESET_REQUEST),
)
async def change_preset(request: Request, access: Writer, agent_id: str, if_match: IfMatch = None) -> Response:
    """Fields that are left out stay; a list that is sent takes the place of the one that there is.

    Needs the scope `control:write`, of a live key.
    """
    sent = read_object(await request.body())
    # What is wrong with it is told of it, not of what it makes of the agent.
    changed = validated(ChangePresetRequest, sent, unknown=ValidationFailedError).model_fields_set
    if not changed:
        raise ValidationFailedError("Send at least one field to change.")
    found = _known(agent_id)
    async with gateway_of(request).storage.begin(access.principal, ip_address=exchange_of(request).ip_address) as tx:
        merged = {**shown(await tx.presets.hold(found)), **{name: sent[name] for name in changed}}
        body = validated(CreatePresetRequest, merged, unknown=ValidationFailedError)
        definition = _definition(request, body, changed)
        preset = await tx.presets.change(found, body.name, definition, only_versions=versions(if_match))
        _audit(tx, AuditAction.PRESET_UPDATED, preset)
    return tagged(_json(shown(preset)), preset.version)


@router.delete(
    "/v1/chat/agents/{agent_id}",
    summary="Delete an agent (extension)",
    response_class=Response,
    responses={200: examples.PRESET_DELETED, **errors(HARNESS, *ACCESS_ERRORS, facts.NotFoundError)},
)
async def delete_preset(request: Request, access: Writer, agent_id: str) -> Response:
    """Chats that are under way go on. Needs the scope `control:write`, of a live key."""
    found = _known(agent_id)
    async with gateway_of(request).storage.begin(access.principal, ip_address=exchange_of(request).ip_address) as tx:
        preset = await tx.presets.hold(found)
        await tx.presets.remove(found)
        _audit(tx, AuditAction.PRESET_DELETED, preset)
    return _json({"id": found, "deleted": True})


_EVERY_FIELD = CreatePresetRequest.model_fields.keys()


def shown(preset: Preset) -> dict[str, Any]:
    definition = preset.definition
    return {
        "id": preset.id,
        "name": preset.name,
        "description": definition.description,
        "instructions": definition.instructions,
        "model": definition.model,
        "tools": [*definition.tools],
        "sources": [*definition.sources],
    }


def _known(given: str) -> PresetId:
    found = find_uuid(given)
    if found is None:
        raise NotFoundError("The agent does not exist.", param="agent_id")
    return PresetId(found)


def _definition(request: Request, body: CreatePresetRequest, sent: Container[str] = _EVERY_FIELD) -> PresetDefinition:
    """Raises `UnknownToolError`, and `ValidationFailedError` for a model that there is not, of fields that were sent.

    What stands there already may be away for a while.
    """
    gateway = gateway_of(request)
    model = body.model
    if model is not None and "model" in sent:
        model = read_model("model", model, gateway.catalog)
    return PresetDefinition(
        description=body.description,
        instructions=body.instructions,
        model=model,
        tools=tuple(tool.name for tool in gateway.toolbox.known(body.tools, "tools"))
        if "tools" in sent
        else tuple(body.tools),
        sources=tuple(FileId(each.lower()) for each in dict.fromkeys(body.sources)),
    )


def _audit(tx: Transaction, action: AuditAction, preset: Preset) -> None:
    about: dict[str, JsonValue] = {"version": preset.version, "tools": [*preset.definition.tools]}
    tx.audit(action, entity_type="preset", entity_id=preset.id, metadata=about)


def _json(body: dict[str, Any], *, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status_code=status, media_type="application/json")
