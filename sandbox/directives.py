"""What a caller asks the sandbox to do: `[[sandbox: key=value; key=value]]` anywhere in the last user text."""

import re
from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

_PATTERN = re.compile(r"\[\[sandbox:(.*?)\]\]", re.DOTALL)

Thinking = Literal["off", "on", "echo", "redacted"]
Stop = Literal["end_turn", "max_tokens", "refusal"]

MAX_NUMBER = 1_000_000


class DirectiveError(ValueError):
    """A directive that cannot be obeyed; its text says why, for a 400."""


@dataclass(frozen=True, slots=True)
class Directives:
    """See README.md for what each does."""

    tool: str | None = None
    tools: int = 1
    thinking: Thinking = "off"
    error: int | None = None
    error_after: int | None = None
    drop_after: int | None = None
    delay_ms: int = 0
    first_delay_ms: int = 0
    frames: int | None = None
    text: str | None = None
    chunk: int | None = None
    stop: Stop | None = None
    cache: bool = False


_WORDS = {"thinking": get_args(Thinking), "stop": get_args(Stop), "cache": ("on", "off")}
_TEXTS = frozenset({"tool", "text"})
_NAMES = frozenset(field.name for field in fields(Directives))


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
    return replace(directives, **{name: _value(name, value)})


def _value(name: str, value: str) -> str | int | bool:
    if name in _TEXTS:
        return value
    if name in _WORDS:
        if value not in _WORDS[name]:
            raise DirectiveError(f"directive {name} is one of {', '.join(_WORDS[name])}")
        return value == "on" if name == "cache" else value
    if not (value.isascii() and value.isdecimal() and int(value) <= MAX_NUMBER):
        raise DirectiveError(f"directive {name} is a number up to {MAX_NUMBER}")
    return int(value)
