"""Claude Code in print mode: answers, loops with real tools, and sessions, through the gateway."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from tests.clients.claude_code import ClaudeCode, settings
from tests.clients.installing import Interpreter
from tests.clients.outcomes import NAME, TELLS, note
from tests.upstream import SandboxServer

# One request at once: without it Claude Code tries tool search first, is refused, and goes on without.
ALL_TOOLS = {"ENABLE_TOOL_SEARCH": "false"}


@pytest.fixture
def claude(node: Interpreter, facts: dict[str, str], tmp_path: Path) -> ClaudeCode:
    return ClaudeCode(node, tmp_path, settings(facts["base_url"], facts["key"], tmp_path))


@pytest.fixture
def compatible(claude: ClaudeCode, facts: dict[str, str]) -> ClaudeCode:
    """At the surface for Anthropic's clients, with its key as a bearer token."""
    elsewhere = {"ANTHROPIC_BASE_URL": f"{facts['base_url']}/v1/anthropic"}
    token = {"ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": facts["key"]}
    return replace(claude, environment={**claude.environment, **elsewhere, **token})


@pytest.fixture
def heard(upstream: SandboxServer) -> Callable[[], list[str]]:
    """Bodies that the provider was sent since the test began."""
    upstream.clear()
    return lambda: [request["body"] for request in upstream.requests()]


def tools_in(body: str) -> list[str]:
    return [tool["name"] for tool in orjson.loads(body)["tools"]]


def test_it_answers_with_all_its_tools_and_a_patient_restored(
    claude: ClaudeCode, heard: Callable[[], list[str]]
) -> None:
    answer = claude.ask(note("coding"), **ALL_TOOLS)

    assert (answer["is_error"], answer["stop_reason"]) == (False, "end_turn")
    assert answer["result"].endswith(note("coding"))
    [body] = heard()
    assert {"Bash", "Edit", "Read", "Write"} <= set(tools_in(body))
    assert "To the coding desk: patient [NAME_" in body
    assert [tell for tell in TELLS if tell in body] == []


def test_it_goes_on_by_itself_where_deferred_tools_are_refused(
    claude: ClaudeCode, heard: Callable[[], list[str]]
) -> None:
    answer = claude.ask("Say hello")

    assert answer["result"].endswith("Say hello")
    assert len(heard()) == 1


@pytest.mark.parametrize("at", ["claude", "compatible"])
def test_a_loop_with_two_real_tools_hides_the_patient_in_the_files_it_reads(
    request: pytest.FixtureRequest, heard: Callable[[], list[str]], at: str
) -> None:
    """A directive in the prompt has it run `cat`; one in that file has it read the second; that one has none."""
    claude: ClaudeCode = request.getfixturevalue(at)
    chart = claude.home / "chart.txt"
    chart.write_text(note("chart"))
    (claude.home / "todo.txt").write_text(f"[[sandbox: tool=Read]] {chart}")

    answer = claude.ask("[[sandbox: tool=Bash]] cat todo.txt", "--bare", "--allowedTools", "Bash(cat:*)", "Read")

    assert (answer["is_error"], answer["num_turns"], answer["permission_denials"]) == (False, 3, [])
    assert note("chart") in answer["result"]
    bodies = heard()
    assert len(bodies) == 3
    assert "To the chart desk: patient [NAME_1], MRN [MRN_1]" in bodies[-1]
    assert [tell for tell in TELLS if any(tell in body for body in bodies)] == []


def test_a_session_goes_on_with_the_thinking_it_had(claude: ClaudeCode, heard: Callable[[], list[str]]) -> None:
    first = claude.ask("[[sandbox: thinking=on]] Why?", "--bare")
    second = claude.ask(f"Ask {NAME} again.", "--bare", "--resume", first["session_id"])

    assert second["result"] == f"Echo: Ask {NAME} again."
    replayed = [block["type"] for block in orjson.loads(heard()[-1])["messages"][1]["content"]]
    assert replayed == ["thinking", "text"]


def test_a_gpt_model_runs_its_tools(claude: ClaudeCode, heard: Callable[[], list[str]]) -> None:
    chart = claude.home / "chart.txt"
    chart.write_text(note("gpt"))

    answer = claude.ask(f"[[sandbox: tool=Read]] {chart}", "--bare", "--allowedTools", "Read", model="gpt-5.4-mini")

    assert (answer["is_error"], answer["num_turns"]) == (False, 2)
    assert note("gpt") in answer["result"]
    assert [tell for tell in TELLS if any(tell in body for body in heard())] == []


def test_at_the_compatible_surface_a_shorthand_is_a_model_and_a_patient_restored(
    compatible: ClaudeCode, heard: Callable[[], list[str]]
) -> None:
    """By itself it puts a name in place of the shorthand that its own release knows."""
    answer = compatible.ask(note("alias"), model="sonnet", ANTHROPIC_DEFAULT_SONNET_MODEL="sonnet")

    assert answer["result"].endswith(note("alias"))
    assert [tell for tell in TELLS if any(tell in body for body in heard())] == []


def test_the_key_may_be_a_bearer_token(claude: ClaudeCode, facts: dict[str, str]) -> None:
    answer = claude.ask("Hello", "--bare", ANTHROPIC_API_KEY="", ANTHROPIC_AUTH_TOKEN=facts["key"])

    assert answer["result"] == "Echo: Hello"


@pytest.mark.parametrize(("key", "status"), [("unknown_key", 401), ("unsigned_key", 402)])
def test_a_refusal_is_told_with_its_status(claude: ClaudeCode, facts: dict[str, str], key: str, status: int) -> None:
    answer = claude.ask("Hello", "--bare", ANTHROPIC_API_KEY=facts[key])

    assert (answer["is_error"], answer["api_error_status"]) == (True, status)
