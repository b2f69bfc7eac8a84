"""Where minting is strict (`HASP_STRICT_KEY_SCOPES`), over real HTTP: no key reaches further than its giver."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.keys.networks import all_within, read_networks
from gateway.settings import Settings
from gateway.tenancy import Scope
from tests.agents import make_agent
from tests.gateway_server import GatewayServer, Reply, serve
from tests.tenants import Tenant, make_tenant

NOW = datetime.now(UTC).replace(microsecond=0)
WRITER = ["ai:chat", "control:read", "control:write"]
BOUNDS: dict[str, Any] = {
    "expires_at": (NOW + timedelta(days=30)).isoformat(),
    "ip_allowlist": ["127.0.0.0/8", "::1"],
    "credit_cap": 1_000,
}


@dataclass(frozen=True, slots=True)
class Strict:
    """A gateway that is strict, beside one that is not, on one database."""

    url: str
    lenient: GatewayServer = field(repr=False)

    async def ask(self, method: str, path: str, body: object = None, *, key: str, route: str = "/v1/api_keys") -> Reply:
        async with self.lenient.session.request(
            method, f"{self.url}{route}{path}", json=body, headers={"x-api-key": key}
        ) as reply:
            return Reply(reply.status, {}, await reply.read())

    async def make(self, *, by: str, **fields: Any) -> dict[str, Any]:
        made = await self.ask("POST", "", {"name": "x", "scopes": ["ai:chat"]} | fields, key=by)
        assert made.status == 201, made.body
        return made.json()["data"]


@pytest.fixture(scope="module")
def strict_url(server_settings: Settings) -> Iterator[str]:
    with serve(server_settings.model_copy(update={"strict_key_scopes": True})) as url:
        yield url


@pytest.fixture
def strict(strict_url: str, gateway_server: GatewayServer) -> Strict:
    return Strict(strict_url, gateway_server)


async def make_root(strict: Strict) -> Tenant:
    return await make_tenant(strict.lenient.storage, scopes=[Scope(each) for each in WRITER])


async def test_keys_are_made_changed_rotated_and_revoked_with_the_writing_scope_alone(strict: Strict) -> None:
    reader = await make_tenant(strict.lenient.storage, scopes=[Scope.CONTROL_READ, Scope.AI_CHAT])

    ours, held = f"/{reader.key.id}", {"name": "x", "scopes": ["ai:chat"]}
    for method, path in (("POST", ""), ("POST", f"{ours}/rotate"), ("PATCH", ours), ("DELETE", ours)):
        refused = await strict.ask(method, path, held, key=reader.token)
        assert (refused.status, refused.json()["error"]["details"]) == (403, {"required_scope": "control:write"})
    assert (await strict.ask("GET", "", key=reader.token)).status == 200


async def test_no_key_gives_a_scope_that_it_lacks(strict: Strict) -> None:
    root = await make_root(strict)

    refused = await strict.ask("POST", "", {"name": "x", "scopes": ["ai:chat", "ai:documents"]}, key=root.token)

    assert (refused.status, refused.json()["error"]["details"]) == (403, {"required_scope": "ai:documents"})
    await strict.make(by=root.token, scopes=WRITER)


@pytest.mark.parametrize(
    ("beyond", "param"),
    [
        ({"expires_at": (NOW + timedelta(days=31)).isoformat()}, "expires_at"),
        ({"expires_at": None}, "expires_at"),
        ({"ip_allowlist": ["126.0.0.0/7"]}, "ip_allowlist"),
        ({"ip_allowlist": []}, "ip_allowlist"),
        ({"credit_cap": 1_001}, "credit_cap"),
        ({"credit_cap": None}, "credit_cap"),
    ],
)
async def test_a_bound_that_the_giver_has_is_passed_by_no_key_that_it_makes_or_changes(
    strict: Strict, beyond: dict[str, Any], param: str
) -> None:
    giver = await strict.make(by=(await make_root(strict)).token, scopes=WRITER, **BOUNDS)
    given = await strict.make(by=giver["plaintext"], **BOUNDS)

    wanted = {"name": "x", "scopes": ["ai:chat"], **BOUNDS, **beyond}
    refusals = [
        await strict.ask("POST", "", wanted, key=giver["plaintext"]),
        await strict.ask("PATCH", f"/{given['id']}", beyond, key=giver["plaintext"]),
        await strict.ask("PATCH", f"/{giver['id']}", beyond, key=giver["plaintext"]),
    ]

    assert [(each.status, each.json()["error"]["param"]) for each in refusals] == [(422, param)] * 3


async def test_a_key_that_reaches_further_is_neither_changed_nor_rotated(strict: Strict) -> None:
    root = await make_root(strict)
    giver = await strict.make(by=root.token, scopes=WRITER, credit_cap=5)
    wider = await strict.make(by=root.token, credit_cap=6)

    for method, path, body in (
        ("PATCH", f"/{wider['id']}", {"name": "y"}),
        ("PATCH", f"/{wider['id']}", {"credit_cap": 5}),
        ("POST", f"/{wider['id']}/rotate", {}),
        ("POST", f"/{root.key.id}/rotate", {}),
    ):
        refused = await strict.ask(method, path, body, key=giver["plaintext"])
        assert (refused.status, refused.json()["error"]["param"]) == (422, "credit_cap")
    own = await strict.ask("POST", f"/{giver['id']}/rotate", {}, key=giver["plaintext"])
    assert (own.status, own.json()["data"]["credit_cap"]) == (201, 5)


async def test_a_key_lets_no_agent_spend_more_than_itself(strict: Strict) -> None:
    root = await make_root(strict)
    giver = (await strict.make(by=root.token, scopes=WRITER, credit_cap=5))["plaintext"]
    path = f"/{await make_agent(strict.lenient.storage, root.org, credit_cap=3)}"

    refused = [await strict.ask("PATCH", path, {"credit_cap": cap}, key=giver, route="/v1/agents") for cap in (6, None)]
    within = await strict.ask("PATCH", path, {"credit_cap": 5}, key=giver, route="/v1/agents")

    assert [(each.status, each.json()["error"]["param"]) for each in refused] == [(422, "credit_cap")] * 2
    assert within.json()["data"]["agent"]["credit_cap"] == 5


async def test_a_key_in_its_grace_makes_none_that_outlives_it(strict: Strict) -> None:
    root = await make_root(strict)
    old = await strict.make(by=root.token, scopes=WRITER)
    new = (await strict.ask("POST", f"/{old['id']}/rotate", {}, key=root.token)).json()["data"]
    await strict.ask("GET", "", key=new["plaintext"])

    refused = await strict.ask("POST", "", {"name": "x", "scopes": ["ai:chat"]}, key=old["plaintext"])

    assert (refused.status, refused.json()["error"]["param"]) == (422, "expires_at")
    await strict.make(by=old["plaintext"], expires_at=(NOW + timedelta(hours=1)).isoformat())


async def test_a_key_in_its_grace_does_not_outlive_it_as_its_own_successor(strict: Strict) -> None:
    root = await make_root(strict)
    old = await strict.make(by=root.token, scopes=WRITER)
    new = (await strict.ask("POST", f"/{old['id']}/rotate", {}, key=root.token)).json()["data"]
    await strict.ask("GET", "", key=new["plaintext"])
    assert (await strict.ask("DELETE", f"/{new['id']}", key=old["plaintext"])).status == 200

    refused = await strict.ask("POST", f"/{old['id']}/rotate", {}, key=old["plaintext"])

    assert (refused.status, refused.json()["error"]["param"]) == (422, "expires_at")
    assert (await strict.ask("POST", f"/{old['id']}/rotate", {}, key=root.token)).status == 201


@pytest.mark.parametrize("seed", range(4))
async def test_no_walk_of_mints_changes_and_rotations_widens_what_it_began_with(strict: Strict, seed: int) -> None:
    draw = random.Random(seed)
    root = await make_root(strict)
    stranger = await strict.make(by=root.token, scopes=[*WRITER], credit_cap=None)
    held = [await strict.make(by=root.token, scopes=["ai:chat", "control:write"], **BOUNDS)]

    def bounds() -> dict[str, Any]:
        every = {
            "expires_at": draw.choice([None, *((NOW + timedelta(days=days)).isoformat() for days in (29, 30, 31))]),
            "ip_allowlist": draw.choice([None, ["127.0.0.0/8"], ["127.0.0.0/9", "::1"], ["0.0.0.0/0"], ["::/0"]]),
            "credit_cap": draw.choice([None, 0, 999, 1_000, 1_001]),
        }
        return {name: every[name] for name in draw.sample(sorted(every), draw.randint(1, 3))}

    admitted = 0
    for _ in range(40):
        by = draw.choice(held)["plaintext"]
        target = draw.choice([*held, stranger, {"id": root.key.id}])["id"]
        match draw.choice(["mint", "mint", "change", "rotate"]):
            case "mint":
                scopes = draw.sample([*WRITER, "ai:documents"], 2)
                reply = await strict.ask("POST", "", {"name": "x", "scopes": scopes, **BOUNDS, **bounds()}, key=by)
            case "change":
                reply = await strict.ask("PATCH", f"/{target}", bounds(), key=by)
            case _:
                reply = await strict.ask("POST", f"/{target}/rotate", {"grace_seconds": 3_600}, key=by)
        assert reply.status in (200, 201, 403, 409, 422)
        admitted += reply.status < 300
        if reply.status == 201 and "control:write" in reply.json()["data"]["scopes"]:
            held.append(reply.json()["data"])

    assert admitted
    listed = (await strict.ask("GET", "?limit=200", key=root.token)).json()["data"]
    assert {each["id"] for each in held} <= {each["id"] for each in listed}
    for each in listed:
        if each["id"] not in (root.key.id, stranger["id"]):
            assert set(each["scopes"]) <= {"ai:chat", "control:write"}
            assert each["expires_at"] is not None
            assert datetime.fromisoformat(each["expires_at"]) <= NOW + timedelta(days=30)
            assert all_within(read_networks("f", each["ip_allowlist"]), read_networks("f", BOUNDS["ip_allowlist"]))
            assert each["credit_cap"] is not None
            assert each["credit_cap"] <= 1_000
    untouched = [each for each in listed if each["id"] == stranger["id"]]
    assert untouched == [{name: value for name, value in stranger.items() if name != "plaintext"}]
