"""End users over real HTTP: whom calls have named, by name or id, and holds on them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from gateway.audit import AuditAction
from gateway.ids import new_ulid
from gateway.tenancy import KeyMode, Scope
from storage.pool import fetch
from tests.gateway_server import GatewayServer, Reply
from tests.tenants import make_tenant

SCOPES = (Scope.AI_CHAT, Scope.CONTROL_READ, Scope.END_USERS_READ, Scope.END_USERS_WRITE)
NAME = "maria.lopez@mercy.example"


@pytest_asyncio.fixture
async def hospital(gateway_server: GatewayServer) -> AsyncIterator[GatewayServer]:
    tenant = await make_tenant(gateway_server.storage, scopes=SCOPES)
    yield replace(gateway_server, live_key=tenant.token, tenant=tenant)


def people(server: GatewayServer, *rest: str) -> str:
    return "/".join((f"/v1/orgs/{server.tenant.org}/end-users", *rest))


def at(server: GatewayServer, name: str, *rest: str) -> str:
    return people(server, quote(name, safe=""), *rest)


async def call(server: GatewayServer, name: str | None = NAME, **options: Any) -> Reply:
    body = {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
    return await server.post("/v1/messages", {**body, "metadata": {"user_id": name}}, **options)


def code(reply: Reply) -> tuple[int, str, str | None]:
    error = reply.json()["error"]
    return reply.status, error["code"], error.get("param")


async def test_whom_calls_have_named_is_listed_newest_first(hospital: GatewayServer) -> None:
    await call(hospital, "first")
    await call(hospital, "second")
    await call(hospital, "first")

    listed = (await hospital.get(people(hospital))).json()

    assert [person["name"] for person in listed["data"]] == ["second", "first"]
    assert listed["meta"]["has_more"] is False


async def test_the_list_goes_on_behind_its_cursor(hospital: GatewayServer) -> None:
    for name in ("a", "b", "c"):
        await call(hospital, name)

    first = (await hospital.get(people(hospital) + "?limit=2")).json()
    rest = (await hospital.get(people(hospital) + f"?limit=2&cursor={first['meta']['next_cursor']}")).json()

    assert [person["name"] for person in (*first["data"], *rest["data"])] == ["c", "b", "a"]


async def test_a_person_says_when_they_were_named(hospital: GatewayServer) -> None:
    await call(hospital)

    person = (await hospital.get(at(hospital, NAME))).json()["data"]

    assert person["name"] == NAME
    assert person["state"] == "active"
    assert person["last_seen_at"] is not None
    assert person["hold"] is None


@pytest.mark.parametrize("name", ["a/b", "a/export", "ünïcode ♥", "100% sure?", "a b+c&d=e#f", ".", "..", "x" * 1024])
async def test_a_name_of_any_form_is_found(hospital: GatewayServer, name: str) -> None:
    await call(hospital, name)
    listed = (await hospital.get(people(hospital))).json()["data"]

    found = (await hospital.get(people(hospital, listed[0]["id"]))).json()["data"]

    assert found["name"] == name


async def test_a_name_with_a_slash_is_found_by_itself(hospital: GatewayServer) -> None:
    await call(hospital, "ward/4/bed/2")

    assert (await hospital.get(at(hospital, "ward/4/bed/2"))).json()["data"]["name"] == "ward/4/bed/2"


async def test_a_name_with_a_line_break_is_found_by_itself(hospital: GatewayServer) -> None:
    for name in ("ward 4", "ward 4\n", "\nward\n4"):
        await call(hospital, name)

    for name in ("ward 4", "ward 4\n", "\nward\n4"):
        assert (await hospital.get(at(hospital, name))).json()["data"]["name"] == name
        held = await hospital.request("PUT", at(hospital, name, "hold"), {"reason": "other"})
        assert held.json()["data"]["name"] == name


@pytest.mark.parametrize("who", ["nobody", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "x" * 1025, "\x00", "%", "ü"])
async def test_whom_nobody_named_is_not_there(hospital: GatewayServer, who: str) -> None:
    await call(hospital)

    reply = await hospital.get(at(hospital, who))

    assert code(reply) == (404, "RESOURCE_NOT_FOUND", None)
    assert b"end_user" not in reply.body


async def test_other_organisations_people_are_not_there(hospital: GatewayServer) -> None:
    await call(hospital)
    (person,) = (await hospital.get(people(hospital))).json()["data"]
    stranger = await make_tenant(hospital.storage, scopes=SCOPES)

    replies = [
        await hospital.get(at(hospital, NAME), key=stranger.token),
        await hospital.get(people(hospital), key=stranger.token),
        await hospital.get(f"/v1/orgs/{stranger.org}/end-users/{person['id']}", key=stranger.token),
        await hospital.get(f"/v1/orgs/{new_ulid()}/end-users/{person['id']}"),
    ]

    assert {code(reply) for reply in replies} == {(404, "RESOURCE_NOT_FOUND", None)}
    assert len({reply.json()["error"]["message"] for reply in replies}) == 1


async def test_reading_people_needs_its_scope(hospital: GatewayServer) -> None:
    other = await make_tenant(hospital.storage, scopes=(Scope.AI_CHAT, Scope.CONTROL_READ, Scope.CONTROL_WRITE))

    reply = await hospital.get(f"/v1/orgs/{other.org}/end-users", key=other.token)

    assert code(reply) == (403, "MISSING_SCOPE", None)


async def test_reading_people_is_audited_as_a_disclosure(hospital: GatewayServer) -> None:
    await call(hospital)

    await hospital.get(people(hospital))
    person = (await hospital.get(at(hospital, NAME))).json()["data"]

    entries = (await hospital.get("/v1/audit?limit=5")).json()["data"]
    seen = {entry["action"]: entry for entry in entries}
    assert seen["end_user.listed"]["phi_disposition"] == "contains_phi"
    assert seen["end_user.retrieved"]["subject_id_hmac"] == person["subject_id_hmac"]
    assert NAME not in str(entries)


async def test_a_hold_is_set_changed_and_lifted(hospital: GatewayServer) -> None:
    await call(hospital)
    path = at(hospital, NAME, "hold")

    held = await hospital.request("PUT", path, {"reason": "litigation"})
    changed = await hospital.request("PUT", path, {"reason": "regulator"})
    lifted = await hospital.request("DELETE", path)
    again = await hospital.request("DELETE", path)

    assert held.json()["data"]["hold"]["reason"] == "litigation"
    assert changed.json()["data"]["hold"]["reason"] == "regulator"
    assert changed.json()["data"]["hold"]["at"] == held.json()["data"]["hold"]["at"]
    assert (lifted.json()["data"]["hold"], again.status) == (None, 200)


async def test_a_hold_shows_no_name_to_whom_may_not_read_it(hospital: GatewayServer) -> None:
    await call(hospital)
    (person,) = (await hospital.get(people(hospital))).json()["data"]
    path = people(hospital, person["id"], "hold")
    async with hospital.storage.as_operator(hospital.tenant.org, command="test") as tx:
        _, writer = await tx.keys.add(name="holds", scopes=(Scope.END_USERS_WRITE,), mode=KeyMode.LIVE)
        tx.audit(AuditAction.API_KEY_CREATED, entity_type="api_key", entity_id="test")

    held = await hospital.request("PUT", path, {"reason": "other"}, key=writer)
    lifted = await hospital.request("DELETE", path, key=writer)
    await hospital.request("DELETE", path)

    assert [reply.json()["data"]["name"] for reply in (held, lifted)] == [None, None]
    entries = (await hospital.get("/v1/audit?limit=10")).json()["data"]
    told = [entry["phi_disposition"] for entry in entries if entry["action"] in ("end_user.held", "end_user.released")]
    assert told == ["contains_phi", "not_present", "not_present"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "reason"),
        ({"reason": "because"}, "reason"),
        ({"reason": None}, "reason"),
        ({"reason": "litigation", "until": "tomorrow"}, None),
        ([], None),
    ],
)
async def test_a_hold_of_a_bad_form_is_refused(hospital: GatewayServer, body: object, param: str | None) -> None:
    await call(hospital)

    reply = await hospital.request("PUT", at(hospital, NAME, "hold"), body)

    assert code(reply) == (422, "VALIDATION_FAILED", param)


async def test_a_test_key_holds_nobody(hospital: GatewayServer) -> None:
    tested = await make_tenant(hospital.storage, scopes=SCOPES, mode=KeyMode.TEST)
    await call(hospital, key=tested.token)

    reply = await hospital.request(
        "PUT", f"/v1/orgs/{tested.org}/end-users/{NAME}/hold", {"reason": "other"}, key=tested.token
    )

    assert code(reply) == (403, "MISSING_SCOPE", None)


async def test_a_name_that_is_anothers_id_takes_nobodys_place(hospital: GatewayServer) -> None:
    await call(hospital, NAME)
    (person,) = (await hospital.get(people(hospital))).json()["data"]
    await call(hospital, person["id"])

    held = await hospital.request("PUT", at(hospital, NAME, "hold"), {"reason": "litigation"})
    by_id = await hospital.get(people(hospital, person["id"]))

    assert [reply.json()["data"]["name"] for reply in (held, by_id)] == [NAME, NAME]
    listed = (await hospital.get(people(hospital))).json()["data"]
    assert {each["name"]: each["hold"] is not None for each in listed} == {NAME: True, person["id"]: False}


async def test_somebody_who_is_erased_meanwhile_takes_nobody_from_the_list(hospital: GatewayServer) -> None:
    await call(hospital, "stays")
    gone = await hospital.storage.end_users.of(hospital.tenant.org, "goes")
    await fetch(
        hospital.storage.pool,
        "update end_user_keys set sealed = null, destroyed_at = now() where end_user_id = %s returning 1",
        [gone.id],
    )

    listed = await hospital.get(people(hospital))

    assert [each["name"] for each in listed.json()["data"]] == ["stays"]
    assert (await hospital.get(people(hospital, gone.id))).status == 404
