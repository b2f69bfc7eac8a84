"""`hasp catalog check` tells what becomes of prices, and which of their changes cannot be."""

import json
from pathlib import Path
from typing import Any

from tests.cli.test_command_line import hasp

NEW_YEAR: dict[str, Any] = {"effective_at": "2027-01-01T01:00:00+01:00", "ratio_milli": 900, "prices": None}


def write(folder: Path, *changes: dict[str, Any]) -> str:
    file = folder / "catalog.json"
    file.write_text(json.dumps({"amendments": {"claude-sonnet-4-6": {"price_changes": changes}}}))
    return str(file)


def test_a_change_of_prices_is_listed_below_its_model(tmp_path: Path) -> None:
    answer = hasp("catalog", "check", write(tmp_path, NEW_YEAR))

    lines = answer.stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("  claude-sonnet-4-6 "))
    assert lines[at + 1] == "    from 2027-01-01T01:00:00+01:00: other prices, ratio_milli"
    assert lines[at + 2].startswith("  claude-opus-4-6 ")


def test_two_changes_at_one_instant_are_a_fault_with_its_place(tmp_path: Path) -> None:
    answer = hasp("catalog", "check", write(tmp_path, NEW_YEAR, NEW_YEAR | {"effective_at": "2027-01-01T00:00:00Z"}))

    fault = "amendments.claude-sonnet-4-6.price_changes: must each take effect later than the one before"
    assert (answer.returncode, answer.stdout) == (2, "")
    assert fault in answer.stderr
