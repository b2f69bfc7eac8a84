"""What is said to a model, in one shape that every surface parses into and every provider encodes from.

The shape follows Anthropic's Messages content blocks, the richest of the
dialects we speak; a block kind that is not here cannot be sent. Text lives
only in fields the PHI guard walks (`gateway.phi.slots`): adding a field that
can hold text means adding a slot.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue

Role = Literal["user", "assistant", "system"]


@dataclass(frozen=True, slots=True)
class CacheControl:
    """A prompt-cache breakpoint after the block that carries it."""

    ttl: Literal["5m", "1h"] | None = None


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    cache: CacheControl | None = None
    citations: tuple[Mapping[str, JsonValue], ...] = ()


@dataclass(frozen=True, slots=True)
class Image:
    """Base64 data with its media type, or a URL; never scanned, see the organisation's policy on unreadable content."""

    media_type: str | None
    data: str | None
    url: str | None
    cache: CacheControl | None = None
    oversized: Literal["downsize", "error"] | None = None
    """What the vendor does with one that is larger than the model takes; None leaves it to the vendor."""

    def __post_init__(self) -> None:
        if self.data is None and self.url is None:
            raise ValueError("an image is data or a URL")


@dataclass(frozen=True, slots=True)
class Document:
    """A document part: plain `text`, nested `blocks`, or unreadable (`data` in base64, or `url`)."""

    text: str | None = None
    blocks: tuple["Text | Image", ...] = ()
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    title: str | None = None
    context: str | None = None
    citations_enabled: bool | None = None
    cache: CacheControl | None = None

    def __post_init__(self) -> None:
        if self.text is None and not self.blocks and self.data is None and self.url is None:
            raise ValueError("a document is text, blocks, data or a URL")


@dataclass(frozen=True, slots=True)
class SearchResult:
    source: str
    title: str
    content: tuple[Text, ...]
    citations_enabled: bool | None = None
    cache: CacheControl | None = None


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A call the model made. `input` is a JSON object."""

    id: str
    name: str
    input: Mapping[str, JsonValue]
    cache: CacheControl | None = None


@dataclass(frozen=True, slots=True)
class ToolResult:
    tool_use_id: str
    content: "tuple[Text | Image | Document | SearchResult, ...]"
    is_error: bool = False
    plain: bool = False
    """True when the caller sent `content` as one string, so that it is sent on as one."""
    cache: CacheControl | None = None


@dataclass(frozen=True, slots=True)
class Thinking:
    """Reasoning the model signed: it must reach the provider again byte for byte or not at all."""

    thinking: str
    signature: str


@dataclass(frozen=True, slots=True)
class RedactedThinking:
    data: str


Block = Text | Image | Document | SearchResult | ToolUse | ToolResult | Thinking | RedactedThinking


@dataclass(frozen=True, slots=True)
class Turn:
    role: Role
    blocks: tuple[Block, ...]
    plain: bool = False
    """True when the caller sent `content` as one string, so that it is sent on as one."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the client runs. `schema` is JSON Schema for its input object."""

    name: str
    schema: Mapping[str, JsonValue]
    description: str | None = None
    strict: bool | None = None
    cache: CacheControl | None = None
    examples: tuple[Mapping[str, JsonValue], ...] = ()
    """Inputs as the caller would have them."""
    eager_streaming: bool | None = None
    """Whether input is streamed as it is generated, before it is known to be valid."""


@dataclass(frozen=True, slots=True)
class ClientTool:
    """A tool that Anthropic defines, down to its schema, and the client runs.

    `type` is its dated kind, such as `bash_20250124`; `options` are the settings of that kind, named as on the wire.
    """

    type: str
    name: str
    options: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    cache: CacheControl | None = None


@dataclass(frozen=True, slots=True)
class ToolChoice:
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel: bool | None = None


@dataclass(frozen=True, slots=True)
class ThinkingConfig:
    type: Literal["enabled", "adaptive", "between_tools", "disabled"]
    budget_tokens: int | None = None
    display: Literal["summarized", "omitted"] | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to generate. None means the provider's own default."""

    max_tokens: int
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: tuple[str, ...] = ()
    thinking: ThinkingConfig | None = None
    effort: str | None = None
    output_schema: Mapping[str, JsonValue] | None = None
    service_tier: str | None = None
    inference_geo: str | None = None
    """The region that is to run the model, by the vendor's name for it."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Everything of one request that a provider is told."""

    turns: tuple[Turn, ...]
    sampling: Sampling
    system: tuple[Text, ...] = ()
    system_plain: bool = False
    """True when the caller sent `system` as one string, so that it is sent on as one."""
    tools: tuple[Tool | ClientTool, ...] = ()
    tool_choice: ToolChoice | None = None
    end_user: str | None = None
    """The caller's id of the person behind the request (`metadata.user_id`)."""
    cache: CacheControl | None = None
