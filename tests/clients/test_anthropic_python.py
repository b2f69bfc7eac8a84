"""anthropic for Python, from the development environment. `tests/sdk` has more of it."""

from collections.abc import Iterator

import anthropic
import pytest

from tests.clients.outcomes import TELLS, note
from tests.upstream import SandboxServer

TOOL: anthropic.types.ToolParam = {
    "name": "find_slot",
    "input_schema": {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]},
}


@pytest.fixture(params=["", "/v1/anthropic"])
def client(request: pytest.FixtureRequest, facts: dict[str, str]) -> Iterator[anthropic.Anthropic]:
    base_url = facts["base_url"] + request.param
    with anthropic.Anthropic(base_url=base_url, api_key=facts["key"], max_retries=0) as made:
        yield made


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "gpt-5.4-mini"])
def test_a_patient_is_restored_in_a_stream_and_never_seen_by_the_provider(
    client: anthropic.Anthropic, upstream: SandboxServer, model: str
) -> None:
    upstream.clear()
    asked: anthropic.types.MessageParam = {"role": "user", "content": note("python")}

    with client.messages.stream(model=model, max_tokens=400, messages=[asked]) as stream:
        assert "".join(stream.text_stream) == f"Echo: {note('python')}"

    [body] = [request["body"] for request in upstream.requests()]
    assert "To the python desk: patient [NAME_1], MRN [MRN_1]" in body
    assert [tell for tell in TELLS if tell in body] == []


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "gpt-5.4-mini"])
def test_tools_make_their_round_trip(client: anthropic.Anthropic, model: str) -> None:
    asked: anthropic.types.MessageParam = {"role": "user", "content": "[[sandbox: tool=find_slot]] Tuesday"}
    first = client.messages.create(model=model, max_tokens=400, messages=[asked], tools=[TOOL])
    [call] = [block for block in first.content if block.type == "tool_use"]

    second = client.messages.create(
        model=model,
        max_tokens=400,
        tools=[TOOL],
        messages=[
            asked,
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "free at nine"}]},
        ],
    )

    assert call.input == {"day": "Tuesday"}
    assert second.content[0].type == "text"
    assert second.content[0].text == "Echo: free at nine"
