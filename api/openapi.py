"""The OpenAPI document: bodies from their schemas, every error of a route from the table that renders it."""

from collections.abc import Mapping
from functools import reduce
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.anthropic.schemas import CountTokensRequest, CreateMessageRequest
from api.apps.schemas import ChangeAppRequest, CreateAppRequest, QueryAppRequest, RunWorkflowRequest
from api.dialect import Dialect
from api.files.schemas import AnnounceFileRequest
from api.harness.preset_schemas import ChangePresetRequest, CreatePresetRequest
from api.harness.schemas import ChatCompletionsRequest
from api.manage.agent_credential_schemas import (
    IssueCredentialRequest,
    RevokeCredentialRequest,
    RotateCredentialRequest,
)
from api.manage.agent_schemas import ChangeAgentRequest, CreateAgentRequest
from api.manage.end_user_erasure_schemas import ErasureRequest
from api.manage.end_user_schemas import HoldRequest
from api.manage.schemas import (
    AcceptRequest,
    BudgetRequest,
    ChangeKeyRequest,
    CreateKeyRequest,
    ExportAuditRequest,
    PolicyRequest,
    RotateKeyRequest,
    ScanRequest,
)
from api.manage.webhook_replay_schemas import BulkReplayRequest
from api.manage.webhook_schemas import (
    ChangeWebhookRequest,
    CreateWebhookRequest,
    RotateWebhookSecretRequest,
    WebhookTestRequest,
)
from api.native.schemas import ChatRequest
from api.openai.chat.schemas import ChatCompletionRequest
from api.openai.schemas import CreateResponseRequest
from gateway import errors as facts
from gateway.agents.running import CredentialRevokedError, TooManyInvocationsError
from gateway.agents.scope import ToolNotInScopeError
from gateway.errors import GatewayError
from gateway.idempotency import HEADER

Responses = dict[int | str, dict[str, Any]]

KEY_ERRORS: tuple[type[GatewayError], ...] = (
    facts.InvalidApiKeyError,
    facts.IpNotAllowedError,
    facts.UnavailableError,
    facts.InternalError,
)
ACCESS_ERRORS = (*KEY_ERRORS, facts.MissingScopeError)
PROMPT_ERRORS = (
    *ACCESS_ERRORS,
    facts.BaaRequiredError,
    facts.RateLimitedError,
    ToolNotInScopeError,
    CredentialRevokedError,
    TooManyInvocationsError,
    facts.ValidationFailedError,
    facts.FeatureNotEligibleError,
    facts.PhiInToolSchemaError,
    facts.PhiBlockedError,
    facts.OpusNotEnabledError,
    facts.ModelNotEnabledError,
    facts.NotFoundError,
    facts.ModelRetiredError,
    facts.TooLargeError,
    facts.ProviderRejectedError,
    facts.UpstreamFailureError,
    facts.UpstreamTimeoutError,
    facts.UpstreamBusyError,
)
"""Everything a prompt can be refused with, on any surface."""

IDEMPOTENCY_ERRORS = (facts.IdempotencyConflictError, facts.IdempotencyInProgressError)
"""What a request can be refused with for its idempotency key."""

INFERENCE_ERRORS = (
    *PROMPT_ERRORS,
    facts.CreditsExhaustedError,
    *IDEMPOTENCY_ERRORS,
    facts.IdempotencyNotReplayableError,
)
"""Everything an inference can be refused with, on any surface."""

_BODIES: tuple[type[BaseModel], ...] = (
    ChangePresetRequest,
    ChatCompletionRequest,
    ChatCompletionsRequest,
    ChatRequest,
    CreatePresetRequest,
    CreateResponseRequest,
    CreateMessageRequest,
    CountTokensRequest,
    CreateKeyRequest,
    ChangeKeyRequest,
    RotateKeyRequest,
    PolicyRequest,
    BudgetRequest,
    ScanRequest,
    ExportAuditRequest,
    AcceptRequest,
    CreateWebhookRequest,
    BulkReplayRequest,
    ChangeWebhookRequest,
    RotateWebhookSecretRequest,
    WebhookTestRequest,
    CreateAgentRequest,
    ChangeAgentRequest,
    IssueCredentialRequest,
    RevokeCredentialRequest,
    RotateCredentialRequest,
    ErasureRequest,
    HoldRequest,
    AnnounceFileRequest,
    CreateAppRequest,
    ChangeAppRequest,
    QueryAppRequest,
    RunWorkflowRequest,
)
_REQUEST_ID = "req_01K0B6W4M7RT2V9YQ3X5ZC8D1E"
_DETAILS: Mapping[type[GatewayError], Mapping[str, Any]] = {
    facts.MissingScopeError: {"required_scope": "ai:chat"},
    facts.BaaRequiredError: {"baa_url": "https://gateway.example/v1/compliance/baa"},
    facts.CreditsExhaustedError: {"cycle_reset_at": "2026-05-01T00:00:00+00:00"},
    facts.RateLimitedError: {"limit": "key_rpm"},
    facts.PhiBlockedError: {"entity_types": ["PERSON", "US_SSN"]},
    facts.RetrievalPhiBlockedError: {"entity_types": ["PERSON", "US_SSN"]},
    facts.OpusNotEnabledError: {"model": "claude-opus-4-7"},
    facts.ModelNotEnabledError: {"model": "gpt-5.5"},
    facts.ModelRetiredError: {
        "retired_at": "2026-10-01T00:00:00+00:00",
        "recommended_replacement": "claude-sonnet-4-6",
        "docs_url": "https://docs.claude.com/en/docs/about-claude/model-deprecations",
    },
    facts.TooLargeError: {"max_bytes": 33_554_432},
}
_DESCRIPTION = """
One gateway, two shapes of inference over the same compliance pipeline: the native surface `/v1/ai/*`
and the Anthropic-compatible `/v1/messages`. Authenticate with `Authorization: Bearer hasp_key_...` or `x-api-key`.

Branch on the HTTP status and `error.code`; messages are for people. Every response carries `x-request-id`.
"""


