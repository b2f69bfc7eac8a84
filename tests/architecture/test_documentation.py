"""Documents that must keep up with the code."""

import re
from pathlib import Path

import orjson
import pytest

from gateway.audit import AuditAction
from gateway.audit.compliance import ComplianceEvent, Gate
from gateway.events import EventType
from gateway.settings import Settings
from gateway.webhooks.events import CATALOGUE

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_in_the_table(name: str) -> None:
    assert f"`HASP_{name.upper()}`" in (ROOT / "docs" / "configuration.md").read_text()


@pytest.mark.parametrize("event", [each for each in EventType if each.startswith("api_key.")])
def test_every_event_of_a_key_is_documented_with_an_example(event: EventType) -> None:
    rows = [line for line in (ROOT / "docs" / "api.md").read_text().splitlines() if line.startswith(f"| `{event}` |")]

    assert ['{"key_id":"' in row for row in rows] == [True]


@pytest.mark.parametrize("word", [*AuditAction, *ComplianceEvent, *Gate])
def test_every_word_of_the_audit_log_is_documented(word: str) -> None:
    assert f"`{word}`" in (ROOT / "docs" / "audit-log.md").read_text()


@pytest.mark.parametrize("event", CATALOGUE)
def test_every_event_of_webhooks_is_documented_with_its_example(event: str) -> None:
    rows = [line for line in (ROOT / "docs" / "webhook-events.md").read_text().splitlines() if f"| `{event}` |" in line]

    subject = CATALOGUE[event]
    sometimes = "".join(f", *{name}*" for name in sorted(subject.sometimes))
    assert rows == [f"| `{event}` | {subject.summary} | `{orjson.dumps(subject.example).decode()}`{sometimes} |"]


def test_no_event_is_documented_that_nobody_can_ask_for() -> None:
    text = (ROOT / "docs" / "webhook-events.md").read_text()

    assert set(re.findall(r"^\| `([a-z_.]+)` \|", text, re.MULTILINE)) == set(CATALOGUE)


def test_every_link_between_documents_leads_somewhere() -> None:
    broken = [
        f"{document.relative_to(ROOT)} -> {target}"
        for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", document.read_text())
        if not (document.parent / target).exists()
    ]

    assert broken == []
