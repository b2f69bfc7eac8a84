"""Conversations and models for the provider tests."""

from gateway.catalog import Catalog, Model, shipped_catalog
from gateway.conversation import Conversation, Sampling, Text, Tool, ToolResult, ToolUse, Turn
from gateway.settings import Settings

CATALOG: Catalog = shipped_catalog()
CLAUDE: Model = CATALOG.get("claude-sonnet-4-6")
GPT: Model = CATALOG.get("gpt-5.4")
WEATHER = Tool(
    name="weather",
    description="The weather of a city.",
    schema={"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
)


def settings(**fields: object) -> Settings:
    """Settings with what no provider reads filled in, and no environment."""
    needed = {"database_url": "postgresql://localhost/none", "keyring_file": "/nonexistent"}
    return Settings.model_validate(needed | fields)


def says(text: str) -> Turn:
    return Turn("user", (Text(text),), plain=True)


def conversation(
    *turns: Turn, sampling: Sampling | None = None, system: str | None = None, tools: tuple[Tool, ...] = ()
) -> Conversation:
    return Conversation(
        turns=turns or (says("Hello"),),
        sampling=sampling or Sampling(max_tokens=1024),
        system=(Text(system),) if system else (),
        system_plain=True,
        tools=tools,
    )


def tool_loop() -> tuple[Turn, ...]:
    """A question, the call it led to, and the call's result."""
    return (
        says("Weather in Oslo?"),
        Turn("assistant", (Text("Let me look."), ToolUse("call_1", "weather", {"city": "Oslo", "days": 1}))),
        Turn("user", (ToolResult("call_1", (Text("Rain"),), plain=True),)),
    )
