"""What a caller asks the sandbox to do: `[[sandbox: key=value; key=value]]` anywhere in the last user text."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

from sandbox.faults import Step, StepName

_PATTERN = re.compile(r"\[\[sandbox:(.*?)\]\]", re.DOTALL)

Thinking = Literal["off", "on", "echo", "redacted"]
Reasoning = Literal["reasoning_content", "reasoning", "both", "hidden"]
Tier = Literal["standard", "priority"]
Stop = Literal[
    "end_turn",
    "max_tokens",
    "refusal",
    "stop_sequence",
    "pause_turn",
    "model_context_window_exceeded",
    "content_filter",
]
Category = Literal["cyber", "bio", "frontier_llm", "reasoning_extraction", "general_harms"]
Value = str | int | bool | tuple[Step, ...]

MAX_NUMBER = 1_000_000
MAX_STEPS = 100


class DirectiveError(ValueError):
    """A directive that cannot be obeyed; its text says why, for a 400."""


@dataclass(frozen=True, slots=True)
class Directives:
    """See README.md for what each does."""

    tool: str | None = None
    tools: int = 1
    words: str | None = None
    invents: str | None = None
    thinking: Thinking = "off"
    reasoning: Reasoning = "reasoning_content"
    script: tuple[Step, ...] = ()
    error: int | None = None
    retry_after: int | None = None
    error_after: int | None = None
    drop_after: int | None = None
    delay_ms: int = 0
    first_delay_ms: int = 0
    frames: int | None = None
    text: str | None = None
    chunk: int | None = None
    stop: Stop | None = None
    category: Category | None = None
    tier: Tier = "standard"
    cache: bool = False


def read_directives(text: str) -> tuple[Directives, str]:
    """The directives in `text`, later ones over earlier ones, and the text without them.

    Raises:
        DirectiveError: an unknown key, or a value out of its range.
    """
    if "[[sandbox:" not in text:
        return Directives(), text
    directives = Directives()
    for group in _PATTERN.findall(text):
        for pair in filter(None, (part.strip() for part in group.split(";"))):
            name, _, value = pair.partition("=")
            directives = _with(directives, name.strip(), value.strip())
    return directives, _PATTERN.sub("", text).strip()


def _with(directives: Directives, name: str, value: str) -> Directives:
    if name not in _NAMES:
        raise DirectiveError(f"unknown directive {name!r}")
    return replace(directives, **{name: _READERS.get(name, _number)(name, value)})


def _text(_name: str, value: str) -> str:
    return value


def _number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdecimal() and int(value) <= MAX_NUMBER):
        raise DirectiveError(f"directive {name} is a number up to {MAX_NUMBER}")
    return int(value)


def _status(name: str, value: str) -> int:
    if not (len(value) == 3 and value.isascii() and value.isdecimal() and 400 <= int(value) <= 599):
        raise DirectiveError(f"directive {name} is a status from 400 to 599")
    return int(value)


def _switch(name: str, value: str) -> bool:
    return _one_of("on", "off")(name, value) == "on"


def _one_of(*words: str) -> Callable[[str, str], str]:
    def read(name: str, value: str) -> str:
        if value not in words:
            raise DirectiveError(f"directive {name} is one of {', '.join(words)}")
        return value

    return read


def _steps(name: str, value: str) -> tuple[Step, ...]:
    steps = [step.strip() for step in value.split(",")]
    if len(steps) > MAX_STEPS:
        raise DirectiveError(f"directive {name} has at most {MAX_STEPS} steps")
    return tuple(_step(name, step) for step in steps)


def _step(name: str, value: str) -> Step:
    for word in get_args(StepName):
        if value == word:
            return word
    try:
        return _status(name, value)
    except DirectiveError:
        words = ", ".join(get_args(StepName))
        raise DirectiveError(f"directive {name} lists statuses from 400 to 599, {words}") from None


_NAMES = frozenset(field.name for field in fields(Directives))
# Every other directive is a number.
_READERS: Mapping[str, Callable[[str, str], Value]] = {
    "tool": _text,
    "invents": _text,
    "words": _text,
    "text": _text,
    "thinking": _one_of(*get_args(Thinking)),
    "reasoning": _one_of(*get_args(Reasoning)),
    "stop": _one_of(*get_args(Stop)),
    "category": _one_of(*get_args(Category)),
    "tier": _one_of(*get_args(Tier)),
    "cache": _switch,
    "error": _status,
    "script": _steps,
}
