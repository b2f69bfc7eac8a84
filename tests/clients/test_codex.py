"""Codex CLI through `/v1/openai`: answers, and loops with its real shell."""

from pathlib import Path

import pytest

from tests.clients.codex import Codex, items
from tests.clients.installing import Interpreter
from tests.clients.outcomes import TELLS, note
from tests.upstream import SandboxServer


@pytest.fixture
def codex(node: Interpreter, facts: dict[str, str], tmp_path: Path) -> Codex:
    return Codex(node, tmp_path, facts["base_url"], facts["key"])


@pytest.mark.parametrize("model", ["gpt-5.4-mini", "claude-haiku-4-5"])
def test_a_loop_of_two_commands_hides_the_patient_in_the_file_it_reads(
    codex: Codex, upstream: SandboxServer, model: str
) -> None:
    """The prompt has it print a file; what stands in that has it print the second, which has nothing to obey."""
    upstream.clear()
    (codex.home / "chart.txt").write_text(note(f"codex {model}"))
    (codex.home / "todo.txt").write_text("[[sandbox: tool=exec_command; words=cat chart.txt]]")

    events = codex.ask("[[sandbox: tool=exec_command; words=cat todo.txt]] Go on", model)

    assert [each["exit_code"] for each in items(events, "command_execution")] == [0, 0]
    [said] = items(events, "agent_message")
    assert note(f"codex {model}") in said["text"]
    assert events[-1]["type"] == "turn.completed"
    heard = [request["body"] for request in upstream.requests()]
    assert len(heard) == 3
    assert [tell for tell in TELLS if any(tell in body for body in heard)] == []


def test_a_text_comes_back_with_the_patient_it_named(codex: Codex) -> None:
    [said] = items(codex.ask(note("terminal")), "agent_message")

    assert said["text"].endswith(note("terminal"))


def test_a_refusal_is_told_in_our_words(codex: Codex, facts: dict[str, str]) -> None:
    events = Codex(codex.node, codex.home, codex.base_url, facts["unsigned_key"]).ask("Hello")

    assert events[-1]["type"] == "turn.failed"
    assert "business associate agreement" in events[-1]["error"]["message"]
