"""docs/compliance.md says nothing that is not there: no test that does not exist, no clause twice or left out."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "compliance.md"
TEXT = PAGE.read_text()

# 45 CFR 164.312, whose standards are required by themselves.
CLAUSES = {
    "164.312(a)(1)": "standard",
    "164.312(a)(2)(i)": "required",
    "164.312(a)(2)(ii)": "required",
    "164.312(a)(2)(iii)": "addressable",
    "164.312(a)(2)(iv)": "addressable",
    "164.312(b)": "standard",
    "164.312(c)(1)": "standard",
    "164.312(c)(2)": "addressable",
    "164.312(d)": "standard",
    "164.312(e)(1)": "standard",
    "164.312(e)(2)(i)": "addressable",
    "164.312(e)(2)(ii)": "addressable",
}
PARTS = ("Asks", "Hasp", "Shown by", "Operator")
OPERATOR_ONLY = "operator only"

_HEADING = re.compile(r"^### (164\.312\S+) .+: (\w+)$", re.MULTILINE)
_TEST = re.compile(r"`([^`]+\.py)::([^`]+)`")
_LINK = re.compile(r"\]\((?!https:)([^)#]*)#?([^)]*)\)")


def _sections() -> dict[str, str]:
    """What stands below the heading of each clause."""
    parts = _HEADING.split(TEXT.partition("\n## Neighbours\n")[0])
    return dict(zip(parts[1::3], parts[3::3], strict=True))


def _rows() -> list[list[str]]:
    """The cells of every row below a table's heading."""
    lines = [line for line in TEXT.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in cells if row[2].strip() not in ("---", "shown by")]


@cache
def _tests_of(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(function.name for function in functions if function.name.startswith("test_"))


@cache
def _anchors_of(document: Path) -> frozenset[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


def test_every_clause_of_the_technical_safeguards_is_there_once_in_its_order() -> None:
    assert _HEADING.findall(TEXT) == list(CLAUSES.items())


@pytest.mark.parametrize("clause", CLAUSES)
def test_every_clause_says_what_is_asked_what_meets_it_what_shows_it_and_what_is_left(clause: str) -> None:
    assert tuple(re.findall(r"^- \*\*(.+?):\*\* \S", _sections()[clause], re.MULTILINE)) == PARTS


@pytest.mark.parametrize("clause", CLAUSES)
def test_every_clause_names_a_test_or_says_that_it_is_the_operators(clause: str) -> None:
    shown = _sections()[clause].partition("**Shown by:**")[2].partition("**Operator:**")[0]

    assert _TEST.search(shown) or OPERATOR_ONLY in shown


def test_every_row_names_a_test_or_says_that_it_is_the_operators() -> None:
    silent = [row[0] for row in _rows() if not _TEST.search(row[2]) and row[2] != OPERATOR_ONLY]

    assert _rows()
    assert silent == []


def test_every_row_says_what_is_left_to_the_operator() -> None:
    assert [row[0] for row in _rows() if len(row) != 4 or not row[3]] == []


@pytest.mark.parametrize("path", sorted({path for path, _ in _TEST.findall(TEXT)}))
def test_every_test_that_is_named_exists(path: str) -> None:
    named = {test for of, test in _TEST.findall(TEXT) if of == path}

    assert named - _tests_of(path) == set()


def test_every_link_leads_to_a_heading_that_is_there() -> None:
    broken = [
        f"{file}#{anchor}"
        for file, anchor in _LINK.findall(TEXT)
        if not (target := PAGE.parent / file if file else PAGE).is_file()
        or (anchor and anchor not in _anchors_of(target))
    ]

    assert broken == []
