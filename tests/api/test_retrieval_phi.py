"""What PHI in the input of a tool that the gateway runs comes to, over real HTTP, by the organization's policy."""

import pytest

from gateway.settings import Settings
from gateway.tenancy import PhiMode, Scope
from tests.api.test_native_chat import Search, ask, body, chatting, lines, search
from tests.gateway_server import GatewayServer
from tests.tenants import Tenant, make_tenant

__all__ = ["Settings", "chatting", "search"]

PATIENT = "Ottilie Vandersloot, MRN 88231407"
SEARCH_FOR_HER = f"[[sandbox: tool=web_search]] {PATIENT}"
ENDS = "RETRIEVAL_PHI_BLOCKED"


async def clinic(server: GatewayServer, behavior: PhiMode = PhiMode.BLOCK) -> Tenant:
    scopes = (Scope.AI_CHAT, Scope.CONTROL_READ)
    return await make_tenant(server.storage, scopes=scopes, phi_retrieval_behavior=behavior)


@pytest.mark.parametrize("behavior", [PhiMode.REDACT, PhiMode.ALLOW])
async def test_unless_it_ends_the_chat_the_model_is_told_and_nothing_leaves(
    chatting: GatewayServer, search: tuple[Search, str], behavior: PhiMode
) -> None:
    tenant = await clinic(chatting, behavior)
    search[0].asked.clear()

    reply = await ask(chatting, body(SEARCH_FOR_HER, tools_to_use=["web_search"]), key=tenant.token)

    assert search[0].asked == []
    assert reply.status == 200
    assert [(tool["status"], tool["credits"]) for tool in reply.json()["meta"]["tools"]] == [("blocked", 0)]
    assert "must not leave" in reply.json()["choices"][0]["message"]["content"]


async def test_blocked_it_ends_the_chat(chatting: GatewayServer, search: tuple[Search, str]) -> None:
    tenant = await clinic(chatting)
    search[0].asked.clear()
    chatting.sandbox.clear()

    reply = await ask(chatting, body(SEARCH_FOR_HER, tools_to_use=["web_search"]), key=tenant.token)

    error = reply.json()["error"]
    assert (reply.status, error["code"], error["type"]) == (403, ENDS, "permission_error")
    assert set(error["details"]["entity_types"]) >= {"PERSON"}
    assert (reply.json()["detail"], reply.json()["request_id"]) == (error["message"], reply.headers["x-request-id"])
    assert b"Vandersloot" not in reply.body
    assert search[0].asked == []
    assert len(chatting.sandbox.bodies()) == 1


async def test_a_stream_that_has_begun_ends_with_its_error(chatting: GatewayServer, search: tuple[Search, str]) -> None:
    tenant = await clinic(chatting)
    search[0].asked.clear()

    told = lines(await ask(chatting, body(SEARCH_FOR_HER, tools_to_use=["web_search"], stream=True), key=tenant.token))

    assert [line["type"] for line in told if line["type"] != "content"] == ["tool_call", "error"]
    assert told[-1]["error"]["code"] == ENDS
    assert search[0].asked == []


@pytest.mark.parametrize(("behavior", "status"), [(PhiMode.REDACT, 200), (PhiMode.ALLOW, 200), (PhiMode.BLOCK, 403)])
async def test_a_tool_that_stays_here_is_given_it_unless_that_is_blocked(
    chatting: GatewayServer, behavior: PhiMode, status: int
) -> None:
    tenant = await clinic(chatting, behavior)
    asked = body(f"[[sandbox: tool=knowledge_search]] {PATIENT}", tools_to_use=["knowledge_search"])

    reply = await ask(chatting, asked, key=tenant.token)

    assert reply.status == status
    if status == 200:
        assert [tool["status"] for tool in reply.json()["meta"]["tools"]] == ["completed"]


@pytest.mark.parametrize("words", ["aspirin", "https://www.nih.gov/aspirin"])
async def test_without_any_a_tool_is_used_where_it_is_blocked(
    chatting: GatewayServer, search: tuple[Search, str], words: str
) -> None:
    tenant = await clinic(chatting)
    search[0].asked.clear()
    asked = body(f"[[sandbox: tool=web_search; words={words} ]] Patient {PATIENT}", tools_to_use=["web_search"])

    reply = await ask(chatting, asked, key=tenant.token)

    assert (reply.status, search[0].asked) == (200, [words])


async def test_what_ended_a_chat_is_audited_and_not_paid(chatting: GatewayServer) -> None:
    tenant = await clinic(chatting)

    await ask(chatting, body(SEARCH_FOR_HER, tools_to_use=["web_search"]), key=tenant.token)

    (used,) = (await chatting.get("/v1/audit?action=ai.tool.used", key=tenant.token)).json()["data"]
    told = used["metadata"]
    assert (told["error_code"], told["gate"], told["status"], told["tool"]) == (ENDS, "phi", "blocked", "web_search")
    assert (told["credits"], "phi.blocked" in told["compliance_events"]) == (0, True)
    assert "Vandersloot" not in str(used)
    usage = (await chatting.get("/v1/usage", key=tenant.token)).json()["data"]
    assert usage["credits"]["held"] == 0
    assert [line["model"] for line in usage["by_model"]] == ["claude-haiku-4-5"]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Patient name: Quillfeather, MRN: 4482913, DOB 03/04/1961.", "4482913"),
        ("Patient account number: 77120934. Phone 555-0142.", "77120934 balance"),
        ("Mrs. Hope Rivers was admitted to the ward; her date of birth is 3 April.", "Hope"),
    ],
)
async def test_what_was_masked_where_it_stood_does_not_leave_where_it_stands_alone(
    chatting: GatewayServer, search: tuple[Search, str], said: str, words: str
) -> None:
    tenant = await clinic(chatting, PhiMode.REDACT)
    search[0].asked.clear()
    text = f"{said} [[sandbox: words={words}; tool=web_search]] Go"

    reply = await ask(chatting, body(text, tools_to_use=["web_search"]), key=tenant.token)

    assert (reply.status, search[0].asked) == (200, [])
    assert [tool["status"] for tool in reply.json()["meta"]["tools"]] == ["blocked"]
