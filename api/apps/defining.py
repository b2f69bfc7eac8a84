"""Apps as bodies define them, and as they are shown: a shown app is a body that defines it again."""

from collections.abc import Mapping, Sequence
from typing import Any

from api.apps.schemas import CreateAppRequest, PromptSectionBody, VariableBody
from gateway.apps.definition import (
    App,
    AppDefinition,
    AppFile,
    Constant,
    PromptSection,
    Step,
    UserInput,
)
from gateway.apps.rendering import require_sound
from gateway.catalog import Catalog
from gateway.catalog.choice import read_model
from gateway.errors import ValidationFailedError
from gateway.ids import FileId, new_uuid


def definition_of(body: CreateAppRequest, catalog: Catalog) -> AppDefinition:
    """Raises `ValidationFailedError` for an app that could not be run."""
    if bool(body.prompt_sections) == bool(body.steps):
        raise ValidationFailedError("Send `prompt_sections` for an app, or `steps` for a workflow.", param="steps")
    waits_for = _dependencies(body)
    definition = AppDefinition(
        default_model=read_model("default_model", body.default_model, catalog),
        user_inputs=tuple(
            UserInput(
                **_variable(each),
                position=index if each.position is None else each.position,
                required=each.required,
                variable_type=each.variable_type,
            )
            for index, each in enumerate(body.user_inputs)
        ),
        constants=tuple(Constant(**_variable(each), value=each.value) for each in body.constants),
        files=tuple(AppFile(**_variable(each), file_id=FileId(each.file_id.lower())) for each in body.files),
        prompt_sections=_sections(body.prompt_sections),
        steps=tuple(
            Step(
                id=each.id,
                display_name=each.display_name or each.id,
                position=index if each.position is None else each.position,
                model=each.config.model and read_model(f"steps[{index}].config.model", each.config.model, catalog),
                prompt_sections=_sections(each.prompt_sections),
                depends_on=waits_for.get(each.id, ()),
            )
            for index, each in enumerate(body.steps)
        ),
    )
    require_sound(definition)
    return definition


def shown(app: App) -> dict[str, Any]:
    """As `GET /v1/app/{app_id}` answers."""
    definition = app.definition
    item: dict[str, Any] = {
        "id": app.id,
        "name": app.name,
        "description": app.description,
        "default_model": definition.default_model,
        "files": [_shown_file(each) for each in definition.files],
        "constants": [
            {**_shown_variable(each), "variable_type": "text", "value": each.value} for each in definition.constants
        ],
        "user_inputs": [
            {
                **_shown_variable(each),
                "position": each.position,
                "required": each.required,
                "variable_type": each.variable_type.value,
            }
            for each in definition.user_inputs
        ],
    }
    if not definition.is_workflow:
        return item | {"prompt_sections": _shown_sections(definition.prompt_sections)}
    steps = definition.steps
    return item | {
        "steps": [_shown_step(each) for each in steps],
        "dependencies": [{"step_id": each.id, "depends_on": [*each.depends_on]} for each in steps if each.depends_on],
    }


def _dependencies(body: CreateAppRequest) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    steps = {each.id for each in body.steps}
    for each in body.dependencies:
        if each.step_id not in steps:
            raise ValidationFailedError("A dependency is of a step that does not exist.", param="dependencies")
        found[each.step_id] = (*found.get(each.step_id, ()), *each.depends_on)
    return {step: tuple(dict.fromkeys(depends_on)) for step, depends_on in found.items()}


def _variable(body: VariableBody) -> dict[str, Any]:
    return {
        "object_id": body.object_id or new_uuid(),
        "variable_name": body.variable_name,
        "display_name": body.display_name or body.variable_name,
        "description": body.description,
    }


def _sections(bodies: Sequence[PromptSectionBody]) -> tuple[PromptSection, ...]:
    return tuple(
        PromptSection(index if each.position is None else each.position, each.body) for index, each in enumerate(bodies)
    )


def _shown_variable(variable: UserInput | Constant | AppFile) -> dict[str, Any]:
    return {
        "object_id": variable.object_id,
        "variable_name": variable.variable_name,
        "display_name": variable.display_name,
        "description": variable.description,
    }


def _shown_file(file: AppFile) -> dict[str, Any]:
    return {**_shown_variable(file), "file_id": file.file_id, "variable_type": "file"}


def _shown_sections(sections: Sequence[PromptSection]) -> list[dict[str, Any]]:
    return [{"body": each.body, "position": each.position} for each in sections]


def _shown_step(step: Step) -> dict[str, Any]:
    return {
        "id": step.id,
        "config": {"model": step.model},
        "position": step.position,
        "step_type": "prompt",
        "display_name": step.display_name,
        "prompt_sections": _shown_sections(step.prompt_sections),
    }
