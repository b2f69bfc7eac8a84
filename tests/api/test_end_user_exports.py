"""Exports of people over real HTTP: one a moment, links that are short, and what stands in the way."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from gateway.audit.compliance import Gate
from gateway.clock import SystemClock
from gateway.end_users.export_links import make_link
from gateway.ids import new_ulid
from gateway.tenancy import Scope
from storage.end_users.exports.writing import EndUserExportWriting
from storage.pool import fetch
from tests.api.test_every_verdict import Controlled, Server, verdict
from tests.end_user_exports import NAME, make_named_call, seal
from tests.gateway_server import GatewayServer, Reply
from tests.tenants import make_tenant

SCOPES = (Scope.AI_CHAT, Scope.CONTROL_READ, Scope.END_USERS_READ)
AT_ONCE = {"prefer": "respond-async"}


@pytest_asyncio.fixture
async def hospital(gateway_server: GatewayServer) -> AsyncIterator[GatewayServer]:
    tenant = await make_tenant(gateway_server.storage, scopes=SCOPES)
    await make_named_call(gateway_server.storage, tenant)
    yield replace(gateway_server, live_key=tenant.token, tenant=tenant)


def named(server: GatewayServer, name: str = NAME, query: str = "") -> str:
    return f"/v1/orgs/{server.tenant.org}/end-users/{quote(name, safe='')}/export{query}"


def by_id(server: GatewayServer, *rest: str) -> str:
    return "/".join((f"/v1/orgs/{server.tenant.org}/end-user-exports", *rest))


async def ask(server: GatewayServer, query: str = "") -> Reply:
    return await server.get(named(server, query=query), headers=AT_ONCE)


async def write(server: GatewayServer, export_id: str) -> None:
    """As its workflow does."""
    await seal(server.storage)
    writing = EndUserExportWriting(server.storage.pool, server.storage.cipher, SystemClock())
    await writing.write(server.tenant.org, export_id, goes_on=lambda: True)


async def ready(server: GatewayServer) -> dict[str, Any]:
    export_id = (await ask(server)).json()["data"]["id"]
    await write(server, export_id)
    return (await server.get(by_id(server, export_id))).json()["data"]


def code(reply: Reply) -> tuple[int, str, str | None]:
    error = reply.json()["error"]
    return reply.status, error["code"], error.get("param")


async def test_an_export_that_is_not_made_in_time_is_accepted(hospital: GatewayServer) -> None:
    reply = await ask(hospital)

    export = reply.json()["data"]
    assert (reply.status, export["state"], export["download_url"]) == (202, "requested", None)
    assert reply.headers["location"] == by_id(hospital, export["id"])


async def test_an_export_is_answered_with_once_it_is_made(hospital: GatewayServer) -> None:
    waiting = asyncio.create_task(hospital.get(named(hospital), headers={"prefer": "wait=60"}))
    while not (found := (await hospital.get(by_id(hospital))).json()["data"]):  # noqa: ASYNC110 - tells no event
        await asyncio.sleep(0.02)
    await write(hospital, found[0]["id"])

    reply = await waiting

    assert (reply.status, reply.json()["data"]["state"]) == (200, "ready")


async def test_whoever_asks_again_has_the_same_export(hospital: GatewayServer) -> None:
    first = (await ask(hospital)).json()["data"]
    during = (await ask(hospital)).json()["data"]
    await write(hospital, first["id"])
    after = await ask(hospital)

    assert first["id"] == during["id"] == after.json()["data"]["id"]
    assert (after.status, after.json()["data"]["state"]) == (200, "ready")


async def test_many_who_ask_at_once_have_one_export(hospital: GatewayServer) -> None:
    replies = await asyncio.gather(*(ask(hospital) for _ in range(20)))

    assert {reply.status for reply in replies} == {202}
    assert len({reply.json()["data"]["id"] for reply in replies}) == 1
    told = "select count(*) from outbox where org_id = %s and type = 'end_user.export_requested'"
    assert await fetch(hospital.storage.pool, told, [hospital.tenant.org]) == [(1,)]


async def test_an_export_that_is_made_while_somebody_waits_for_their_turn_is_theirs(hospital: GatewayServer) -> None:
    pool, org, made = hospital.storage.pool, hospital.tenant.org, new_ulid()
    waiting = "select 1 from pg_stat_activity where %s = any(pg_blocking_pids(pid))"
    async with pool.connection() as another, another.transaction():
        await another.execute("select 1 from end_users where org_id = %s for no key update", [org])
        asking = asyncio.create_task(ask(hospital))
        while not await fetch(pool, waiting, [another.info.backend_pid]):  # noqa: ASYNC110 - tells no event
            await asyncio.sleep(0.02)
        await another.execute(
            "insert into end_user_exports (id, org_id, end_user_id, state, snapshot_at, requested_at, expires_at)"
            " select %s, org_id, id, 'ready', now(), now(), now() + interval '7 days' from end_users where org_id = %s",
            [made, org],
        )

    assert (await asking).json()["data"]["id"] == made


async def test_a_younger_moment_has_another_export(hospital: GatewayServer) -> None:
    first = await ready(hospital)
    moment = quote(datetime.now(UTC).isoformat())

    second = (await ask(hospital, f"?snapshot_after={moment}")).json()["data"]

    assert second["id"] != first["id"]


@pytest.mark.parametrize("given", ["tomorrow", "2026-01-01", "2026-01-01T00:00:00", "2999-01-01T00:00:00Z", ""])
async def test_a_moment_of_a_bad_form_or_ahead_is_refused(hospital: GatewayServer, given: str) -> None:
    assert code(await ask(hospital, f"?snapshot_after={given}")) == (422, "VALIDATION_FAILED", "snapshot_after")


async def test_an_export_is_downloaded_as_a_bag_and_as_a_document(hospital: GatewayServer) -> None:
    export = await ready(hospital)

    bag = await hospital.get(export["download_url"])
    document = await hospital.get(export["download_url"], headers={"accept": "application/json"})

    with zipfile.ZipFile(io.BytesIO(bag.body)) as archive:
        assert archive.testzip() is None
    assert bag.headers["content-type"] == "application/zip"
    assert document.json()["export"]["id"] == export["id"]
    assert len(document.json()["inferences"]) == export["counts"]["inferences"] == 1


async def test_each_download_is_audited_under_its_subject(hospital: GatewayServer) -> None:
    export = await ready(hospital)

    await hospital.get(export["download_url"])
    await hospital.get(export["download_url"], headers={"accept": "application/json"})

    entries = (await hospital.get("/v1/audit?action=end_user_export.downloaded")).json()["data"]
    assert [entry["metadata"]["format"] for entry in entries] == ["json", "zip"]
    assert all(entry["subject_id_hmac"] and entry["entity_id"] == export["id"] for entry in entries)
    assert NAME not in str(entries)


async def test_a_link_is_new_each_time_it_is_asked_for(hospital: GatewayServer) -> None:
    export = await ready(hospital)

    until = datetime.fromisoformat(export["download_expires_at"])

    assert timedelta() < until - datetime.now(UTC) <= timedelta(minutes=15)


def _secret(server: GatewayServer) -> bytes:
    ring = server.storage.keyring.subject
    return ring.keys[min(ring.keys)]


async def test_a_link_is_of_one_export_and_organisation_and_does_not_last(hospital: GatewayServer) -> None:
    export = await ready(hospital)
    stranger = await make_tenant(hospital.storage, scopes=SCOPES)
    now, secret = datetime.now(UTC), _secret(hospital)
    later = now + timedelta(days=7)

    def link(org: str, export_id: str, at: datetime = now) -> str:
        return make_link(secret, org, export_id, now=at, until=later).token  # pyright: ignore[reportArgumentType]

    org, own = hospital.tenant.org, export["id"]
    tokens = [
        link(stranger.org, own),
        link(org, stranger.org),
        link(org, own, now - timedelta(minutes=16)),
        link(org, own)[:-1] + "x",
        link(org, own).replace(".", ""),
        "9999999999." + "0" * 64,
        "ü.ü",
        "-1.5",
        "",
    ]

    replies = [await hospital.get(by_id(hospital, own, f"download?token={quote(token)}")) for token in tokens]

    assert {code(reply) for reply in replies} == {(403, "EXPORT_LINK_INVALID", None)}


async def test_a_link_is_no_use_to_other_organisations(hospital: GatewayServer) -> None:
    export = await ready(hospital)
    stranger = await make_tenant(hospital.storage, scopes=SCOPES)

    reply = await hospital.get(export["download_url"], key=stranger.token)

    assert code(reply) == (404, "RESOURCE_NOT_FOUND", None)


async def test_nobody_reads_an_export_that_was_destroyed(hospital: GatewayServer) -> None:
    export = await ready(hospital)

    destroyed = await hospital.request("DELETE", by_id(hospital, export["id"]))
    again = await hospital.request("DELETE", by_id(hospital, export["id"]))
    download = await hospital.get(export["download_url"])

    assert (destroyed.json()["data"]["state"], again.status) == ("cancelled", 200)
    assert code(download) == (410, "EXPORT_EXPIRED", None)
    query = "select sealed_key from end_user_exports where id = %s"
    assert await fetch(hospital.storage.pool, query, [export["id"]]) == [(None,)]


async def test_after_one_was_destroyed_another_is_made(hospital: GatewayServer) -> None:
    first = (await ask(hospital)).json()["data"]
    await hospital.request("DELETE", by_id(hospital, first["id"]))

    second = (await ask(hospital)).json()["data"]

    assert second["id"] != first["id"]


async def test_nobody_has_more_than_ten_exports_at_a_time(hospital: GatewayServer) -> None:
    first = await ready(hospital)
    await fetch(
        hospital.storage.pool,
        "insert into end_user_exports (id, org_id, end_user_id, state, snapshot_at, requested_at, expires_at)"
        " select unnest(%s::text[]), org_id, end_user_id, state, snapshot_at, requested_at, expires_at"
        " from end_user_exports where org_id = %s returning 1",
        [[new_ulid() for _ in range(9)], hospital.tenant.org],
    )
    moment = quote(datetime.now(UTC).isoformat())

    refused = await ask(hospital, f"?snapshot_after={moment}")
    await hospital.request("DELETE", by_id(hospital, first["id"]))
    made = await ask(hospital, f"?snapshot_after={moment}")

    assert (code(refused), made.status) == ((409, "TOO_MANY_EXPORTS", None), 202)


async def test_somebody_who_is_being_erased_is_not_exported(hospital: GatewayServer) -> None:
    export = await ready(hospital)
    await fetch(
        hospital.storage.pool,
        "update end_users set state = 'restricted', restricted_at = now() where org_id = %s returning 1",
        [hospital.tenant.org],
    )

    replies = [await ask(hospital), await hospital.get(export["download_url"])]

    assert {code(reply) for reply in replies} == {(404, "RESOURCE_NOT_FOUND", None)}


async def test_exports_of_others_are_not_there(hospital: GatewayServer) -> None:
    export = await ready(hospital)
    stranger = await make_tenant(hospital.storage, scopes=SCOPES)
    path = f"/v1/orgs/{stranger.org}/end-user-exports"

    replies = [
        await hospital.get(f"{path}/{export['id']}", key=stranger.token),
        await hospital.request("DELETE", f"{path}/{export['id']}", key=stranger.token),
        await hospital.get(by_id(hospital, export["id"]), key=stranger.token),
        await hospital.get(by_id(hospital, "nothing")),
        await hospital.get(named(hospital, "nobody")),
    ]

    assert {code(reply) for reply in replies} == {(404, "RESOURCE_NOT_FOUND", None)}
    assert (await hospital.get(path, key=stranger.token)).json()["data"] == []


async def _unready(server: Server) -> Reply:
    return await _download(server, make_ready=False)


async def _destroyed(server: Server) -> Reply:
    return await _download(server, make_ready=True, destroy=True)


async def _forged(server: Server) -> Reply:
    return await _download(server, make_ready=True, token="1.5")


async def _download(server: Server, *, make_ready: bool, destroy: bool = False, token: str | None = None) -> Reply:
    http = replace(server.http, live_key=server.tenant.token, tenant=server.tenant)
    await make_named_call(http.storage, server.tenant)
    export_id = (await ask(http)).json()["data"]["id"]
    if make_ready:
        await write(http, export_id)
    if destroy:
        await http.request("DELETE", by_id(http, export_id))
    now = datetime.now(UTC)
    link = make_link(_secret(http), http.tenant.org, export_id, now=now, until=now + timedelta(days=1))
    return await http.get(by_id(http, export_id, f"download?token={token or link.token}"))


_DOWNLOAD = "/v1/orgs/{organization}/end-user-exports/{export_id}/download"
CONTROLLED = {
    "EXPORT_LINK_INVALID": Controlled(Gate.SCOPE, _DOWNLOAD, _forged),
    "EXPORT_NOT_READY": Controlled(Gate.STATE, _DOWNLOAD, _unready),
    "EXPORT_EXPIRED": Controlled(Gate.STATE, _DOWNLOAD, _destroyed),
}


@pytest.mark.parametrize("refused", CONTROLLED)
async def test_what_is_refused_of_exports_has_one_entry(gateway_server: GatewayServer, refused: str) -> None:
    controlled = CONTROLLED[refused]
    server = Server(gateway_server, await make_tenant(gateway_server.storage, scopes=SCOPES))

    reply = await controlled.provoke(server)

    entry = await verdict(server, reply, refused)
    assert (entry.metadata["route"], entry.metadata["gate"]) == (controlled.route, controlled.gate)
