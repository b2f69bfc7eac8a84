"""Bodies of `/v1/chat/agents`. Fields that are not declared are ignored."""

from typing import Annotated

from pydantic import BaseModel, Field

from gateway.ids import UUID_PATTERN

_Name = Annotated[str, Field(min_length=1, max_length=200)]
_MOST_LISTED = 100


class PresetFields(BaseModel):
    description: Annotated[str, Field(max_length=2_000)] | None = None
    instructions: Annotated[str, Field(max_length=100_000)] = ""
    model: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="A `name` of `/v1/chat/models`; left out: the gateway's default."
    )
    tools: Annotated[list[str], Field(max_length=_MOST_LISTED)] = []
    sources: Annotated[list[Annotated[str, Field(pattern=UUID_PATTERN)]], Field(max_length=_MOST_LISTED)] = []


class CreatePresetRequest(PresetFields):
    """An assistant: what a chat with it is told first, and what it may use."""

    name: _Name


class ChangePresetRequest(PresetFields):
    """A list that is sent takes the place of the one that there is; what is left out stays."""

    name: _Name | None = None
