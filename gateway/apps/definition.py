"""What an app is: its variables, its prompt, and of a workflow the steps and what each waits for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from gateway.errors import GatewayError, Kind, ValidationFailedError
from gateway.ids import AppId, FileId

MOST_APPS: Final = 1_000
LARGEST_APP: Final = 100_000
"""Bytes of a definition: a list shows a thousand of them whole."""
"""Of an organisation."""


class TooManyAppsError(GatewayError):
    kind, code = Kind.CONFLICT, "TOO_MANY_APPS"
    message = f"The organization has {MOST_APPS} apps, which is the limit. Delete one that is not used any more."


class VariableType(StrEnum):
    SHORT_ANSWER = "short_answer"
    LONG_ANSWER = "long_answer"
    FILE_UPLOAD = "file_upload"
    """Its value is the id of a file that was uploaded before."""


@dataclass(frozen=True, slots=True)
class UserInput:
    """What whoever runs the app is asked for."""

    object_id: str
    variable_name: str
    display_name: str
    description: str | None
    position: int
    required: bool
    variable_type: VariableType


@dataclass(frozen=True, slots=True)
class Constant:
    object_id: str
    variable_name: str
    display_name: str
    description: str | None
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AppFile:
    """A file that every run of the app has at hand."""

    object_id: str
    variable_name: str
    display_name: str
    description: str | None
    file_id: FileId


@dataclass(frozen=True, slots=True)
class PromptSection:
    position: int
    body: str = field(repr=False)
    """With `{{inputs.<variable_name>}}` where values go."""


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a model."""

    id: str
    display_name: str
    position: int
    model: str | None
    """None: the workflow's default."""
    prompt_sections: tuple[PromptSection, ...]
    depends_on: tuple[str, ...] = ()
    """Steps that must have completed before it begins."""


@dataclass(frozen=True, slots=True)
class AppDefinition:
    """A workflow has `steps`, any other app `prompt_sections`."""

    default_model: str
    """Of the catalog, or `auto`."""
    user_inputs: tuple[UserInput, ...] = ()
    constants: tuple[Constant, ...] = ()
    files: tuple[AppFile, ...] = ()
    prompt_sections: tuple[PromptSection, ...] = ()
    steps: tuple[Step, ...] = ()

    @property
    def is_workflow(self) -> bool:
        return bool(self.steps)

    @property
    def variable_names(self) -> Sequence[str]:
        """All of them, of every kind: they share one space of names."""
        return [each.variable_name for each in (*self.user_inputs, *self.constants, *self.files)]


@dataclass(frozen=True, slots=True)
class App:
    id: AppId
    name: str
    description: str | None
    definition: AppDefinition
    version: int
    created_at: datetime
    updated_at: datetime


def plan_of(definition: AppDefinition) -> tuple[tuple[int, ...], ...]:
    """For each step, by place, the places of those that it waits for; steps are told by place, for ids are typed in.

    Raises `ValidationFailedError` for steps that wait for nobody known, for themselves, or for each other in a ring.
    """
    places = {step.id: place for place, step in enumerate(definition.steps)}
    if len(places) != len(definition.steps):
        raise ValidationFailedError("Two steps have the same `id`.", param="steps")
    plan: list[tuple[int, ...]] = []
    for place, step in enumerate(definition.steps):
        if not places.keys() >= {*step.depends_on}:
            raise ValidationFailedError("A step depends on one that does not exist.", param="dependencies")
        waits_for = {places[each] for each in step.depends_on}
        if place in waits_for:
            raise ValidationFailedError("A step depends on itself.", param="dependencies")
        plan.append(tuple(sorted(waits_for)))
    _require_order(plan)
    return tuple(plan)


def before(plan: Sequence[Sequence[int]]) -> Mapping[int, frozenset[int]]:
    """For each step all that have completed when it begins, also those that it waits for by way of others."""
    found: dict[int, frozenset[int]] = {}
    for place in _ordered(plan):
        found[place] = frozenset(plan[place]).union(*(found[each] for each in plan[place]))
    return found


def _require_order(plan: Sequence[Sequence[int]]) -> None:
    if len(_ordered(plan)) != len(plan):
        raise ValidationFailedError("Steps depend on each other in a ring.", param="dependencies")


def _ordered(plan: Sequence[Sequence[int]]) -> list[int]:
    """Places, each behind those that it waits for; without those that wait in a ring, or for one that does."""
    waiting = [len(waits_for) for waits_for in plan]
    waited_for: list[list[int]] = [[] for _ in plan]
    for place, waits_for in enumerate(plan):
        for each in waits_for:
            waited_for[each].append(place)
    ordered = [place for place, left in enumerate(waiting) if not left]
    for place in ordered:
        for each in waited_for[place]:
            waiting[each] -= 1
            if not waiting[each]:
                ordered.append(each)
    return ordered
