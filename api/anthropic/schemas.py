"""Bodies of `/v1/messages`, and the one table of what happens to each top-level field (spec D22)."""

from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Literal

from pydantic import Field

from api.content.schemas import (
    CacheControlParam,
    JsonObject,
    MessageParam,
    MetadataParam,
    OutputConfigParam,
    StopSequence,
    Strict,
    SystemParam,
    ThinkingConfigParam,
)
from api.content.tools import AnyToolParam, ToolChoiceParam


class Handling(Enum):
    CARRIED = "carried"
    NOT_FORWARDED = "not forwarded"
    """Advice to the vendor that cannot change whose content goes where; named in a response header."""
    UNSUPPORTED = "unsupported"
    """Published, but not carried by the neutral conversation yet: 400 by name."""
    INELIGIBLE = "ineligible"
    """Would keep or run content at the vendor, outside the guard: 403 by name."""


FIELDS: Mapping[str, Handling] = {
    "cache_control": Handling.CARRIED,
    "container": Handling.INELIGIBLE,
    "context_management": Handling.NOT_FORWARDED,
    "diagnostics": Handling.NOT_FORWARDED,
    "inference_geo": Handling.CARRIED,
    "max_tokens": Handling.CARRIED,
    "mcp_servers": Handling.INELIGIBLE,
    "messages": Handling.CARRIED,
    "metadata": Handling.CARRIED,
    "model": Handling.CARRIED,
    "output_config": Handling.CARRIED,
    "service_tier": Handling.CARRIED,
    "speed": Handling.CARRIED,
    "stop_sequences": Handling.CARRIED,
    "stream": Handling.CARRIED,
    "system": Handling.CARRIED,
    "temperature": Handling.CARRIED,
    "thinking": Handling.CARRIED,
    "tool_choice": Handling.CARRIED,
    "tools": Handling.CARRIED,
    "top_k": Handling.CARRIED,
    "top_p": Handling.CARRIED,
    "user_profile_id": Handling.UNSUPPORTED,
    "workspace_id": Handling.UNSUPPORTED,
}
"""Anthropic's published top-level fields. Whatever is not here is 400 `UNSUPPORTED_PARAMETER`."""


class _Prompt(Strict):
    """What a model reads: the part that an inference and a token count share."""

    model: Annotated[str, Field(min_length=1, examples=["claude-sonnet-4-6"])]
    messages: Annotated[list[MessageParam], Field(min_length=1, max_length=100_000)]
    system: SystemParam | None = None
    tools: list[AnyToolParam] | None = None
    tool_choice: ToolChoiceParam | None = None
    thinking: ThinkingConfigParam | None = None
    output_config: OutputConfigParam | None = None
    cache_control: CacheControlParam | None = None
    speed: Literal["standard"] | None = None
    context_management: JsonObject | None = None
    diagnostics: JsonObject | None = None


class CreateMessageRequest(_Prompt):
    """Anthropic's Messages request. Fields it does not publish, `store` among them, are refused."""

    max_tokens: Annotated[int, Field(ge=1)]
    stream: bool | None = None
    stop_sequences: list[StopSequence] | None = None
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    metadata: MetadataParam | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    inference_geo: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$", examples=["us"])] | None = None


class CountTokensRequest(_Prompt):
    """The same prompt without its sampling settings."""
