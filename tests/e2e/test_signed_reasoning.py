"""Reasoning that vendors sign, led through long conversations about patients by Anthropic's own SDK.

The sandbox refuses reasoning that comes back other than it was sent, as both vendors do.
"""

from collections.abc import AsyncIterator
from typing import Any, cast

import anthropic
import orjson
import pytest
import pytest_asyncio

from tests.e2e.tapped_gateway import TappedGateway, tapped, tapped_gateway
from tests.gateway_server import server_settings
from tests.tenants import make_tenant

__all__ = ["server_settings", "tapped", "tapped_gateway"]

Json = dict[str, Any]
CLAUDE, GPT = MODELS = ("claude-haiku-4-5", "gpt-5.4-mini")
THINKING: dict[str, Any] = {CLAUDE: {"type": "enabled", "budget_tokens": 1024}, GPT: {"type": "adaptive"}}
FIND: Json = {"name": "find", "input_schema": {"type": "object", "properties": {"who": {"type": "string"}}}}
NAME, SSN = "Maria Lopez", "917-44-8123"
TURNS = 10


@pytest_asyncio.fixture(loop_scope="session")
async def client(tapped_gateway: TappedGateway) -> AsyncIterator[anthropic.AsyncAnthropic]:
    tenant = await make_tenant(tapped_gateway.storage)
    tapped_gateway.tap.heard.clear()
    async with anthropic.AsyncAnthropic(api_key=tenant.token, base_url=tapped_gateway.url, max_retries=0) as made:
        yield made


async def ask(
    client: anthropic.AsyncAnthropic, turns: list[Any], *, stream: bool, **fields: Any
) -> anthropic.types.Message:
    asked: Json = {"max_tokens": 2000, "messages": turns, "tools": [FIND], **fields}
    if not stream:
        return cast("anthropic.types.Message", await client.messages.create(**asked))
    async with client.messages.stream(**asked) as answering:
        return await answering.get_final_message()


def told(number: int, answer: anthropic.types.Message | None) -> list[Json]:
    """What the user says next: the results of the calls first, and every other time a wish for two more calls."""
    results: list[Json] = [
        {"type": "tool_result", "tool_use_id": block.id, "content": f"{NAME} is in room {number}"}
        for block in (answer.content if answer else ())
        if block.type == "tool_use"
    ]
    way = "thinking=echo; tool=find; tools=2; chunk=3" if number % 2 == 0 else "thinking=echo; chunk=3"
    return [*results, {"type": "text", "text": f"[[sandbox: {way}]] {number}: {NAME}, SSN {SSN}"}]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
async def test_signatures_come_back_byte_for_byte_over_ten_turns_with_calls_between(
    tapped_gateway: TappedGateway, client: anthropic.AsyncAnthropic, model: str, stream: bool
) -> None:
    turns: list[Json] = []
    answer: anthropic.types.Message | None = None
    signatures: list[str] = []
    for number in range(TURNS):
        turns.append({"role": "user", "content": told(number, answer)})
        answer = await ask(client, turns, stream=stream, model=model, thinking=THINKING[model])

        thought, *said = answer.content
        assert thought.type == "thinking"
        # It is signed as the vendor wrote it, so it shows what the vendor was told.
        assert thought.thinking == f"They said: {number}: [NAME_1], SSN [SSN_1]"
        whole = f"{number}: {NAME}, SSN {SSN}"
        if number % 2 == 0:
            assert [block.input for block in said if block.type == "tool_use"] == [{"who": whole}] * 2
            assert len({block.id for block in said if block.type == "tool_use"}) == 2
        else:
            assert [block.text for block in said if block.type == "text"] == [f"Echo: {whole}"]
        signatures.append(thought.signature)
        turns.append(
            {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in answer.content]}
        )

    assert len(set(signatures)) == TURNS
    assert len(tapped_gateway.tap.heard) == TURNS
    assert not any(NAME in heard or SSN in heard for heard in tapped_gateway.tap.heard)
    if model == CLAUDE:
        assert all(signature in tapped_gateway.tap.heard[-1] for signature in signatures[:-1])


@pytest.mark.parametrize("stream", [False, True])
async def test_redacted_reasoning_goes_back_as_it_came(
    tapped_gateway: TappedGateway, client: anthropic.AsyncAnthropic, stream: bool
) -> None:
    turns: list[Json] = [{"role": "user", "content": f"[[sandbox: thinking=redacted]] {NAME} is here."}]
    first = await ask(client, turns, stream=stream, model=CLAUDE, thinking=THINKING[CLAUDE])
    hidden, *_ = first.content
    assert hidden.type == "redacted_thinking"

    turns += [{"role": "assistant", "content": first.content}, {"role": "user", "content": f"And {NAME}?"}]
    second = await ask(client, turns, stream=stream, model=CLAUDE, thinking=THINKING[CLAUDE])

    assert second.content[-1].type == "text"
    assert f'"data":"{hidden.data}"' in tapped_gateway.tap.heard[-1]


@pytest.mark.parametrize(
    "thinking",
    [
        {"type": "disabled"},
        {"type": "adaptive"},
        {"type": "adaptive", "display": "omitted"},
        {"type": "enabled", "budget_tokens": 1024},
        {"type": "enabled", "budget_tokens": 1024, "display": "summarized"},
    ],
)
async def test_every_way_to_think_is_told_to_claude_as_it_was_sent(
    tapped_gateway: TappedGateway, client: anthropic.AsyncAnthropic, thinking: Json
) -> None:
    await ask(
        client, [{"role": "user", "content": "Hello"}], stream=False, model="claude-sonnet-4-6", thinking=thinking
    )

    assert orjson.loads(tapped_gateway.tap.heard[-1].rpartition("\n")[2])["thinking"] == thinking
