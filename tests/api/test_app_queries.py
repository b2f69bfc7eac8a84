"""Queries of apps over real HTTP: the prompt with its values, answered as a chat is."""

from typing import Any

import orjson
import pytest

from gateway.ids import new_uuid
from gateway.tenancy import Scope
from tests.api.apps import APP, HAIKU, WORKFLOW, make_desk, make_marker
from tests.gateway_server import GatewayServer

SSN = "219-09-9999"
KEYED = {"idempotency-key": "one"}


async def test_an_app_is_answered_with_its_values_in_its_prompt(gateway_server: GatewayServer) -> None:
    desk, marker = await make_desk(gateway_server), make_marker()
    app = await desk.make()

    reply = await desk.send("POST", f"/app/{app}/query", {"inputs": {"note": marker}})

    answer = reply.json()
    assert (reply.status, answer["model"]) == (200, HAIKU)
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": f"Echo: Summarize: {marker}"}
    assert answer["usage"]["input_tokens"] > 0
    assert answer["usage"]["output_tokens"] > 0


async def test_a_stream_is_one_object_a_line(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)

    reply = await desk.send("POST", f"/app/{await desk.make()}/query", {"inputs": {"note": "Hi"}, "stream": True})

    lines: list[dict[str, Any]] = [orjson.loads(line) for line in reply.body.splitlines() if line]
    assert reply.headers["content-type"] == "application/x-ndjson"
    assert "".join(line["message"] for line in lines if line["type"] == "content") == "Echo: Summarize: Hi"
    assert lines[-1]["type"] == "done"


async def test_values_that_name_somebody_stay_here_and_come_back(gateway_server: GatewayServer) -> None:
    desk, marker = await make_desk(gateway_server), make_marker()

    reply = await desk.send(
        "POST", f"/app/{await desk.make()}/query", {"inputs": {"note": f"see {marker} for the SSN {SSN}"}}
    )

    heard = [body for each in gateway_server.sandbox.requests() if marker in (body := str(each["body"]))]
    assert reply.json()["choices"][0]["message"]["content"] == f"Echo: Summarize: see {marker} for the SSN {SSN}"
    assert len(heard) == 1
    assert SSN not in heard[0]


@pytest.mark.parametrize("stream", [False, True])
async def test_an_app_that_is_asked_twice_under_one_key_answers_once(
    gateway_server: GatewayServer, *, stream: bool
) -> None:
    desk, marker = await make_desk(gateway_server), make_marker()
    app, body = await desk.make(), {"inputs": {"note": marker}, "stream": stream}

    first, second = [await desk.send("POST", f"/app/{app}/query", body, **KEYED) for _ in range(2)]

    heard = [each for each in gateway_server.sandbox.requests() if marker in str(each["body"])]
    assert [marker in each.body.decode() for each in (first, second)] == [True, True]
    assert ("idempotent-replayed" in first.headers, second.headers["idempotent-replayed"]) == (False, "true")
    assert len(heard) == 1


async def test_a_key_is_for_one_app_and_one_question(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    app, other, body = await desk.make(), await desk.make(), {"inputs": {"note": "Hi"}}
    await desk.send("POST", f"/app/{app}/query", body, **KEYED)

    elsewhere = await desk.send("POST", f"/app/{other}/query", body, **KEYED)
    otherwise = await desk.send("POST", f"/app/{app}/query", {"inputs": {"note": "Ho"}}, **KEYED)

    assert (elsewhere.status, "idempotent-replayed" in elsewhere.headers) == (200, False)
    assert (otherwise.status, otherwise.json()["error"]["code"]) == (409, "IDEMPOTENCY_CONFLICT")


@pytest.mark.parametrize(("asked", "model"), [({"model": "claude-sonnet-4-6"}, "claude-sonnet-4-6"), ({}, HAIKU)])
async def test_the_caller_may_ask_another_model(
    gateway_server: GatewayServer, asked: dict[str, Any], model: str
) -> None:
    desk = await make_desk(gateway_server)

    reply = await desk.send("POST", f"/app/{await desk.make()}/query", {"inputs": {"note": "Hi"}, **asked})

    assert reply.json()["model"] == model


async def test_an_app_without_a_model_has_one_chosen(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    app = await desk.make({name: value for name, value in APP.items() if name != "default_model"})

    reply = await desk.send("POST", f"/app/{app}/query", {"inputs": {"note": "Hi"}})

    assert reply.status == 200
    assert reply.headers["hasp-model"] == reply.json()["model"]


@pytest.mark.parametrize(
    ("app", "body", "refused"),
    [
        (APP, {}, (422, "VALIDATION_FAILED", "inputs")),
        (APP, {"inputs": {}}, (422, "VALIDATION_FAILED", "inputs.note")),
        (APP, {"inputs": {"note": "Hi", "x": 1}}, (422, "VALIDATION_FAILED", "inputs")),
        (APP, {"inputs": {"note": "Hi"}, "model": "nobody"}, (404, "RESOURCE_NOT_FOUND", "model")),
        (APP, {"inputs": {"note": "Hi"}, "file_uuids": ["x"]}, (422, "VALIDATION_FAILED", "file_uuids[0]")),
        (APP, {"inputs": {"note": "Hi"}, "file_uuids": [new_uuid()]}, (404, "RESOURCE_NOT_FOUND", "file_uuids")),
        (
            APP | {"user_inputs": [{"variable_name": "note"}], "prompt_sections": [{"body": "{{inputs.note}}"}]},
            {"inputs": {}},
            (422, "VALIDATION_FAILED", "inputs"),
        ),
        (WORKFLOW, {"inputs": {"note": "Hi"}}, (400, "WRONG_KIND_OF_APP", "app_id")),
    ],
    ids=["no inputs", "missing", "unknown", "no model", "no id", "no file", "empty prompt", "workflow"],
)
async def test_a_bad_query_is_refused_by_the_name_of_its_field(
    gateway_server: GatewayServer, app: dict[str, Any], body: dict[str, Any], refused: tuple[int, str, str]
) -> None:
    desk = await make_desk(gateway_server)

    reply = await desk.send("POST", f"/app/{await desk.make(app)}/query", body)

    error = reply.json()["error"]
    assert (reply.status, error["code"], error["param"]) == refused


async def test_a_key_that_may_only_invoke_workflows_queries_no_app(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server, scopes=(Scope.WORKFLOW_INVOKE,))

    reply = await desk.send("POST", f"/app/{new_uuid()}/query", {"inputs": {}})

    assert (reply.status, reply.json()["error"]["code"]) == (403, "MISSING_SCOPE")


async def test_apps_may_name_the_models_that_chats_may(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)

    models, chats = [await desk.send("GET", path) for path in ("/app/models", "/chat/models")]

    assert (models.status, models.json()) == (200, chats.json())
