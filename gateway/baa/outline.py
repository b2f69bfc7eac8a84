"""The parts of an agreement's text, found by the way it is written, so that it can be typeset without being retyped.

A part begins at a line that starts with its number (`1.`, `2.3`) or letter (`(a)`) and goes on until the next part or a
blank line; the first line is the title, the second the version. Nothing but white space is lost.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from gateway.baa.template import Template

_MARK = re.compile(r" *(?P<mark>\d{1,2}\.(?:\d{1,2})?|\([a-z]\)) +(?P<rest>\S.*)")
_RUN_IN = re.compile(r"(?P<heading>[A-Z][^.]{2,70})\. +(?P<text>\S.*)")


class Rank(StrEnum):
    SECTION = "section"
    """A numbered heading that stands alone."""
    CLAUSE = "clause"
    ITEM = "item"
    PARAGRAPH = "paragraph"


@dataclass(frozen=True, slots=True)
class Part:
    rank: Rank
    mark: str
    """`2.`, `2.3` or `(a)`, as the text has it; empty for a paragraph without one."""
    heading: str
    """Of a section, or run in at the head of a clause or paragraph; its full stop is left off."""
    text: str


@dataclass(frozen=True, slots=True)
class Outline:
    title: str
    """As a heading has it; the text has it in capitals."""
    edition: str
    parts: tuple[Part, ...]


def outline(template: Template) -> Outline:
    title, edition, *lines = template.text.splitlines()
    return Outline(title.title(), edition, tuple(map(_part, _blocks(lines))))


def _blocks(lines: list[str]) -> list[str]:
    """Each part's lines, joined; a mark stays at its head."""
    blocks: list[list[str]] = [[]]
    for line in lines:
        if not line.strip() or _MARK.fullmatch(line):
            blocks.append([])
        if line.strip():
            blocks[-1].append(line.strip())
    return [" ".join(block) for block in blocks if block]


def _part(block: str) -> Part:
    marked = _MARK.fullmatch(block)
    mark, body = (marked["mark"], marked["rest"]) if marked else ("", block)
    if mark.startswith("("):
        return Part(Rank.ITEM, mark, "", body)
    run_in = _RUN_IN.fullmatch(body)
    heading, text = (run_in["heading"], run_in["text"]) if run_in else ("", body)
    if not mark:
        return Part(Rank.PARAGRAPH, "", heading, text)
    if run_in is None and not body.endswith("."):
        return Part(Rank.SECTION, mark, body, "")
    return Part(Rank.CLAUSE, mark, heading, text)
