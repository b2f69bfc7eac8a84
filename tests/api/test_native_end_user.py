"""`end_user` of `/v1/ai/chat` names whom `metadata.user_id` would."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from gateway.tenancy import Scope
from tests.gateway_server import GatewayServer, Reply
from tests.tenants import make_tenant

NAME = "maria.lopez@mercy.example"
SAME = {"end_user": NAME, "metadata": {"user_id": NAME}}


@pytest_asyncio.fixture
async def hospital(gateway_server: GatewayServer) -> AsyncIterator[GatewayServer]:
    tenant = await make_tenant(gateway_server.storage, scopes=(Scope.AI_CHAT, Scope.END_USERS_READ))
    yield replace(gateway_server, live_key=tenant.token, tenant=tenant)


async def chat(server: GatewayServer, **named: object) -> Reply:
    return await server.post("/v1/ai/chat", {"message": "Hello", "model": "claude-haiku-4-5", "stream": False, **named})


async def names(server: GatewayServer) -> list[str]:
    reply = await server.get(f"/v1/orgs/{server.tenant.org}/end-users")
    return [person["name"] for person in reply.json()["data"]]


@pytest.mark.parametrize(
    "named", [{"end_user": NAME}, SAME, {"metadata": {"user_id": NAME}}], ids=["end_user", "both", "metadata"]
)
async def test_a_call_is_bound_to_whom_it_names(hospital: GatewayServer, named: dict[str, object]) -> None:
    reply = await chat(hospital, **named)

    assert (reply.status, await names(hospital)) == (200, [NAME])


async def test_both_fields_name_one_person(hospital: GatewayServer) -> None:
    await chat(hospital, end_user=NAME)
    await chat(hospital, metadata={"user_id": NAME})

    assert await names(hospital) == [NAME]


@pytest.mark.parametrize(
    "bad", [SAME | {"end_user": "x"}, {"end_user": "x" * 1025}, {"end_user": 1}, {"end_user": [NAME]}], ids=range(4)
)
async def test_a_person_of_a_bad_form_is_refused_by_the_fields_name(
    hospital: GatewayServer, bad: dict[str, object]
) -> None:
    reply = await chat(hospital, **bad)

    error = reply.json()["error"]
    assert (reply.status, error["code"], error["param"]) == (400, "VALIDATION_FAILED", "end_user")
    assert NAME not in reply.body.decode()
    assert await names(hospital) == []
