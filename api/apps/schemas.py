"""Bodies of `/v1/app/*` and `/v1/workflows/*`. Fields that are not declared are ignored."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, JsonValue

from gateway.apps.definition import VariableType

_MOST_LISTED = 100
_MOST_STEPS = 50
_MOST_CHARS = 100_000

VariableName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_]{1,64}$", description="As prompts name it: `{{inputs.<variable_name>}}`.")
]
AppName = Annotated[str, Field(min_length=1, max_length=200)]
Label = Annotated[str, Field(max_length=200)]
Words = Annotated[str, Field(max_length=2_000)]
ModelName = Annotated[str, Field(min_length=1, max_length=200)]
StepId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Uuid = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
Position = Annotated[int, Field(ge=0, le=1_000_000, description="Left out: as it is listed.")]


class VariableBody(BaseModel):
    object_id: Uuid | None = None
    variable_name: VariableName
    display_name: Label | None = Field(default=None, description="Left out: its `variable_name`.")
    description: Words | None = None


class UserInputBody(VariableBody):
    position: Position | None = None
    required: bool = False
    variable_type: VariableType = VariableType.SHORT_ANSWER


class ConstantBody(VariableBody):
    variable_type: Literal["text"] = "text"
    value: Annotated[str, Field(max_length=_MOST_CHARS)]


class AppFileBody(VariableBody):
    file_id: Uuid


class PromptSectionBody(BaseModel):
    body: Annotated[str, Field(min_length=1, max_length=_MOST_CHARS)]
    position: Position | None = None


class StepConfig(BaseModel):
    model: ModelName | None = Field(default=None, description="Left out: the workflow's `default_model`.")


class StepBody(BaseModel):
    id: StepId
    display_name: Label | None = Field(default=None, description="Left out: its `id`.")
    step_type: Literal["prompt"] = "prompt"
    position: Position | None = None
    config: StepConfig = StepConfig()
    prompt_sections: Annotated[list[PromptSectionBody], Field(min_length=1, max_length=_MOST_LISTED)]


class DependencyBody(BaseModel):
    step_id: StepId
    depends_on: Annotated[list[StepId], Field(max_length=_MOST_STEPS)]


class AppFields(BaseModel):
    description: Words | None = None
    default_model: ModelName = Field(default="auto", description="A model of `/v1/chat/models`, or `auto`.")
    user_inputs: Annotated[list[UserInputBody], Field(max_length=_MOST_LISTED)] = []
    constants: Annotated[list[ConstantBody], Field(max_length=_MOST_LISTED)] = []
    files: Annotated[list[AppFileBody], Field(max_length=_MOST_LISTED)] = []
    prompt_sections: Annotated[list[PromptSectionBody], Field(max_length=_MOST_LISTED)] = []
    steps: Annotated[list[StepBody], Field(max_length=_MOST_STEPS)] = []
    dependencies: Annotated[list[DependencyBody], Field(max_length=_MOST_STEPS)] = []


class CreateAppRequest(AppFields):
    """An app has `prompt_sections`, a workflow `steps` instead, and `dependencies` between them."""

    name: AppName


class ChangeAppRequest(AppFields):
    """A list that is sent takes the place of the one that there is; what is left out stays."""

    name: AppName | None = None


class QueryAppRequest(BaseModel):
    inputs: dict[str, JsonValue]
    model: ModelName | None = Field(default=None, description="In place of the app's own.")
    stream: bool = False
    file_uuids: Annotated[list[Uuid], Field(max_length=_MOST_LISTED)] | None = None


class RunWorkflowRequest(BaseModel):
    app_id: Uuid
    inputs: dict[str, JsonValue]
    is_draft_app: bool = Field(default=False, description="Taken for other clients' sake: there are no drafts here.")
