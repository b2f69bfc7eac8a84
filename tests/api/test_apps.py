"""Apps over real HTTP: made, listed, read, changed, deleted, and by whom."""

from typing import Any

import pytest

from gateway.ids import new_uuid
from gateway.tenancy import KeyMode, Scope
from storage.pool import fetch
from tests.api.apps import APP, HAIKU, WORKFLOW, make_desk
from tests.gateway_server import GatewayServer, Reply

CANARY = "Quillfeather"


def refusal(reply: Reply) -> tuple[int, str, str | None]:
    error: dict[str, Any] = reply.json()["error"]
    return reply.status, error["code"], error["param"]


async def test_an_app_is_shown_with_all_that_was_sent(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    wanted = APP | {
        "description": "For the patient.",
        "constants": [{"variable_name": "tone", "display_name": "Tone", "value": "kind"}],
        "prompt_sections": [{"body": "{{inputs.tone}}", "position": 4}, {"body": "{{inputs.note}}", "position": 2}],
    }

    app = await desk.make(wanted)
    shown = await desk.send("GET", f"/app/{app}")

    item = shown.json()
    assert shown.headers["etag"] == '"1"'
    assert (item["id"], item["name"], item["description"]) == (app, "Summary", "For the patient.")
    assert (item["default_model"], item["files"], item["prompt_sections"]) == (HAIKU, [], wanted["prompt_sections"])
    assert [(each["variable_name"], each["display_name"], each["value"]) for each in item["constants"]] == [
        ("tone", "Tone", "kind")
    ]
    (asked,) = item["user_inputs"]
    assert asked | {"object_id": ""} == {
        "object_id": "",
        "variable_name": "note",
        "display_name": "note",
        "description": None,
        "position": 0,
        "required": True,
        "variable_type": "short_answer",
    }
    assert "steps" not in item


async def test_a_workflow_is_shown_with_its_steps_and_what_they_wait_for(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)

    item = (await desk.send("GET", f"/app/{await desk.make(WORKFLOW)}")).json()

    assert [(step["id"], step["step_type"], step["config"]) for step in item["steps"]] == [
        ("facts", "prompt", {"model": None}),
        ("letter", "prompt", {"model": None}),
    ]
    assert item["dependencies"] == WORKFLOW["dependencies"]
    assert "prompt_sections" not in item


async def test_lists_are_filtered_by_a_part_of_the_name_before_they_are_cut(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    for name in ("Intake one", "Discharge", "INTAKE two", "100%_intake"):
        await desk.make(name=name)

    assert await desk.names("?name=intake") == ["Intake one", "INTAKE two", "100%_intake"]
    assert await desk.names("?name=intake&limit=1&offset=1") == ["INTAKE two"]
    assert await desk.names("?name=%25_") == ["100%_intake"]
    assert len(await desk.names()) == 4


async def test_an_app_is_nobodys_but_its_organisations(gateway_server: GatewayServer) -> None:
    desk, stranger = await make_desk(gateway_server), await make_desk(gateway_server)
    app = await desk.make()

    replies = [
        await stranger.send("GET", f"/app/{app}"),
        await stranger.send("PATCH", f"/app/{app}", {"name": "Mine"}),
        await stranger.send("DELETE", f"/app/{app}"),
        await stranger.send("POST", "/workflows/run", {"app_id": app, "inputs": {}}),
    ]

    assert [refusal(reply) for reply in replies] == [(404, "RESOURCE_NOT_FOUND", "app_id")] * 4
    assert await stranger.names() == []


async def test_what_is_sent_changes_and_the_rest_stays(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    app = await desk.make(description="Before")
    before = (await desk.send("GET", f"/app/{app}")).json()
    sections = [{"body": "Again: {{inputs.note}}", "position": 0}]

    changed = await desk.send("PATCH", f"/app/{app}", {"prompt_sections": sections, "description": None})

    assert (changed.status, changed.headers["etag"]) == (200, '"2"')
    assert changed.json() == before | {"prompt_sections": sections, "description": None}
    stale = await desk.send("PATCH", f"/app/{app}", {"name": "Late"}, **{"if-match": '"1"'})
    assert refusal(stale) == (412, "PRECONDITION_FAILED", None)


async def test_an_app_that_is_deleted_is_gone(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    app = await desk.make()

    gone = await desk.send("DELETE", f"/app/{app}")

    assert gone.json() == {"id": app, "deleted": True}
    assert (await desk.send("GET", f"/app/{app}")).status == 404
    assert (await desk.send("DELETE", f"/app/{app}")).status == 404


async def test_changes_are_audited_without_a_word_of_the_app(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    app = await desk.make(name=CANARY, prompt_sections=[{"body": CANARY}])
    await desk.send("PATCH", f"/app/{app}", {"name": CANARY * 2})
    await desk.send("DELETE", f"/app/{app}")

    reply = await desk.send("GET", f"/audit?entity_id={app}")

    assert [(each["action"], each["metadata"]) for each in reply.json()["data"][::-1]] == [
        ("app.created", {"kind": "app", "version": 1}),
        ("app.updated", {"kind": "app", "version": 2}),
        ("app.deleted", {"kind": "app", "version": 2}),
    ]
    assert CANARY.encode() not in reply.body


async def test_prompts_are_sealed_where_they_are_kept(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    app = await desk.make(prompt_sections=[{"body": CANARY}])

    ((kept,),) = await fetch(gateway_server.storage.pool, "select apps::text from apps where id = %s", [app])

    assert CANARY.encode().hex() not in kept
    assert CANARY not in kept


async def test_an_app_that_is_made_twice_under_one_key_is_one(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)

    replies = [await desk.send("POST", "/app", APP, **{"idempotency-key": "k"}) for _ in range(2)]

    assert [reply.status for reply in replies] == [201, 201]
    assert replies[0].body == replies[1].body
    assert replies[1].headers["idempotent-replayed"] == "true"
    assert len(await desk.names()) == 1


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"default_model": CANARY}, "default_model"),
        ({"prompt_sections": list[Any]()}, "steps"),
        ({"steps": WORKFLOW["steps"]}, "steps"),
        ({"prompt_sections": [{"body": "{{inputs.other}}"}]}, "prompt_sections[0].body"),
        ({"user_inputs": [{"variable_name": CANARY + " x"}]}, "user_inputs[0].variable_name"),
        ({"user_inputs": [{"variable_name": "a", "variable_type": CANARY}]}, "user_inputs[0].variable_type"),
        ({"constants": [{"variable_name": "note", "value": "x"}]}, "user_inputs"),
        (
            {"prompt_sections": list[Any](), "steps": WORKFLOW["steps"], "dependencies": list[Any]()},
            "steps[1].prompt_sections[0].body",
        ),
        ({"dependencies": [{"step_id": "nobody", "depends_on": ["facts"]}]}, "dependencies"),
    ],
)
async def test_a_bad_app_is_refused_by_the_name_of_its_field(
    gateway_server: GatewayServer, change: dict[str, Any], param: str
) -> None:
    desk = await make_desk(gateway_server)
    app = await desk.make()

    replies = [await desk.send("POST", "/app", APP | change), await desk.send("PATCH", f"/app/{app}", change)]

    assert [refusal(reply) for reply in replies] == [(422, "VALIDATION_FAILED", param)] * 2
    assert not any(CANARY.encode() in reply.body for reply in replies)


async def test_fields_that_nobody_knows_are_ignored(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)

    assert (await desk.send("POST", "/app", APP | {"icon": CANARY})).status == 201


@pytest.mark.parametrize(
    ("tenant", "code"),
    [
        ({"scopes": (Scope.AI_CHAT, Scope.CONTROL_READ)}, "MISSING_SCOPE"),
        ({"mode": KeyMode.TEST}, "MISSING_SCOPE"),
    ],
    ids=["no control:write", "test key"],
)
async def test_who_may_not_write_settings_changes_no_app(
    gateway_server: GatewayServer, tenant: dict[str, Any], code: str
) -> None:
    desk = await make_desk(gateway_server, **tenant)
    one = f"/app/{new_uuid()}"

    replies = [
        await desk.send(method, path, APP) for method, path in (("POST", "/app"), ("PATCH", one), ("DELETE", one))
    ]

    assert [refusal(reply)[:2] for reply in replies] == [(403, code)] * 3


async def test_a_key_that_may_only_invoke_workflows_sees_apps(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server, scopes=(Scope.WORKFLOW_INVOKE,))

    assert (await desk.send("GET", "/app/list")).json() == {"data": []}


async def test_an_app_larger_than_a_list_can_show_is_refused(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    large = APP | {"prompt_sections": [{"body": "x" * 99_000}] * 2}
    made = await desk.send("POST", "/app", large)
    changed = await desk.send("PATCH", f"/app/{await desk.make()}", {"prompt_sections": large["prompt_sections"]})

    assert [(each.status, each.json()["error"]["code"]) for each in (made, changed)] == [(413, "REQUEST_TOO_LARGE")] * 2
