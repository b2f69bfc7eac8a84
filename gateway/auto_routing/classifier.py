"""Rules that tell conversations apart, by what was asked last and how much lies before it.

They read, and say one class: no word of a conversation leaves this module.
"""

import re
from collections.abc import Iterator

from gateway.auto_routing.classes import Class, Complexity, Task
from gateway.conversation import Block, Conversation, Document, Image, SearchResult, Text, ToolResult, Turn
from gateway.providers.estimate import estimate_tokens

_READ = 4_000
"""Characters of a question that are read from its beginning, and from its end: there people say what they want."""

_TASKS = (
    (
        Task.CODING,
        re.compile(
            r"```|\b(?:python|javascript|typescript|java|rust|golang|c\+\+|sql|regex(?:es)?|bash|html|css|json|yaml"
            r"|api|codebase|code|function|compil\w+|debug\w*|refactor\w*|stack ?trace|traceback|unit tests?|bug"
            r"|script|commit|pull request|endpoint|algorithm)\b",
        ),
    ),
    (
        Task.CREATIVE,
        re.compile(
            r"\b(?:poem|haiku|sonnet|limerick|lyrics|song|short story|story|novel|fiction|screenplay|slogan|tagline"
            r"|brainstorm\w*|creative\w*|imagine|metaphor|toast|speech|rhym\w+)\b",
        ),
    ),
    (
        Task.ANALYSIS,
        re.compile(
            r"\b(?:analy[sz]\w+|compar\w+|contrast\w*|evaluat\w+|assess\w*|review\w*|summari[sz]\w+|differential"
            r"|interpret\w*|trend\w*|correlat\w+|root cause|pros and cons|trade-?offs?|implications?|evidence"
            r"|statistic\w*|forecast\w*|calculat\w+|prove|proof|derive|explain why)\b",
        ),
    ),
)
"""The first that has the most hits wins."""

_DEMANDING = re.compile(
    r"\b(?:step[- ]by[- ]step|in depth|in detail|thorough\w*|comprehensive\w*|rigorous\w*|architect\w+|design a"
    r"|end[- ]to[- ]end|from scratch|multi-?step|prove|proof|edge cases|migrat\w+|optimi[sz]\w+|strateg\w+"
    r"|trade-?offs?|differential diagnosis|root cause)\b",
)
_STEPS = re.compile(r"^[ \t]*(?:\d{1,3}[.)]|[-*•])[ \t]+\S", re.MULTILINE)

_LONG_QUESTION = (400, 2_000)
_LONG_CONTEXT = (4_000, 20_000)
_MANY_STEPS = (3, 7)
_DEMANDS = (1, 3)
_MODERATE, _COMPLEX = 1, 3
"""Points from which a conversation is of that complexity."""


def classified(conversation: Conversation, *, has_files: bool = False) -> Class:
    """The class of `conversation`; `has_files`: some go with it that are not in it."""
    blocks = tuple(_last_asked(conversation))
    question = _read("\n".join(block.text for block in blocks if isinstance(block, Text)))
    reads_files = has_files or any(isinstance(block, Document | SearchResult) for block in blocks)
    if any(isinstance(block, Image) for block in blocks):
        task = Task.VISION
    else:
        task = _task(question, reads_files=reads_files)
    return Class(_complexity(conversation, question, reads_files=reads_files), task)


def _last_asked(conversation: Conversation) -> Iterator[Block]:
    """What the person asked last: a tool's result after it is part of the answer under way."""
    for turn in reversed(conversation.turns):
        if turn.role == "user" and not _only_answers_tools(turn):
            yield from turn.blocks
            return


def _only_answers_tools(turn: Turn) -> bool:
    return all(isinstance(block, ToolResult) for block in turn.blocks)


def _read(text: str) -> str:
    """What of `text` the rules look at, in lower case, as they are."""
    return (text if len(text) <= 2 * _READ else f"{text[:_READ]}\n{text[-_READ:]}").lower()


def _task(question: str, *, reads_files: bool) -> Task:
    hits = [(sum(1 for _ in words.finditer(question)), task) for task, words in _TASKS]
    most, task = max(hits, key=lambda each: each[0])
    if most:
        return task
    return Task.ANALYSIS if reads_files else Task.GENERAL


def _complexity(conversation: Conversation, question: str, *, reads_files: bool) -> Complexity:
    points = _reached(len(question), _LONG_QUESTION)
    points += _reached(estimate_tokens(conversation), _LONG_CONTEXT)
    points += _reached(sum(1 for _ in _STEPS.finditer(question)), _MANY_STEPS)
    points += 2 * _reached(sum(1 for _ in _DEMANDING.finditer(question)), _DEMANDS)
    points += bool(conversation.tools) + reads_files
    if points >= _COMPLEX:
        return Complexity.COMPLEX
    return Complexity.MODERATE if points >= _MODERATE else Complexity.SIMPLE


def _reached(amount: int, marks: tuple[int, ...]) -> int:
    """How many of `marks` are reached."""
    return sum(amount >= mark for mark in marks)
