"""The tools that Anthropic defines, and parallel calls of any, as the vendors send them."""

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from anthropic.types import Message, ToolUseBlock

from tests.upstream import SandboxServer

EDITOR = "str_replace_based_edit_tool"
WEATHER: dict[str, Any] = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}


@pytest.fixture
def claude(sandbox_server: SandboxServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=sandbox_server.url, api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
def gpt(sandbox_server: SandboxServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{sandbox_server.url}/v1", api_key="any", max_retries=0) as client:
        yield client


def ask(claude: anthropic.Anthropic, text: str, *tools: Any, **more: Any) -> Message:
    asked: Any = [{"role": "user", "content": text}]
    return claude.messages.create(model="claude-x", max_tokens=200, messages=asked, tools=tools, stream=False, **more)


@pytest.mark.parametrize(
    ("tool", "called_with"),
    [
        ({"type": "bash_20250124", "name": "bash"}, {"command": "uptime"}),
        (
            {"type": "text_editor_20250124", "name": "str_replace_editor"},
            {"command": "create", "path": "/repository/notes.txt", "file_text": "uptime"},
        ),
        (
            {"type": "text_editor_20250728", "name": EDITOR, "max_characters": 900},
            {"command": "create", "path": "/repository/notes.txt", "file_text": "uptime"},
        ),
        (
            {"type": "memory_20250818", "name": "memory", "cache_control": {"type": "ephemeral"}},
            {"command": "create", "path": "/memories/notes.txt", "file_text": "uptime"},
        ),
        (
            {"type": "computer_20250124", "name": "computer", "display_width_px": 8, "display_height_px": 6},
            {"action": "type", "text": "uptime"},
        ),
    ],
)
def test_a_tool_of_anthropic_s_own_is_called_with_an_input_that_fits(
    claude: anthropic.Anthropic, tool: Any, called_with: dict[str, str]
) -> None:
    text = f"[[sandbox: tool={tool['name']}]] uptime"
    with claude.messages.stream(
        model="claude-x", max_tokens=200, messages=[{"role": "user", "content": text}], tools=[tool]
    ) as stream:
        streamed = stream.get_final_message()

    for message in (ask(claude, text, tool), streamed):
        (call,) = message.content
        assert isinstance(call, ToolUseBlock)
        assert (call.name, call.input) == (tool["name"], called_with)


def test_a_tool_of_anthropic_s_own_has_something_to_run_when_nothing_was_said(claude: anthropic.Anthropic) -> None:
    message = ask(claude, "[[sandbox: tool=bash]]", {"type": "bash_20250124", "name": "bash"})

    assert isinstance(message.content[0], ToolUseBlock)
    assert message.content[0].input == {"command": "ls"}


def test_what_is_published_of_custom_tools_is_taken(claude: anthropic.Anthropic) -> None:
    tool = WEATHER | {
        "type": "custom",
        "description": "Tells it.",
        "strict": True,
        "eager_input_streaming": True,
        "input_examples": [{"city": "Oslo"}],
        "defer_loading": False,
        "allowed_callers": ["direct"],
    }

    assert ask(claude, "[[sandbox: tool=weather]] Rome", tool).stop_reason == "tool_use"


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ({"type": "bash_20991231", "name": "bash"}, "does not match any of the expected tags"),
        ({"type": "bash_20250124"}, "bash_20250124.name: Field required"),
        ({"type": "bash_20250124", "name": "shell"}, "Input should be 'bash'"),
        ({"type": "bash_20250124", "name": "bash", "max_characters": 9}, "max_characters: Extra inputs"),
        ({"type": "memory_20250818", "name": "memory", "input_schema": None}, "input_schema: Extra inputs"),
        (WEATHER | {"colour": "red"}, "custom.colour: Extra inputs"),
        (WEATHER | {"name": 7}, "custom.name: Input should be a valid string"),
        (WEATHER | {"input_schema": "object"}, "custom.input_schema: Input should be a valid dictionary"),
    ],
)
def test_a_tool_that_anthropic_does_not_publish_is_refused(
    claude: anthropic.Anthropic, tool: dict[str, Any], words: str
) -> None:
    with pytest.raises(anthropic.BadRequestError, match=words):
        ask(claude, "Hi", tool)


def test_one_call_is_made_where_parallel_ones_are_not_wanted(claude: anthropic.Anthropic, gpt: openai.OpenAI) -> None:
    text = "[[sandbox: tool=weather; tools=3]] Oslo"
    function: Any = {"name": "weather", "parameters": WEATHER["input_schema"]}

    message = ask(claude, text, WEATHER, tool_choice={"type": "auto", "disable_parallel_tool_use": True})
    flat: Any = {"type": "function", "strict": False, **function}
    response = gpt.responses.create(model="gpt-x", input=text, parallel_tool_calls=False, tools=[flat])
    completion = gpt.chat.completions.create(
        model="gpt-x",
        messages=[{"role": "user", "content": text}],
        parallel_tool_calls=False,
        tools=[{"type": "function", "function": function}],
    )

    calls = completion.choices[0].message.tool_calls or []
    assert [len(message.content), len(response.output), len(calls)] == [1, 1, 1]
