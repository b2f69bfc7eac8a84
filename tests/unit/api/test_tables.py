"""Tables that must stay whole: errors of each dialect, published fields, the reference."""

import re
from typing import Any

import orjson
import pytest
from anthropic.types import message_count_tokens_params, message_create_params
from fastapi import FastAPI
from pydantic import BaseModel

from api.anthropic.envelope import ANTHROPIC, ANTHROPIC_PLAIN
from api.anthropic.schemas import FIELDS, CountTokensRequest, CreateMessageRequest, Handling
from api.apps.schemas import ChangeAppRequest, CreateAppRequest, QueryAppRequest, RunWorkflowRequest
from api.dialect import Dialect
from api.files.schemas import AnnounceFileRequest
from api.harness.preset_schemas import ChangePresetRequest, CreatePresetRequest
from api.harness.schemas import ChatCompletionsRequest
from api.main import create_app
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
from api.native.envelope import CONTROL, NATIVE
from api.native.schemas import ChatRequest
from api.openai.chat.schemas import ChatCompletionRequest
from api.openai.schemas import CreateResponseRequest
from gateway.errors import Kind
from gateway.settings import Settings


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    settings = Settings.model_validate({"database_url": "postgresql://nobody@127.0.0.1/none", "keyring_file": "none"})
    app: FastAPI = create_app(settings)
    return app.openapi()


@pytest.mark.parametrize("dialect", [NATIVE, CONTROL, ANTHROPIC, ANTHROPIC_PLAIN], ids=lambda dialect: dialect.name)
def test_every_kind_of_error_has_a_status_in_every_dialect(dialect: Dialect) -> None:
    assert set(dialect.table) == set(Kind)


def test_clients_of_another_gateway_are_told_in_the_statuses_that_they_know() -> None:
    changed = {
        kind: ANTHROPIC_PLAIN.table[kind] for kind in Kind if ANTHROPIC_PLAIN.table[kind] != ANTHROPIC.table[kind]
    }

    assert changed == {
        Kind.OVER_BUDGET: (429, "rate_limit_error"),
        Kind.GONE: (404, "not_found_error"),
        Kind.UPSTREAM_TIMEOUT: (504, "timeout_error"),
        Kind.UPSTREAM_BUSY: (529, "overloaded_error"),
    }


def test_the_field_table_is_the_sdks_published_one() -> None:
    published = {
        *message_create_params.MessageCreateParamsBase.__annotations__,
        *message_count_tokens_params.MessageCountTokensParams.__annotations__,
    }

    assert published <= set(FIELDS)
    # Not in the newest SDK's types, but in the API they describe.
    assert set(FIELDS) - published == {
        "context_management",
        "mcp_servers",
        "stream",
        "temperature",
        "top_k",
        "top_p",
    }


def test_what_is_carried_is_declared_and_nothing_else() -> None:
    taken = {name for name, handling in FIELDS.items() if handling in (Handling.CARRIED, Handling.NOT_FORWARDED)}

    assert set(CreateMessageRequest.model_fields) == taken


