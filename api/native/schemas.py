"""Body of `POST /v1/ai/chat` (spec B1, D20)."""

from typing import Annotated

from pydantic import Field

from api.content.schemas import (
    MessageParam,
    MetadataParam,
    StopSequence,
    Strict,
    SystemParam,
    ThinkingConfigParam,
)
from api.content.tools import AnyToolParam, ToolChoiceParam
from gateway.end_users.end_user import LONGEST_NAME

DEFAULT_MODEL = "claude-sonnet-4-6"
DEFAULT_MAX_TOKENS = 4096


class ChatRequest(Strict):
    """Exactly one of `message` and `messages`. Streams unless told not to."""

    message: Annotated[str, Field(min_length=1, description="What the user says.")] | None = None
    messages: Annotated[list[MessageParam], Field(min_length=1, max_length=100_000)] | None = None
    model: Annotated[str, Field(min_length=1)] | None = Field(default=None, description=f"Default: {DEFAULT_MODEL}.")
    stream: bool | None = Field(default=None, description="Default: true.")
    conversation_id: str | None = Field(
        default=None, description="Continues a conversation, with or without the prefix `conv_`; omitted: a new one."
    )
    store: bool | None = Field(
        default=None, description="Default: true. False keeps no content; the record, usage and audit entry remain."
    )
    system: SystemParam | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = Field(default=None, description=f"Default: {DEFAULT_MAX_TOKENS}.")
    tools: list[AnyToolParam] | None = None
    tool_choice: ToolChoiceParam | None = None
    thinking: ThinkingConfigParam | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    stop_sequences: list[StopSequence] | None = None
    end_user: Annotated[str, Field(max_length=LONGEST_NAME)] | None = Field(
        default=None, description="Your id of the person behind the request: the same as `metadata.user_id`."
    )
    metadata: MetadataParam | None = None
