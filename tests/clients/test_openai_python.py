"""openai for Python through `/v1/openai`, from the development environment. `tests/sdk` has more of it."""

from collections.abc import Iterator
from typing import Any

import openai
import orjson
import pytest

from tests.clients.outcomes import TELLS, note
from tests.upstream import SandboxServer

SCHEMA = {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}
CALLED: Any = {"type": "function", "name": "find_slot", "parameters": SCHEMA}
CHATTED: Any = {"type": "function", "function": {"name": "find_slot", "parameters": SCHEMA}}
RESULTS = ("[[sandbox: tool=find_slot; words=Friday]]", "nine")

every_model = pytest.mark.parametrize("model", ["gpt-5.4-mini", "claude-haiku-4-5"])


@pytest.fixture
def client(facts: dict[str, str]) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{facts['base_url']}/v1/openai", api_key=facts["key"], max_retries=0) as made:
        yield made


@every_model
def test_a_patient_is_restored_in_both_streams_and_never_seen_by_the_provider(
    client: openai.OpenAI, upstream: SandboxServer, model: str
) -> None:
    upstream.clear()

    with client.responses.stream(model=model, input=note("python")) as stream:
        assert stream.get_final_response().output_text == f"Echo: {note('python')}"
    with client.chat.completions.stream(model=model, messages=[{"role": "user", "content": note("python")}]) as chat:
        assert chat.get_final_completion().choices[0].message.content == f"Echo: {note('python')}"

    heard = [request["body"] for request in upstream.requests()]
    assert [("To the python desk: patient [NAME_1], MRN [MRN_1]" in body) for body in heard] == [True, True]
    assert [tell for tell in TELLS if any(tell in body for body in heard)] == []


@every_model
def test_two_steps_of_tools_of_a_response(client: openai.OpenAI, model: str) -> None:
    items: list[Any] = [{"role": "user", "content": "[[sandbox: tool=find_slot]] Tuesday"}]
    inputs: list[str] = []
    for result in RESULTS:
        answer = client.responses.create(model=model, input=items, tools=[CALLED])
        items += answer.output
        calls = [item for item in answer.output if item.type == "function_call"]
        inputs += [orjson.loads(call.arguments)["day"] for call in calls]
        items += [{"type": "function_call_output", "call_id": call.call_id, "output": result} for call in calls]

    assert client.responses.create(model=model, input=items, tools=[CALLED]).output_text == "Echo: nine"
    assert inputs == ["Tuesday", "Friday"]


@every_model
def test_two_steps_of_tools_of_a_chat_completion(client: openai.OpenAI, model: str) -> None:
    messages: list[Any] = [{"role": "user", "content": "[[sandbox: tool=find_slot]] Tuesday"}]
    inputs: list[str] = []
    for result in RESULTS:
        message = client.chat.completions.create(model=model, messages=messages, tools=[CHATTED]).choices[0].message
        calls: list[Any] = [*(message.tool_calls or ())]
        inputs += [orjson.loads(call.function.arguments)["day"] for call in calls]
        messages += [message, *({"role": "tool", "tool_call_id": call.id, "content": result} for call in calls)]

    last = client.chat.completions.create(model=model, messages=messages, tools=[CHATTED])
    assert (last.choices[0].message.content, inputs) == ("Echo: nine", ["Tuesday", "Friday"])