def test_every_route_lists_its_errors_with_examples(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            statuses = set(operation["responses"])
            if path in {"/livez", "/readyz", "/.well-known/audit-keys.json"}:
                continue
            assert (operation.get("security") == []) or {"401", "500", "503"} <= statuses, path
            for status in statuses - {"200", "201", "202", "304"}:
                examples = operation["responses"][status]["content"]["application/json"]["examples"]
                assert examples, (path, status)
                assert all("error" in example["value"] for example in examples.values())


BODIES: tuple[tuple[str, str, type[BaseModel]], ...] = (
    ("post", "/v1/ai/chat", ChatRequest),
    ("post", "/v1/messages", CreateMessageRequest),
    ("post", "/v1/messages/count_tokens", CountTokensRequest),
    ("post", "/v1/anthropic/messages", CreateMessageRequest),
    ("post", "/v1/app", CreateAppRequest),
    ("patch", "/v1/app/{app_id}", ChangeAppRequest),
    ("post", "/v1/app/{app_id}/query", QueryAppRequest),
    ("post", "/v1/files/upload-url", AnnounceFileRequest),
    ("post", "/v1/workflows/run", RunWorkflowRequest),
    ("post", "/v1/chat/agents", CreatePresetRequest),
    ("patch", "/v1/chat/agents/{agent_id}", ChangePresetRequest),
    ("post", "/v1/chat/completions", ChatCompletionsRequest),
    ("post", "/v1/openai/chat/completions", ChatCompletionRequest),
    ("post", "/v1/openai/responses", CreateResponseRequest),
    ("post", "/v1/openai/responses/input_tokens", CreateResponseRequest),
    ("post", "/v1/anthropic/messages/count_tokens", CountTokensRequest),
    ("post", "/v1/anthropic/v1/messages", CreateMessageRequest),
    ("post", "/v1/anthropic/v1/messages/count_tokens", CountTokensRequest),
    ("post", "/v1/api_keys", CreateKeyRequest),
    ("patch", "/v1/api_keys/{key_id}", ChangeKeyRequest),
    ("post", "/v1/api_keys/{key_id}/rotate", RotateKeyRequest),
    ("post", "/v1/agents", CreateAgentRequest),
    ("patch", "/v1/agents/{agent_id}", ChangeAgentRequest),
    ("post", "/v1/agents/{agent_id}/credentials", IssueCredentialRequest),
    ("post", "/v1/agents/{agent_id}/credentials/{credential_id}/revoke", RevokeCredentialRequest),
    ("post", "/v1/agents/{agent_id}/credentials/{credential_id}/rotate", RotateCredentialRequest),
    ("put", "/v1/compliance/policy", PolicyRequest),
    ("put", "/v1/usage/budget", BudgetRequest),
    ("post", "/v1/phi/scan", ScanRequest),
    ("post", "/v1/audit/exports", ExportAuditRequest),
    ("post", "/v1/compliance/baa/acceptances", AcceptRequest),
    ("post", "/v1/webhooks", CreateWebhookRequest),
    ("patch", "/v1/webhooks/{webhook_id}", ChangeWebhookRequest),
    ("post", "/v1/webhooks/{webhook_id}/rotate-secret", RotateWebhookSecretRequest),
    ("post", "/v1/webhooks/{webhook_id}/test", WebhookTestRequest),
    ("post", "/v1/webhooks/deliveries/bulk-replay", BulkReplayRequest),
    ("post", "/v1/orgs/{organization}/end-users/{runtimeUser}/erasure", ErasureRequest),
    ("put", "/v1/orgs/{organization}/end-users/{runtimeUser}/hold", HoldRequest),
)


def test_every_body_is_described_and_its_examples_are_valid(document: dict[str, Any]) -> None:
    taking = {
        (method, path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    }

    assert taking == {(method, path) for method, path, _ in BODIES}
    for method, path, schema in BODIES:
        content = document["paths"][path][method]["requestBody"]["content"]["application/json"]
        assert content["schema"]["$ref"].rpartition("/")[2] in document["components"]["schemas"]
        assert content["examples"]
        for example in content["examples"].values():
            schema.model_validate(example["value"])


def test_every_parameter_of_a_path_is_described(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            described = [each["name"] for each in operation.get("parameters", []) if each["in"] == "path"]
            assert sorted(described) == sorted(re.findall(r"{(\w+)}", path)), (method, path)


def test_every_reference_of_the_document_resolves(document: dict[str, Any]) -> None:
    names = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}

    assert set(re.findall(r'"\$ref":"([^"]+)"', orjson.dumps(document).decode())) <= names


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/ai/chat"])
def test_the_document_says_which_headers_tell_who_answered(path: str, document: dict[str, Any]) -> None:
    headers = document["paths"][path]["post"]["responses"]["200"]["headers"]

    assert set(headers) == {"hasp-answered-by", "hasp-ignored-parameters", "hasp-upstream"}
    assert all(header["description"] for header in headers.values())
