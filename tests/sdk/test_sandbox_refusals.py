"""The sandbox refuses what the vendors refuse, so that a mistake of the gateway's shows without them."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.upstream import SandboxServer

USER = {"role": "user", "content": "Hi"}
CLAUDE: dict[str, Any] = {"model": "claude-sonnet-4-6", "max_tokens": 64, "messages": [USER]}
GPT: dict[str, Any] = {"model": "gpt-5.4", "input": "Hi"}
CHAT: dict[str, Any] = {"model": "gpt-5.4", "messages": [USER]}
TOOL_USE: dict[str, Any] = {"type": "tool_use", "id": "t1", "name": "n", "input": {}}
TOOL_RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "done"}
CALL = {"type": "function_call", "call_id": "c1", "name": "n", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "done"}


@pytest.fixture
async def http(sandbox_server: SandboxServer) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"authorization": "Bearer any", "anthropic-version": "2023-06-01"}
    async with aiohttp.ClientSession(sandbox_server.url, headers=headers) as session:
        yield session


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


def claude_turns(*turns: object) -> dict[str, Any]:
    return CLAUDE | {"messages": list(turns)}


def claude_blocks(*blocks: object) -> dict[str, Any]:
    return claude_turns({"role": "user", "content": list(blocks)})


ANTHROPIC: list[tuple[Any, str]] = [
    ([], "valid dictionary"),
    (without(CLAUDE, "model"), "model: Field required"),
    (without(CLAUDE, "max_tokens"), "max_tokens: Field required"),
    (without(CLAUDE, "messages"), "messages: Field required"),
    (CLAUDE | {"colour": 1}, "colour: Extra inputs are not permitted"),
    (CLAUDE | {"model": 1}, "model: Input should be a valid string"),
    (CLAUDE | {"max_tokens": "9"}, "max_tokens: Input should be a valid integer"),
    (CLAUDE | {"max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1"),
    (CLAUDE | {"temperature": 1.5}, "temperature: range: 0..1"),
    (CLAUDE | {"stop_sequences": "Hi"}, "stop_sequences: Input should be a valid list"),
    (CLAUDE | {"stop_sequences": [7]}, "stop_sequences.0: Input should be a valid string"),
    (CLAUDE | {"stop_sequences": ["a", ""]}, "each stop sequence must contain non-whitespace"),
    (CLAUDE | {"stop_sequences": [" "]}, "each stop sequence must contain non-whitespace"),
    (CLAUDE | {"messages": "Hi"}, "messages: Input should be a valid list"),
    (CLAUDE | {"messages": []}, "at least one message is required"),
    (CLAUDE | {"tools": [{"name": "n"}]}, "tools.0.custom.input_schema: Field required"),
    (CLAUDE | {"tool_choice": {"type": "tool", "name": "n"}}, "not in the tools list"),
    (claude_turns("Hi"), "messages.0: Input should be a valid dictionary"),
    (claude_turns({"role": "user"}), "messages.0.content: Field required"),
    (claude_turns(USER | {"name": "x"}), "messages.0.name: Extra inputs are not permitted"),
    (claude_turns(USER | {"role": "robot"}), "messages.0.role"),
    (claude_turns(USER | {"content": 7}), "messages.0.content: Input should be a valid string or list"),
    (claude_blocks({"type": "hologram"}), "does not match any of the expected tags"),
    (claude_blocks({"type": "text"}), "messages.0.content.0.text.text: Field required"),
    (claude_blocks({"type": "text", "text": "a", "b": 1}), "text.b: Extra inputs are not permitted"),
    (claude_blocks({"type": "text", "text": ""}), "text content blocks must be non-empty"),
    (claude_blocks({"type": "thinking", "thinking": "a", "signature": "b"}), "Invalid `signature`"),
    (claude_blocks({"type": "redacted_thinking", "data": "a"}), "Invalid `data`"),
    (claude_blocks(TOOL_RESULT), "unexpected `tool_use_id`"),
    (claude_turns(USER, {"role": "assistant", "content": [TOOL_USE]}), "without `tool_result` blocks"),
    (claude_turns(USER, {"role": "assistant", "content": [TOOL_USE]}, USER), "without `tool_result` blocks"),
    (claude_turns({"role": "user", "content": "[[sandbox: colour=red]]"}), "unknown directive"),
    (claude_turns({"role": "user", "content": "[[sandbox: tools=many]]"}), "directive tools is a number"),
    (claude_turns({"role": "user", "content": "[[sandbox: stop=now]]"}), "directive stop is one of"),
    (claude_turns({"role": "user", "content": "[[sandbox: tool=n]]"}), "does not declare"),
]
RESPONSES: list[tuple[Any, str]] = [
    ([], "could not parse"),
    (without(GPT, "model"), "Missing required parameter: 'model'."),
    (without(GPT, "input"), "Missing required parameter: 'input'."),
    (GPT | {"max_tokens": 1}, "Unknown parameter: 'max_tokens'."),
    (GPT | {"input": {}}, "Invalid type for 'input'"),
    (GPT | {"input": ["Hi"]}, "Invalid type for 'input[0]'"),
    (GPT | {"input": [{"type": "hologram"}]}, "Invalid value: 'hologram'."),
    (GPT | {"input": [{"role": "user"}]}, "Missing required parameter: 'input[0].content'."),
    (GPT | {"input": [USER | {"role": "robot"}]}, "Invalid value: 'robot'."),
    (GPT | {"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "a"}]}]}, "'output_text'"),
    (GPT | {"input": [USER, CALL]}, "No tool output found for function call c1."),
    (GPT | {"input": [USER, OUTPUT]}, "No tool call found for function call output with call_id c1."),
    (GPT | {"input": "[[sandbox: tool=n]]"}, "does not declare"),
]
COMPLETIONS: list[tuple[Any, str]] = [
    (without(CHAT, "messages"), "Missing required parameter: 'messages'."),
    (CHAT | {"messages": []}, "empty array"),
    (CHAT | {"messages": [{"role": "robot"}]}, "messages[0].role"),
    (CHAT | {"stop": ""}, "Invalid 'stop'"),
    (CHAT | {"stop": ["a", ""]}, "Invalid 'stop'"),
    (CHAT | {"max_output_tokens": 1}, "Unknown parameter"),
    (CHAT | {"messages": [{"role": "user", "content": "[[sandbox: tool=n]]"}]}, "does not declare"),
]


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [("/v1/messages", body, words) for body, words in ANTHROPIC]
    + [("/v1/responses", body, words) for body, words in RESPONSES]
    + [("/v1/chat/completions", body, words) for body, words in COMPLETIONS],
)
async def test_a_bad_request_is_refused_in_the_vendor_s_words(
    http: aiohttp.ClientSession, path: str, body: Any, words: str
) -> None:
    async with http.post(path, json=body) as answer:
        assert answer.status == 400
        assert words in (await answer.json())["error"]["message"]


async def test_a_well_paired_tool_loop_is_taken(http: aiohttp.ClientSession) -> None:
    claude = claude_turns(
        USER, {"role": "assistant", "content": [TOOL_USE]}, {"role": "user", "content": [TOOL_RESULT]}
    )
    for path, body in (("/v1/messages", claude), ("/v1/responses", GPT | {"input": [USER, CALL, OUTPUT]})):
        async with http.post(path, json=body) as answer:
            assert "Echo: done" in await answer.text()


@pytest.mark.parametrize(
    "item", [{"type": "item_reference", "id": "x"}, {"type": "reasoning", "id": "x", "summary": []}]
)
async def test_an_item_that_was_never_stored_is_not_found(http: aiohttp.ClientSession, item: dict[str, Any]) -> None:
    async with http.post("/v1/responses", json=GPT | {"input": [item, USER]}) as answer:
        assert answer.status == 404


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/responses", "/v1/chat/completions"])
async def test_a_caller_without_a_key_is_not_known(sandbox_server: SandboxServer, path: str) -> None:
    async with (
        aiohttp.ClientSession(sandbox_server.url) as anonymous,
        anonymous.post(path, data=b"{}", headers={"anthropic-version": "2023-06-01"}) as answer,
    ):
        assert answer.status == 401


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/responses", "/v1/chat/completions"])
async def test_a_body_that_is_no_json_is_refused(http: aiohttp.ClientSession, path: str) -> None:
    async with http.post(path, data=b"{") as answer:
        assert answer.status == 400


async def test_anthropic_s_version_header_is_required(sandbox_server: SandboxServer) -> None:
    async with (
        aiohttp.ClientSession(sandbox_server.url) as session,
        session.post("/v1/messages", json=CLAUDE, headers={"x-api-key": "any"}) as answer,
    ):
        assert answer.status == 400


async def test_an_unknown_path_is_not_found(http: aiohttp.ClientSession) -> None:
    async with http.post("/v1/audio/speech", json={}) as answer:
        assert answer.status == 404


async def test_what_was_sent_can_be_read_and_forgotten(
    http: aiohttp.ClientSession, sandbox_server: SandboxServer
) -> None:
    sandbox_server.clear()
    async with http.post("/v1/messages", json=CLAUDE) as answer:
        await answer.read()

    assert [(request["path"], request["status"]) for request in sandbox_server.requests()] == [("/v1/messages", 200)]
    assert sandbox_server.bodies() == [CLAUDE]
    sandbox_server.clear()
    assert sandbox_server.requests() == []
