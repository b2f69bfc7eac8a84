"""What the sandbox would bill agrees with what its answers say they used."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aiohttp
import orjson
import pytest

from tests.upstream import SandboxServer

HEADERS = {"authorization": "Bearer any", "anthropic-version": "2023-06-01"}
MESSAGES, RESPONSES, CHAT = PATHS = ["/v1/messages", "/v1/responses", "/v1/chat/completions"]
RICH = "[[sandbox: thinking=on; cache=on; tool=weather; tools=2; text=Let me look.]] Oslo"
SCHEMA: dict[str, object] = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS: dict[str, dict[str, object]] = {
    MESSAGES: {"name": "weather", "input_schema": SCHEMA},
    RESPONSES: {"type": "function", "name": "weather", "parameters": SCHEMA},
    CHAT: {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}},
}


@pytest.fixture(autouse=True)
def empty_bill(sandbox_server: SandboxServer) -> None:
    sandbox_server.clear_bill()


@pytest.fixture
async def http(sandbox_server: SandboxServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(sandbox_server.url, headers=HEADERS) as session:
        yield session


def body(path: str, text: str, *, stream: bool) -> dict[str, Any]:
    turns = [{"role": "user", "content": text}]
    asked: dict[str, Any] = {"model": "m", "stream": stream, "tools": [TOOLS[path]]}
    if path == RESPONSES:
        return asked | {"input": turns}
    if path == MESSAGES:
        return asked | {"messages": turns, "max_tokens": 4_000}
    return asked | {"messages": turns} | ({"stream_options": {"include_usage": True}} if stream else {})


async def answer_of(http: aiohttp.ClientSession, path: str, text: str, *, stream: bool) -> list[dict[str, Any]]:
    """The whole answer, or the data of every event."""
    async with http.post(path, json=body(path, text, stream=stream)) as answer:
        assert answer.status == 200
        if not stream:
            return [await answer.json()]
        lines = (await answer.text()).splitlines()
    return [orjson.loads(line[6:]) for line in lines if line.startswith("data: {")]


def stated(path: str, told: list[dict[str, Any]]) -> dict[str, Any]:
    """The bill that the answer's own id and usage come to."""
    if path == MESSAGES:
        start = told[0].get("message", told[0])
        used = start["usage"] | (told[-2] if len(told) > 1 else told[0])["usage"]
        return {
            "id": start["id"],
            "input": used["input_tokens"],
            "output": used["output_tokens"],
            "cache_read": used["cache_read_input_tokens"],
            "cache_write_5m": used["cache_creation"]["ephemeral_5m_input_tokens"],
            "cache_write_1h": used["cache_creation"]["ephemeral_1h_input_tokens"],
        }
    final = told[-1].get("response", told[-1])
    used = final["usage"]
    names = ("prompt", "completion") if path == CHAT else ("input", "output")
    details = used[f"{names[0]}_tokens_details"]
    written = details.get("cache_write_tokens", 0)
    return {
        "id": final["id"],
        "input": used[f"{names[0]}_tokens"] - details["cached_tokens"] - written,
        "output": used[f"{names[1]}_tokens"],
        "cache_read": details["cached_tokens"],
        "cache_write_5m": written,
        "cache_write_1h": 0,
    }


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("text", ["Hi", RICH, "[[sandbox: stop=refusal]] x", "[[sandbox: text=]]"])
async def test_a_complete_answer_is_billed_as_its_usage_says(
    http: aiohttp.ClientSession, sandbox_server: SandboxServer, path: str, stream: bool, text: str
) -> None:
    told = await answer_of(http, path, text, stream=stream)

    assert sandbox_server.bill() == [
        stated(path, told) | {"model": "m", "streamed": stream, "ending": "complete"},
    ]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("step", ["429", "500", "reset", "half", "error"])
