"""`/v1/orgs/{organization}/end-user-erasures`: asking for one, looking at it, and its certificate."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from activities.end_user_erasure import EndUserErasureActivities, ErasureWanted
from activities.erasure_certificate import ErasureCertificates
from gateway.audit.compliance import Gate
from gateway.end_users.classes import RULES
from gateway.ids import EndUserId, new_ulid
from gateway.settings import Settings
from gateway.tenancy import KeyMode, Scope
from storage.pool import fetch
from tests.api.test_every_verdict import Controlled, Server, verdict
from tests.erasures import NAME, NoRuns, Person, audited, make_person, set_hold
from tests.gateway_server import GatewayServer, Reply
from tests.tenants import Tenant, make_tenant

SCOPES = (Scope.AI_CHAT, Scope.END_USERS_READ, Scope.END_USERS_WRITE)
NOBODY = "nobody@a.example"


async def make_owner(http: GatewayServer, **about: object) -> Tenant:
    return await make_tenant(http.storage, scopes=SCOPES, **about)  # pyright: ignore[reportArgumentType]


async def asked(
    http: GatewayServer, person: Person, body: object = None, *, named: str = NAME, **headers: str
) -> Reply:
    path = f"/v1/orgs/{person.org}/end-users/{quote(named, safe='')}/erasure"
    return await http.post(path, body, key=person.tenant.token, headers={"prefer": "respond-async", **headers})


async def shown(http: GatewayServer, tenant: Tenant, erasure: str = "", **headers: str) -> Reply:
    return await http.get(f"/v1/orgs/{tenant.org}/end-user-erasures{erasure}", key=tenant.token, headers=headers)


async def erase(http: GatewayServer, settings: Settings, person: Person, steps: Sequence[str]) -> None:
    """As its workflow does it, without the waits between."""
    certificates = ErasureCertificates(http.storage, settings, None)
    activities = EndUserErasureActivities(http.storage, certificates, NoRuns(), backup_keep_days=30)
    rows = await fetch(http.storage.pool, "select id from end_user_erasures where end_user_id = %s", [person.id])
    for step in steps:
        await getattr(activities, step)(ErasureWanted(person.org, rows[0][0]))


WHOLE = ("restrict", "shred", "remove", "scan", "certify")


async def test_what_is_asked_for_is_accepted_and_told_of_where_it_says(gateway_server: GatewayServer) -> None:
    person = await make_person(gateway_server.storage, await make_owner(gateway_server))

    reply = await asked(gateway_server, person, {"reference": "DSR-17"})

    erasure = reply.json()["data"]
    assert reply.status == 202
    assert reply.headers["location"] == f"/v1/orgs/{person.org}/end-user-erasures/{erasure['id']}"
    assert (erasure["state"], erasure["reference"], erasure["end_user_id"]) == ("requested", "DSR-17", person.id)
    assert [decided["class"] for decided in erasure["decisions"]] == [*RULES]
    assert NAME.encode() not in reply.body
    assert (await shown(gateway_server, person.tenant, f"/{erasure['id']}")).json()["data"] == erasure


async def test_it_needs_no_agreement(gateway_server: GatewayServer) -> None:
    person = await make_person(gateway_server.storage, await make_owner(gateway_server, agreement=False))

    assert (await asked(gateway_server, person)).status == 202


async def test_who_asks_again_is_told_of_the_same(gateway_server: GatewayServer) -> None:
    person = await make_person(gateway_server.storage, await make_owner(gateway_server))

    first = await asked(gateway_server, person, **{"idempotency-key": "k-1"})
    under_key = await asked(gateway_server, person, **{"idempotency-key": "k-1"})
    without = await asked(gateway_server, person, named=person.id)

    assert under_key.headers["idempotent-replayed"] == "true"
    assert under_key.headers["location"] == first.headers["location"] == without.headers["location"]
    assert [about.get("again") for _, about in await audited(gateway_server.storage, person)] == [None, True]


async def test_a_name_may_hold_anything(gateway_server: GatewayServer) -> None:
    name = "Łukasz / 50% ?#é/erasure"
    person = await make_person(gateway_server.storage, await make_owner(gateway_server), name=name)

    assert (await asked(gateway_server, person, named=name)).json()["data"]["end_user_id"] == person.id


async def test_whoever_is_unknown_foreign_or_erased_is_not_there_in_the_same_words(
    gateway_server: GatewayServer, server_settings: Settings
) -> None:
    http = gateway_server
    person = await make_person(http.storage, await make_owner(http))
    stranger = await make_owner(http)
    other = Person(stranger, EndUserId(new_ulid()), "", [])
    await asked(http, person)
    await erase(http, server_settings, person, WHOLE)

    replies = [
        await asked(http, person, named=NOBODY),
        await asked(http, person, named=person.id),
        await asked(http, person, named="x" * 1025),
        await asked(http, other),
        await asked(http, other, named=person.id),
        await http.post(f"/v1/orgs/{person.org}/end-users/{NAME}/erasure", None, key=stranger.token),
        await http.post(f"/v1/orgs/nonsense/end-users/{NAME}/erasure", None, key=person.tenant.token),
    ]

    assert {reply.status for reply in replies} == {404}
    assert len({(reply.json()["error"]["code"], reply.json()["error"]["message"]) for reply in replies}) == 1


async def test_a_foreign_erasure_is_not_there(gateway_server: GatewayServer) -> None:
    person = await make_person(gateway_server.storage, await make_owner(gateway_server))
    erasure = (await asked(gateway_server, person)).json()["data"]["id"]
    stranger = await make_owner(gateway_server)

    assert (await shown(gateway_server, stranger, f"/{erasure}")).status == 404
    assert (await shown(gateway_server, stranger, f"/{erasure}/certificate")).status == 404
    assert (await shown(gateway_server, stranger)).json()["data"] == []
    foreign = f"/v1/orgs/{person.org}/end-user-erasures"
    assert (await gateway_server.get(foreign, key=stranger.token)).status == 404


async def test_erasures_are_listed_newest_first_page_by_page(gateway_server: GatewayServer) -> None:
    tenant = await make_owner(gateway_server)
    made: list[str] = []
    for name in ("a", "b", "c"):
        person = await make_person(gateway_server.storage, tenant, calls=1, name=name)
        made.append((await asked(gateway_server, person, named=name)).json()["data"]["id"])

    first = (await shown(gateway_server, tenant, "?limit=2")).json()
    second = (await shown(gateway_server, tenant, f"?limit=2&cursor={first['meta']['next_cursor']}")).json()

    assert [each["id"] for each in first["data"] + second["data"]] == sorted(made, reverse=True)
    assert second["meta"]["has_more"] is False


@pytest.mark.parametrize("reference", ["", "two words", "x" * 65, 7, "ä", "a\n"])
async def test_a_reference_that_is_no_word_is_named_and_not_repeated(
    gateway_server: GatewayServer, reference: object
) -> None:
    person = await make_person(gateway_server.storage, await make_owner(gateway_server), calls=1)

    reply = await asked(gateway_server, person, {"reference": reference})

    assert (reply.status, reply.json()["error"]["param"]) == (422, "reference")
    assert "two words" not in reply.body.decode()


async def test_a_test_key_cannot_erase_anybody(gateway_server: GatewayServer) -> None:
    person = await make_person(gateway_server.storage, await make_owner(gateway_server, mode=KeyMode.TEST))

    assert (await asked(gateway_server, person)).json()["error"]["code"] == "MISSING_SCOPE"


async def test_reading_erasures_does_not_let_ask_for_any(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, scopes=(Scope.AI_CHAT, Scope.END_USERS_READ))
    person = await make_person(gateway_server.storage, tenant, calls=1)

    assert (await asked(gateway_server, person)).status == 403
    assert (await shown(gateway_server, tenant)).status == 200


async def test_who_is_held_is_shown_as_that(gateway_server: GatewayServer, server_settings: Settings) -> None:
    person = await make_person(gateway_server.storage, await make_owner(gateway_server))
    await set_hold(gateway_server.storage, person)
    erasure = (await asked(gateway_server, person)).json()["data"]["id"]

    await erase(gateway_server, server_settings, person, ["restrict"])

    found = (await shown(gateway_server, person.tenant, f"/{erasure}")).json()["data"]
    assert (found["state"], found["reasons"], found["decisions"]) == ("held", ["subject_hold"], [])


async def test_whoever_waits_is_told_at_once_that_it_is_held(
    gateway_server: GatewayServer, server_settings: Settings
) -> None:
    person = await make_person(gateway_server.storage, await make_owner(gateway_server))
    await set_hold(gateway_server.storage, person)

    waiting = asyncio.create_task(asked(gateway_server, person, prefer="wait=30"))
    while not await audited(gateway_server.storage, person):
        pass
    await erase(gateway_server, server_settings, person, ["restrict"])

    reply = await waiting
    assert (reply.status, reply.json()["data"]["state"]) == (200, "held")


async def test_whoever_waits_for_what_goes_on_is_let_go_as_soon_as_that_is_known(
    gateway_server: GatewayServer, server_settings: Settings
) -> None:
    person = await make_person(gateway_server.storage, await make_owner(gateway_server))

    waiting = asyncio.create_task(asked(gateway_server, person, prefer="wait=30"))
    while not await audited(gateway_server.storage, person):
        pass
    await erase(gateway_server, server_settings, person, ["restrict"])

    reply = await waiting
    assert (reply.status, reply.headers["location"].rpartition("/")[2]) == (202, reply.json()["data"]["id"])


async def test_what_is_done_has_a_certificate_and_whoever_takes_it_is_audited(
    gateway_server: GatewayServer, server_settings: Settings
) -> None:
    http = gateway_server
    person = await make_person(http.storage, await make_owner(http))
    erasure = (await asked(http, person)).json()["data"]["id"]
    await erase(http, server_settings, person, WHOLE)

    found = (await shown(http, person.tenant, f"/{erasure}")).json()["data"]
    certificate = await http.get(found["certificate"]["url"], key=person.tenant.token)

    assert (found["state"], found["scan"]["clean"]) == ("done", True)
    assert {decided["class"]: decided["count"] for decided in found["decisions"]}["content"] == 2
    assert found["keys_gone_on"] > datetime.now(UTC).date().isoformat()
    assert certificate.headers["content-type"] == "application/json"
    assert certificate.json()["erasure_id"] == erasure
    assert (await audited(http.storage, person))[-1] == (
        "end_user.erasure_certificate_retrieved",
        {"format": "application/json"},
    )


async def _certificate_too_early(server: Server) -> Reply:
    person = await make_person(server.http.storage, server.tenant, calls=1)
    erasure = (await asked(server.http, person)).json()["data"]["id"]
    return await server.send("GET", f"/v1/orgs/{person.org}/end-user-erasures/{erasure}/certificate")


async def _document_without_a_seal(server: Server) -> Reply:
    person = await make_person(server.http.storage, server.tenant, calls=1)
    erasure = (await asked(server.http, person)).json()["data"]["id"]
    # As its workflow leaves it where there is no seal.
    await fetch(
        server.http.storage.pool,
        "update end_user_erasures set state = 'done', finished_at = now(), certificate = '{}' where id = %s",
        [erasure],
    )
    path = f"/v1/orgs/{person.org}/end-user-erasures/{erasure}/certificate"
    return await server.send("GET", path, accept="application/pdf")


_CERTIFICATE = "/v1/orgs/{organization}/end-user-erasures/{erasure_id}/certificate"
CONTROLLED = {
    "ERASURE_NOT_DONE": Controlled(Gate.STATE, _CERTIFICATE, _certificate_too_early),
    "ERASURE_DOCUMENT_NOT_SEALED": Controlled(Gate.REQUEST, _CERTIFICATE, _document_without_a_seal),
}


@pytest.mark.parametrize("code", CONTROLLED)
async def test_what_is_refused_of_erasures_has_one_entry(gateway_server: GatewayServer, code: str) -> None:
    controlled = CONTROLLED[code]
    server = Server(gateway_server, await make_owner(gateway_server))

    reply = await controlled.provoke(server)

    entry = await verdict(server, reply, code)
    assert (entry.metadata["route"], entry.metadata["gate"]) == (controlled.route, controlled.gate)
