"""An assistant's name is a program's; the same word before a surname, or in a text about a person, is somebody's."""

import pytest

from gateway.phi.detector import CERTAIN
from gateway.phi.rules.scan import scan


def certain(text: str) -> list[str]:
    return [text[span.start : span.end] for span in scan(text) if span.score_milli >= CERTAIN]


@pytest.mark.parametrize(
    "text",
    [
        "You are a Claude agent, built on Anthropic's Claude Agent SDK.",
        "Default to the most capable Claude models. Claude Code is available as a CLI.",
        "Settings live in ~/.claude/settings.json, rules in CLAUDE.md.",
        "Tell subagents what Claude has read, and why Claude stopped.",
        "Use claude-opus-4-7 or Claude Sonnet 4.6.",
    ],
)
def test_the_assistant_is_nobody(text: str) -> None:
    assert certain(text) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Claude fell yesterday and reports pain.", "Claude"),
        ("Patient Claude Martin was seen.", "Claude Martin"),
        ("Spoke with Claude Martin about Claude Code.", "Claude Martin"),
        ("Dr. Claude Bernard of the Anthropic clinic was paged.", "Claude Bernard"),
    ],
)
def test_a_person_called_claude_is_somebody(text: str, name: str) -> None:
    assert name in certain(text)