async def test_what_the_vendor_broke_itself_costs_nothing(
    http: aiohttp.ClientSession, sandbox_server: SandboxServer, path: str, stream: bool, step: str
) -> None:
    try:
        async with http.post(path, json=body(path, f"[[sandbox: script={step}]] {uuid4()} a b", stream=stream)) as got:
            await got.read()
    except aiohttp.ClientError:
        pass

    assert sandbox_server.bill() == []


@pytest.mark.parametrize("path", PATHS)
async def test_a_stall_that_the_caller_leaves_costs_nothing(
    http: aiohttp.ClientSession, sandbox_server: SandboxServer, path: str
) -> None:
    await leave(http, sandbox_server, path, f"[[sandbox: script=stall]] {uuid4()} a b")

    assert sandbox_server.bill() == []


@pytest.mark.parametrize("path", PATHS)
async def test_a_caller_who_leaves_pays_for_what_was_said(
    http: aiohttp.ClientSession, sandbox_server: SandboxServer, path: str
) -> None:
    whole = stated(path, await answer_of(http, path, "[[sandbox: text=Echo: eight]]", stream=False))
    sandbox_server.clear_bill()

    await leave(http, sandbox_server, path, "[[sandbox: delay_ms=60000; text=Echo: eight nine ten]]")

    (charge,) = sandbox_server.bill()
    assert charge["ending"] == "left"
    assert charge["streamed"]
    # `Echo: ` is all that came before the first pause.
    assert charge["output"] == 2
    assert charge["input"] > whole["input"]


async def test_thinking_that_nobody_sees_is_billed_to_who_leaves(
    http: aiohttp.ClientSession, sandbox_server: SandboxServer
) -> None:
    for path in (RESPONSES, MESSAGES):
        how = "redacted" if path == MESSAGES else "on"
        await leave(http, sandbox_server, path, f"[[sandbox: delay_ms=60000; thinking={how}; text=Echo: eight]]")

    assert [charge["output"] for charge in sandbox_server.bill()] == [14, 14]


async def test_a_caller_who_leaves_before_the_first_byte_pays_nothing(
    http: aiohttp.ClientSession, sandbox_server: SandboxServer
) -> None:
    sandbox_server.clear()
    asking = asyncio.create_task(answer_of(http, MESSAGES, "[[sandbox: first_delay_ms=60000]] x", stream=True))
    async with asyncio.timeout(10):
        while not await asyncio.to_thread(sandbox_server.requests):
            pass
        asking.cancel()
        while not (await asyncio.to_thread(sandbox_server.requests))[-1]["hung_up"]:
            pass

    assert sandbox_server.bill() == []


async def test_a_caller_who_leaves_an_endless_stream_does_not_pay_for_its_end(
    http: aiohttp.ClientSession, sandbox_server: SandboxServer
) -> None:
    sandbox_server.clear()
    # More than the buffers of a connection ever hold: the kernel lets them grow to tens of megabytes.
    endless = body(MESSAGES, "[[sandbox: frames=600000]]", stream=True) | {"max_tokens": 1_000_000}
    async with http.post(MESSAGES, json=endless) as answer:
        await answer.content.readany()
        answer.close()
    async with asyncio.timeout(60):
        while not sandbox_server.bill():
            await asyncio.to_thread(sandbox_server.requests)

    assert sandbox_server.bill()[0]["ending"] == "left"


async def test_counting_tokens_is_free(http: aiohttp.ClientSession, sandbox_server: SandboxServer) -> None:
    counted = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    async with http.post("/v1/messages/count_tokens", json=counted) as answer:
        assert answer.status == 200

    assert sandbox_server.bill() == []


async def leave(http: aiohttp.ClientSession, sandbox_server: SandboxServer, path: str, text: str) -> None:
    """Read a stream to its first words, hang up, and see that the sandbox noticed."""
    sandbox_server.clear()
    async with http.post(path, json=body(path, text, stream=True)) as answer:
        heard = b""
        while b"Echo: " not in heard:
            heard += await answer.content.readany()
        answer.close()
    async with asyncio.timeout(10):
        while not (await asyncio.to_thread(sandbox_server.requests))[-1]["hung_up"]:
            pass
