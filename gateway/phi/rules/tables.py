"""Rows under a header, and rows of SQL literals under a list of columns: CSV, pipes, tabs, Markdown, INSERT."""

import re
from collections.abc import Iterator, Sequence

from gateway.phi.detector import Span
from gateway.phi.findings import Entity
from gateway.phi.rules.document import Document
from gateway.phi.rules.keys import entity_of_key, fits

_SEPARATORS = ("|", "\t", ",", ";")
_MIN_COLUMNS = 2
_MAX_HEADER = 600
_MAX_NAME = 40
_RULE = re.compile(r"[\s|:+=-]*")
_CSV_CELL = re.compile(r'\s*"(?:[^"]|"")*"\s*|[^,]*')
_MONTH_DAY_CELL = re.compile(r'[\s"]*[A-Za-z]{3,9}\.? \d{1,2}\s*')
_YEAR_CELL = re.compile(r'\s?(?:19|20)\d{2}[\s"]*')
_INSERT = re.compile(r"\(([^()]{3,600})\)\s*VALUES\s*(?=\()", re.IGNORECASE)
_TUPLE = re.compile(r"\s*,?\s*\(((?:'(?:[^']|'')*'|[^()'])*)\)")
_LITERAL = re.compile(r"'(?:[^']|'')*'|[^,]+")
_MARKS = " \"'`\r*"

_Cell = tuple[int, str]


def find_tables(document: Document) -> Iterator[Span]:
    if "\n" in document.folded:
        yield from _lines(document.folded)
    if "values" in document.vocabulary:
        yield from _inserts(document.flat)


def _lines(text: str) -> Iterator[Span]:
    columns: Sequence[Entity | None] = ()
    separator = ""
    at = 0
    for line in text.split("\n"):
        if columns and _RULE.fullmatch(line):
            separator, columns = ("", ()) if not line.strip() else (separator, columns)
        elif columns and line.count(separator) >= max(1, len(columns) - 2):
            yield from _row(_cells(line, at, separator), columns)
        else:
            separator, columns = _header(line)
        at += len(line) + 1


def _header(line: str) -> tuple[str, Sequence[Entity | None]]:
    if len(line) <= _MAX_HEADER and ":" not in line and ". " not in line:
        for separator in _SEPARATORS:
            if 0 <= line.find(separator) <= _MAX_NAME:
                columns = [entity_of_key(cell.strip(_MARKS + "#")) for cell in line.split(separator)]
                known = sum(column is not None for column in columns)
                if known >= _MIN_COLUMNS and sum(map(str.isdigit, line)) <= 3:
                    return separator, columns
    return "", ()


def _cells(line: str, offset: int, separator: str) -> list[_Cell]:
    """Cells with their places; `"Lopez, Maria"` and an unquoted `Mar 2, 1949` are one."""
    cells: list[_Cell] = []
    if separator != ",":
        for part in line.split(separator):
            cells.append((offset, part))
            offset += len(part) + 1
        return cells
    at = 0
    while at <= len(line):
        cell = _CSV_CELL.match(line, at)
        if cell is None:
            break
        if cells and _YEAR_CELL.fullmatch(cell[0]) and _MONTH_DAY_CELL.fullmatch(cells[-1][1]):
            cells[-1] = (cells[-1][0], f"{cells[-1][1]},{cell[0]}")
        else:
            cells.append((offset + at, cell[0]))
        at = max(cell.end(), at) + 1
    return cells


def _row(cells: Sequence[_Cell], columns: Sequence[Entity | None]) -> Iterator[Span]:
    for column, (at, cell) in zip(columns, cells, strict=False):
        value = cell.strip(_MARKS)
        if column is not None and value and fits(column, value):
            start = at + cell.index(value)
            yield Span(start, start + len(value), column, 850)


def _inserts(text: str) -> Iterator[Span]:
    for head in _INSERT.finditer(text):
        columns = [entity_of_key(name.strip(_MARKS + "[]")) for name in head[1].split(",")]
        at = head.end()
        while row := _TUPLE.match(text, at):
            cells = [(row.start(1) + cell.start(), cell[0]) for cell in _LITERAL.finditer(row[1])]
            yield from _row(cells, columns)
            at = row.end()
