"""docs/privacy.md knows every table, and says of an erasure what the code says."""

import re
from collections import Counter

import pytest

from gateway.end_users.classes import RULES, RecordClass
from storage.tables import Row
from tests.architecture.test_documentation import ROOT

PAGE = (ROOT / "docs" / "privacy.md").read_text()
MAP = PAGE.partition("## The map\n")[2].partition("\nBeside the database:")[0]


def test_every_table_is_once_in_the_map_and_no_other_is() -> None:
    rows = [line for line in MAP.splitlines() if line.startswith("| `")]
    mapped = Counter(name for row in rows for name in re.findall(r"`([a-z_]+)`", row.split("|")[1]))

    assert mapped == Counter(Row.metadata.tables.keys())


def test_every_row_of_the_map_says_what_why_how_long_and_who() -> None:
    rows = [line.strip("|").split("|") for line in MAP.splitlines() if line.startswith("| `")]

    assert [row for row in rows if len(row) != 6 or not all(cell.strip() for cell in row)] == []


@pytest.mark.parametrize("kind", RecordClass)
def test_the_page_says_what_an_erasure_does_with_each_class(kind: RecordClass) -> None:
    rule = RULES[kind]

    assert PAGE.count(f"\n| `{kind}` | {rule.fate} | `{rule.basis}` |\n") == 1


def test_every_test_that_the_page_names_is_there() -> None:
    named = re.findall(r"`(tests/[a-z_./]+)`", PAGE)

    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []
