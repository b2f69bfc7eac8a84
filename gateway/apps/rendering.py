"""Prompts with their values filled in, once: a value is never read as a part of a prompt itself."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import orjson
from pydantic import JsonValue

from gateway.apps.definition import AppDefinition, PromptSection, VariableType, before, plan_of
from gateway.errors import ValidationFailedError
from gateway.ids import FileId

MOST_PROMPT_CHARS: Final = 4_000_000
"""Of one prompt: a value may stand in it many times over."""

_PLACE = re.compile(r"\{\{\s{0,8}(?:inputs\.([A-Za-z0-9_]{1,64})|steps\.([A-Za-z0-9_-]{1,64})\.output)\s{0,8}\}\}")


@dataclass(frozen=True, slots=True)
class Inputs:
    """What an app was given, checked against what it asks for."""

    values: Mapping[str, str] = field(repr=False)
    """By variable, constants and names of the app's own files among them; empty for what was left out."""
    files: Mapping[str, FileId]
    """By variable: the app's own, and what was uploaded for it."""


def require_sound(definition: AppDefinition) -> None:
    """Raises `ValidationFailedError` for an app that could not be run."""
    names = {*definition.variable_names}
    if len(names) != len(definition.variable_names):
        raise ValidationFailedError("Two variables have the same `variable_name`.", param="user_inputs")
    plan = plan_of(definition)
    _require_known(definition.prompt_sections, names, set(), "prompt_sections")
    done_before = before(plan)
    for place, step in enumerate(definition.steps):
        readable = {definition.steps[each].id for each in done_before[place]}
        _require_known(step.prompt_sections, names, readable, f"steps[{place}].prompt_sections")


def read_inputs(definition: AppDefinition, given: Mapping[str, JsonValue]) -> Inputs:
    """Raises `ValidationFailedError` naming the variable that is missing or has a value it cannot have."""
    wanted = {each.variable_name: each for each in definition.user_inputs}
    if not wanted.keys() >= given.keys():
        raise ValidationFailedError("`inputs` has a key that is no variable of this app.", param="inputs")
    values = {each.variable_name: each.value for each in definition.constants}
    values |= {each.variable_name: each.display_name for each in definition.files}
    files = {each.variable_name: each.file_id for each in definition.files}
    for name, variable in wanted.items():
        value = values[name] = _text(given.get(name), f"inputs.{name}")
        if not value and variable.required:
            raise ValidationFailedError(f"`inputs.{name}` is required.", param=f"inputs.{name}")
        if value and variable.variable_type is VariableType.FILE_UPLOAD:
            files[name] = FileId(value.lower())
            values[name] = variable.display_name
    return Inputs(values, files)


def variables_in(sections: Iterable[PromptSection]) -> frozenset[str]:
    """Those whose values have a place there."""
    return frozenset(place[1] for section in sections for place in _PLACE.finditer(section.body) if place[1])


def rendered(
    sections: Iterable[PromptSection], values: Mapping[str, str], outputs: Mapping[str, str] | None = None
) -> str:
    """The sections in order, with what variables and earlier steps said filled in.

    Raises `ValidationFailedError` when that is longer than any prompt may be.
    """
    pieces: list[str] = []
    for section in sorted(sections, key=lambda each: each.position):
        pieces += ["\n\n", *_filled(section.body, values, outputs or {})]
    if sum(map(len, pieces)) > MOST_PROMPT_CHARS:
        raise ValidationFailedError(f"The prompt is longer than {MOST_PROMPT_CHARS} characters.", param="inputs")
    return "".join(pieces[1:])


def _filled(body: str, values: Mapping[str, str], outputs: Mapping[str, str]) -> Iterable[str]:
    """Pieces of `body`, not yet joined: many long ones are counted before they are."""
    at = 0
    for place in _PLACE.finditer(body):
        variable, step = place.groups()
        yield body[at : place.start()]
        yield values.get(variable, "") if variable else outputs.get(step, "")
        at = place.end()
    yield body[at:]


def _require_known(sections: Sequence[PromptSection], names: set[str], steps: set[str], at: str) -> None:
    for index, section in enumerate(sections):
        param = f"{at}[{index}].body"
        for variable, step in _PLACE.findall(section.body):
            if variable and variable not in names:
                raise ValidationFailedError(f"`{param}` has an input that is no variable of the app.", param=param)
            if step and step not in steps:
                raise ValidationFailedError(f"`{param}` has the output of a step it does not depend on.", param=param)


def _text(value: JsonValue, param: str) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case bool() | int() | float():
            return orjson.dumps(value).decode()
        case _:
            raise ValidationFailedError(f"`{param}` must be a text or a number.", param=param)
