"""Runs of workflows over real HTTP, as far as the API goes: asked for, looked at, cancelled, and by whom."""

from typing import Any

import pytest

from gateway.tenancy import Scope
from storage.pool import fetch
from tests.api.apps import APP, WORKFLOW, Desk, make_desk
from tests.api.test_control_plane import told
from tests.gateway_server import GatewayServer, Reply

CANARY = "Quillfeather"
AT_ONCE = {"prefer": "respond-async"}
NOTHING = {"input_tokens": 0, "output_tokens": 0, "credits": 0}


async def run(desk: Desk, app: str, **headers: str) -> Reply:
    body = {"app_id": app, "inputs": {"note": CANARY}, "is_draft_app": False}
    return await desk.send("POST", "/workflows/run", body, **(AT_ONCE | headers))


async def test_a_run_is_answered_at_once_with_where_to_ask(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    app = await desk.make(WORKFLOW)

    reply = await run(desk, app)

    begun = reply.json()
    assert (reply.status, begun["status"]) == (202, "Workflow Job Invoked")
    assert reply.headers["location"] == f"/v1/workflows/{begun['job_id']}"
    job = (await desk.send("GET", f"/workflows/{begun['job_id']}")).json()
    assert job | {"created_at": None} == {
        "job_id": begun["job_id"],
        "app_id": app,
        "status": "queued",
        "created_at": None,
        "started_at": None,
        "finished_at": None,
        "steps": [
            {"id": each, "display_name": each, "status": "queued", "output": None, "error": None, "usage": NOTHING}
            | {"message_id": None}
            for each in ("facts", "letter")
        ],
        "outputs": None,
        "error": None,
        "usage": NOTHING,
    }
    assert ("app_job.requested", {"job_id": begun["job_id"]}) in await told(gateway_server.storage, desk.tenant)


async def test_a_run_that_is_asked_for_twice_under_one_key_is_one(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    app = await desk.make(WORKFLOW)

    replies = [await run(desk, app, **{"idempotency-key": "k"}) for _ in range(2)]

    assert {reply.json()["job_id"] for reply in replies} == {replies[0].json()["job_id"]}
    assert replies[1].headers["idempotent-replayed"] == "true"
    events = [event for event in await told(gateway_server.storage, desk.tenant) if event[0] == "app_job.requested"]
    assert len(events) == 1


async def test_a_job_is_cancelled_once(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    job = (await run(desk, await desk.make(WORKFLOW))).json()["job_id"]

    replies = [(await desk.send("DELETE", f"/workflows/{job}")).json() for _ in range(2)]

    assert [(each["status"], {step["status"] for step in each["steps"]}) for each in replies] == [
        ("cancelled", {"cancelled"})
    ] * 2
    events = [event for event in await told(gateway_server.storage, desk.tenant) if event[0] == "app_job.cancelled"]
    assert events == [("app_job.cancelled", {"job_id": job})]
    entries = (await desk.send("GET", f"/audit?entity_id={job}")).json()["data"]
    assert [(each["action"], each["metadata"].get("again")) for each in entries] == [
        ("app_job.cancelled", True),
        ("app_job.cancelled", None),
        ("app_job.requested", None),
    ]


async def test_a_job_is_nobodys_but_whose_key_asked(gateway_server: GatewayServer) -> None:
    desk, stranger = await make_desk(gateway_server), await make_desk(gateway_server)
    job = (await run(desk, await desk.make(WORKFLOW))).json()["job_id"]
    other = await desk.send("POST", "/api_keys", {"name": "other", "scopes": ["ai:chat"]})
    colleague = {"x-api-key": other.json()["data"]["plaintext"]}

    replies = [
        await each.send(method, f"/workflows/{job}", **headers)
        for each, headers in ((stranger, {}), (desk, colleague))
        for method in ("GET", "DELETE")
    ]

    assert [(reply.status, reply.json()["error"]["code"]) for reply in replies] == [(404, "RESOURCE_NOT_FOUND")] * 4
    assert (await desk.send("GET", f"/workflows/{job}")).json()["status"] == "queued"


@pytest.mark.parametrize("job", ["01K0B6W4M7RT2V9YQ3X5ZC8D1E", "run", "0198166e-4a87-d6b4-9d9e-e3b97f8601ae"])
async def test_a_job_that_never_was_is_not_found(gateway_server: GatewayServer, job: str) -> None:
    desk = await make_desk(gateway_server)

    assert (await desk.send("GET", f"/workflows/{job}")).status == 404


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"inputs": {}}, "app_id"),
        ({"app_id": CANARY, "inputs": {}}, "app_id"),
        ({"app_id": "{app}"}, "inputs"),
        ({"app_id": "{app}", "inputs": [CANARY]}, "inputs"),
        ({"app_id": "{app}", "inputs": {}}, "inputs.note"),
        ({"app_id": "{app}", "inputs": {"note": "x", CANARY: "y"}}, "inputs"),
    ],
)
async def test_a_bad_run_is_refused_by_the_name_of_its_field(
    gateway_server: GatewayServer, body: dict[str, Any], param: str
) -> None:
    desk = await make_desk(gateway_server)
    app = await desk.make(WORKFLOW)
    sent = {name: app if value == "{app}" else value for name, value in body.items()}

    reply = await desk.send("POST", "/workflows/run", sent)

    assert (reply.status, reply.json()["error"]["param"]) == (422, param)
    assert CANARY.encode() not in reply.body


async def test_what_a_job_was_given_is_sealed_where_it_is_kept(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    job = (await run(desk, await desk.make(WORKFLOW))).json()["job_id"]

    rows = await fetch(
        gateway_server.storage.pool,
        "select app_jobs::text from app_jobs where id = %(job)s"
        " union all select outbox::text from outbox where org_id = %(org)s",
        {"job": job, "org": desk.tenant.org},
    )

    assert rows
    assert not any(CANARY in row or CANARY.encode().hex() in row for (row,) in rows)


async def test_an_app_without_steps_is_not_run(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)

    reply = await run(desk, await desk.make(APP))

    assert (reply.status, reply.json()["error"]["code"]) == (400, "WRONG_KIND_OF_APP")


async def test_a_key_that_may_only_invoke_workflows_runs_one(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server)
    app = await desk.make(WORKFLOW)
    other = await desk.send("POST", "/api_keys", {"name": "other", "scopes": [Scope.WORKFLOW_INVOKE]})

    reply = await run(desk, app, **{"x-api-key": other.json()["data"]["plaintext"]})

    assert reply.status == 202


async def test_without_an_agreement_nothing_is_run(gateway_server: GatewayServer) -> None:
    desk = await make_desk(gateway_server, agreement=False)

    reply = await run(desk, "0198166e-4a87-d6b4-9d9e-e3b97f8601ae")

    assert (reply.status, reply.json()["error"]["code"]) == (402, "BAA_REQUIRED")