def errors(dialect: Dialect, *classes: type[GatewayError]) -> Responses:
    """`responses=` for what a route can answer with, as `dialect` renders it, one example a code."""
    by_status: Responses = {}
    for made in classes:
        error = made()
        error.details = _DETAILS.get(made, {})
        content = by_status.setdefault(
            dialect.status(error),
            {
                "description": _phrase(dialect.status(error)),
                "content": {"application/json": {"schema": {"type": "object"}, "examples": {}}},
            },
        )["content"]["application/json"]
        example = dialect.body(error, _REQUEST_ID)
        content["examples"].setdefault(error.code, {"summary": error.text, "value": example})
        content["schema"] = shape(example)
    return by_status


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Overloaded"  # 529, which is Anthropic's


def json_body(schema: type[BaseModel], examples: Mapping[str, Any], *, required: bool = True) -> dict[str, Any]:
    """`openapi_extra=` for a route that reads its body by hand."""
    content = {
        "schema": {"$ref": f"#/components/schemas/{schema.__name__}"},
        "examples": {name: {"value": value} for name, value in examples.items()},
    }
    return {"requestBody": {"required": required, "content": {"application/json": content}}}


def once_a_key(described: Mapping[str, Any], *headers: Mapping[str, Any]) -> dict[str, Any]:
    """`described`, an `openapi_extra=`, of a route that does once what is asked under one idempotency key.

    `headers` are others that it takes.
    """
    header = {
        "name": HEADER,
        "in": "header",
        "required": False,
        "description": f"Asked again within a day, answers as the first time and does nothing. Alias: `X-{HEADER}`.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    }
    return {**described, "parameters": [header, *headers]}


def answer(
    description: str,
    example: Any,  # noqa: ANN401 - any JSON value
    *,
    events: str | None = None,
    lines: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A 200 whose schema is the shape of `example`; `events` or `lines` is an example of the streamed form.

    `headers` says of each header that may be there what it tells.
    """
    content: dict[str, Any] = {"application/json": {"schema": shape(example), "example": example}}
    if events is not None:
        content["text/event-stream"] = {"schema": {"type": "string"}, "example": events}
    if lines is not None:
        content["application/x-ndjson"] = {"schema": {"type": "string"}, "example": lines}
    told = {name: {"description": text, "schema": {"type": "string"}} for name, text in (headers or {}).items()}
    return {"description": description, "content": content} | ({"headers": told} if told else {})


def shape(example: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """A JSON Schema that `example` fits, and every element of its lists.

    Nothing is required: fields may be added. A null alone stands for any type, and beside a value in another element
    of the same list for a value that may be missing.
    """
    match example:
        case bool():
            return {"type": "boolean"}
        case int():
            return {"type": "integer"}
        case float():
            return {"type": "number"}
        case str():
            return {"type": "string"}
        case list():
            elements = [shape(element) for element in cast("list[Any]", example)]
            return {"type": "array", "items": reduce(_either, elements) if elements else {}}
        case dict():
            fields = cast("dict[str, Any]", example)
            return {"type": "object", "properties": {name: shape(value) for name, value in fields.items()}}
        case _:
            return {}


def _either(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """What both fit; an empty schema is a null's."""
    if not one or not other:
        known = one or other
        return {**known, "type": [known["type"], "null"]} if isinstance(known.get("type"), str) else known
    if one["type"] != other["type"]:
        return {}
    if "items" in one:
        return {"type": "array", "items": _either(one["items"], other["items"])}
    if "properties" not in one:
        return one
    mine, theirs = one["properties"], other["properties"]
    both = {name: _either(mine[name], theirs[name]) for name in mine.keys() & theirs.keys()}
    return {"type": "object", "properties": theirs | mine | both}


def _drop_framework_errors(document: dict[str, Any]) -> None:
    """FastAPI documents its own validation error wherever there is a parameter; ours are documented by `errors`."""
    for name in ("HTTPValidationError", "ValidationError"):
        document.get("components", {}).get("schemas", {}).pop(name, None)
    for methods in document["paths"].values():
        for operation in methods.values():
            unprocessable = operation["responses"].get("422", {})
            if "HTTPValidationError" in str(unprocessable):
                del operation["responses"]["422"]


def describe(app: FastAPI) -> dict[str, Any]:
    """The document, made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title="Hasp",
            version=app.version,
            description=_DESCRIPTION,
            routes=app.routes,
            servers=[{"url": "/"}],
        )
        _drop_framework_errors(document)
        components = document.setdefault("components", {})
        _, bodies = models_json_schema(
            [(body, "validation") for body in _BODIES], ref_template="#/components/schemas/{model}"
        )
        components.setdefault("schemas", {}).update(bodies["$defs"])
        components["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer hasp_key_...`"},
            "api_key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
        }
        document["security"] = [{"bearer": []}, {"api_key": []}]
        app.openapi_schema = document
    return app.openapi_schema
