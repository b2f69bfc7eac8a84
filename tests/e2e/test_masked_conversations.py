"""Whole conversations about patients, as a client leads them and as the provider hears them."""

import asyncio
from typing import Any

import orjson
import pytest

from tests.e2e.tapped_gateway import Reply, TappedGateway, tapped, tapped_gateway
from tests.gateway_server import server_settings
from tests.grammar import read_events
from tests.tenants import make_tenant

__all__ = ["server_settings", "tapped", "tapped_gateway"]

Json = dict[str, Any]
CLAUDE, GPT = MODELS = ("claude-haiku-4-5", "gpt-5.4-mini")
THINKING = {CLAUDE: {"type": "enabled", "budget_tokens": 1024}, GPT: {"type": "adaptive"}}
TOLD = [
    "Patient Maria Lopez, MRN 00153497, DOB 03/04/1980, wife of Peter Lopez.",
    "Dr. Chen saw her on 5/6/2021; call 212-555-0100. What about Maria?",
    "In the letter, keep [NAME_1] and [SSN_1] as blanks.",
    "Her SSN is 917-44-8123, and 00153497 is right.",
    "She lives at 88 Harbor View Ave, Boise, ID 83702. Is maria_lopez.pdf hers?",
    "Write to maria.lopez@example.org about [NAME_2].",
]


def body_of(heard: str) -> str:
    return heard.rpartition("\n")[2]


async def say(gateway: TappedGateway, tenant: Any, turns: list[Json], **fields: object) -> tuple[Json, str]:
    """The answer, and the body that the provider was sent for it."""
    gateway.tap.heard.clear()
    body = {"model": CLAUDE, "max_tokens": 2000, "messages": turns, **fields}
    reply = await gateway.post(tenant, "/v1/messages", body)
    assert reply.status == 200, reply.body
    return orjson.loads(reply.body), body_of(gateway.tap.heard[-1])


@pytest.mark.parametrize("model", MODELS)
async def test_each_turn_goes_out_as_the_one_before_with_more_at_its_end(
    tapped_gateway: TappedGateway, model: str
) -> None:
    tenant = await make_tenant(tapped_gateway.storage)
    turns: list[Json] = []
    before = ""
    for told in TOLD:
        turns.append({"role": "user", "content": f"[[sandbox: thinking=echo]] {told}"})
        answer, sent = await say(
            tapped_gateway, tenant, turns, model=model, thinking=THINKING[model], system="You help Dr. Anna Weber."
        )
        assert sent.startswith(before)
        assert answer["content"][-1]["text"] == f"Echo: {told}"
        turns.append({"role": "assistant", "content": answer["content"]})
        before = sent.removesuffix("]}")
    assert "Lopez" not in before
    assert "00153497" not in before


@pytest.mark.parametrize("model", MODELS)
async def test_signed_reasoning_speaks_of_the_same_people_after_the_system_prompt_has_changed(
    tapped_gateway: TappedGateway, model: str
) -> None:
    tenant = await make_tenant(tapped_gateway.storage)
    turns: list[Json] = [{"role": "user", "content": "[[sandbox: thinking=echo]] Patient Maria Lopez is here."}]
    answer, _ = await say(tapped_gateway, tenant, turns, model=model, thinking=THINKING[model])
    assert "[NAME_1]" in answer["content"][0]["thinking"]

    turns += [{"role": "assistant", "content": answer["content"]}, {"role": "user", "content": "And Maria Lopez?"}]
    answer, sent = await say(
        tapped_gateway,
        tenant,
        turns,
        model=model,
        thinking=THINKING[model],
        system="You assist Dr. Ingrid Vandermolen.",
    )

    assert "You assist Dr. [NAME_2]." in sent
    assert "And [NAME_1]?" in sent
    assert answer["content"][-1]["text"] == "Echo: And Maria Lopez?"


def tool_input(reply: Reply) -> Json:
    events = read_events(reply.body.encode())
    deltas = [event.data["delta"] for event in events if event.name == "content_block_delta"]
    return orjson.loads("".join(delta.get("partial_json", "") for delta in deltas))


async def test_patients_of_parallel_requests_never_mix(tapped_gateway: TappedGateway) -> None:
    tenant = await make_tenant(tapped_gateway.storage)
    tool = {"name": "find", "input_schema": {"type": "object", "properties": {"who": {"type": "string"}}}}

    def told(number: int) -> str:
        return f'Patient José "Pepe" O\'Neil-{"ABCDEFGHIJ"[number % 10]}\\x, SSN {100 + number}-45-{6000 + number}'

    def request(number: int) -> tuple[str, object]:
        text = f"[[sandbox: tool=find; chunk=2]] {told(number)}"
        messages = [{"role": "user", "content": text}]
        return "/v1/messages", {
            "model": MODELS[number % 2],
            "max_tokens": 500,
            "stream": True,
            "tools": [tool],
            "messages": messages,
        }

    replies = await tapped_gateway.post_all(tenant, map(request, range(200)))
    assert [tool_input(reply) for reply in replies] == [{"who": told(number)} for number in range(200)]
    assert not any("-45-6" in heard for heard in tapped_gateway.tap.heard)


async def test_two_organisations_that_say_the_same_at_once_get_each_its_own_back(
    tapped_gateway: TappedGateway,
) -> None:
    tenants = [await make_tenant(tapped_gateway.storage) for _ in range(2)]
    names = ("Maria Lopez", "Ingrid Vandermolen")

    async def ask(number: int) -> str:
        text = f"Patient {names[number % 2]} is here."
        body = {"model": CLAUDE, "max_tokens": 500, "messages": [{"role": "user", "content": text}]}
        reply = await tapped_gateway.post(tenants[number % 2], "/v1/messages", body)
        return orjson.loads(reply.body)["content"][0]["text"]

    answers = await asyncio.gather(*map(ask, range(40)))
    assert answers == [f"Echo: Patient {names[number % 2]} is here." for number in range(40)]
