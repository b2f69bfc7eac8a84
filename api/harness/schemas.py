"""Body of `POST /v1/chat/completions` (spec, hatz 6.1). What is not declared is ignored."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.end_users.end_user import LONGEST_NAME
from gateway.ids import UUID_PATTERN


class Lenient(BaseModel):
    """No coercion; what is not declared is ignored."""

    model_config = ConfigDict(extra="ignore", strict=True)


class TextPart(Lenient):
    type: Literal["text"]
    text: str


class ChatMessage(Lenient):
    role: Literal["system", "user", "assistant"]
    content: str | Annotated[list[TextPart], Field(fail_fast=True)]


class Metadata(Lenient):
    user_id: Annotated[str, Field(max_length=LONGEST_NAME)] | None = None


class ChatCompletionsRequest(Lenient):
    """At most one message is the system's."""

    messages: Annotated[list[ChatMessage], Field(fail_fast=True, min_length=1, max_length=50_000)]
    model: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="A `name` of `/v1/chat/models`, `auto`, or `agent-` and an `id` of `/v1/chat/agents`."
    )
    agent_id: Annotated[str, Field(pattern=UUID_PATTERN)] | None = Field(
        default=None, description="In place of `model`, without `agent-`."
    )
    stream: bool | None = None
    background: bool | None = Field(
        default=None, description="Run it as a job (extension): 202 with a `Location`, unless it ends within `Prefer`."
    )
    file_uuids: Annotated[list[Annotated[str, Field(pattern=UUID_PATTERN)]], Field(max_length=100)] | None = None
    tools_to_use: Annotated[list[str], Field(max_length=100)] | None = None
    auto_tool_selection: bool | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    metadata: Metadata | None = None
    end_user: Annotated[str, Field(max_length=LONGEST_NAME)] | None = None
    tools: Any = Field(default=None, description="Refused: tools here are the gateway's own.")
