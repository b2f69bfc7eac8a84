"""OpenCode through `/v1/openai` and `/v1/anthropic`: a loop with its real tools, and a patient in a file."""

from pathlib import Path

import pytest

from tests.clients.installing import AbsentError, Interpreter
from tests.clients.opencode import OpenCode, program
from tests.clients.outcomes import TELLS, note
from tests.upstream import SandboxServer


@pytest.fixture
def opencode(node: Interpreter, facts: dict[str, str], tmp_path: Path) -> OpenCode:
    try:
        program()
    except AbsentError as absent:
        pytest.skip(str(absent))
    return OpenCode(tmp_path, facts["base_url"], facts["key"])


@pytest.mark.parametrize(("provider", "model"), [("openai", "gpt-5.4-mini"), ("anthropic", "claude-haiku-4-5")])
def test_a_loop_of_two_tools_hides_the_patient_in_the_file_it_reads(
    opencode: OpenCode, upstream: SandboxServer, provider: str, model: str
) -> None:
    upstream.clear()
    chart = opencode.home / "chart.txt"
    chart.write_text(note(f"opencode {provider}"))
    (opencode.home / "todo.txt").write_text(f"[[sandbox: tool=read; words={chart}]]")

    events = opencode.ask("[[sandbox: tool=bash; words=cat todo.txt]]", provider=provider, model=model)

    used = [event["part"]["tool"] for event in events if event["type"] == "tool_use"]
    assert used == ["bash", "read"]
    said = "".join(event["part"]["text"] for event in events if event["type"] == "text")
    assert note(f"opencode {provider}") in said
    heard = [request["body"] for request in upstream.requests()]
    assert any(f"To the opencode {provider} desk: patient [NAME_" in body for body in heard)
    assert [tell for tell in TELLS if any(tell in body for body in heard)] == []
