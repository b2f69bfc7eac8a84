"""Conversations with a given text in every place that can hold text."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pydantic import JsonValue

from gateway.conversation import (
    Block,
    ClientTool,
    Conversation,
    Document,
    Sampling,
    SearchResult,
    Text,
    Thinking,
    Tool,
    ToolResult,
    ToolUse,
    Turn,
)
from gateway.ids import OrganizationId
from gateway.tenancy import Access, KeyMode, Policy, Principal

SAMPLING = Sampling(max_tokens=100)


def access_with(**policy: Any) -> Access:
    """Someone of an organisation with this policy."""
    org = OrganizationId("01J0000000000000000000000A")
    principal = Principal(org=org, key=None, scopes=frozenset(), mode=KeyMode.LIVE)
    return Access(principal, Policy(**policy))


def but(access: Access, **policy: Any) -> Access:
    """The same, with some of the policy changed."""
    return replace(access, policy=replace(access.policy, **policy))


def said(*texts: str, **fields: object) -> Conversation:
    """Alternating user and assistant turns, the user first."""
    turns = tuple(Turn("assistant" if n % 2 else "user", (Text(text),), plain=True) for n, text in enumerate(texts))
    return replace(Conversation(turns, SAMPLING), **fields)


def with_block(*blocks: Block) -> Conversation:
    return Conversation((Turn("user", blocks),), SAMPLING)


def in_every_content_slot(text: str) -> Iterator[tuple[str, Conversation]]:
    """Each place that is masked in place, by the path its finding must have."""
    hello = said("Hello")
    yield "system", replace(hello, system=(Text(text),), system_plain=True)
    yield "system[0].text", replace(hello, system=(Text(text),))
    yield "messages[0].content", said(text)
    yield "messages[0].content[0].text", with_block(Text(text))
    yield (
        "messages[0].content[0].citations[0][1]",
        with_block(Text("a", citations=({"type": "x", "cited_text": text},))),
    )
    yield "messages[0].content[0].input[0]", with_block(ToolUse("t1", "look", {"q": text}))
    yield "messages[0].content[0].input[0].key", with_block(ToolUse("t1", "look", {text: True}))
    yield "messages[0].content[0].input[0][1][0]", with_block(ToolUse("t1", "look", {"q": ["a", {"b": text}]}))
    yield "messages[0].content[0].content", with_block(ToolResult("t1", (Text(text),), plain=True))
    yield "messages[0].content[0].content[0].text", with_block(ToolResult("t1", (Text(text),)))
    yield "messages[0].content[0].content[0].title", with_block(ToolResult("t1", (Document(text="a", title=text),)))
    yield "messages[0].content[0].source.data", with_block(Document(text=text))
    yield "messages[0].content[0].title", with_block(Document(text="a", title=text))
    yield "messages[0].content[0].context", with_block(Document(text="a", context=text))
    yield "messages[0].content[0].source.content[0].text", with_block(Document(blocks=(Text(text),)))
    result = SearchResult("a handbook", "A title", (Text("a"),))
    yield "messages[0].content[0].source", with_block(replace(result, source=text))
    yield "messages[0].content[0].title", with_block(replace(result, title=text))
    yield "messages[0].content[0].content[0].text", with_block(replace(result, content=(Text(text),)))
    yield "messages[0].content[0].content[0].source", with_block(ToolResult("t1", (replace(result, source=text),)))
    yield "messages[0].content[0].thinking", with_block(Thinking(text, ""))
    yield "stop_sequences[0]", replace(hello, sampling=replace(SAMPLING, stop_sequences=(text,)))
    yield "metadata.user_id", replace(hello, end_user=text)


def in_every_definition(text: str) -> Iterator[tuple[str, Conversation]]:
    hello = said("Hello")
    yield "tools[0].name", replace(hello, tools=(Tool(text, {}),))
    yield "tools[0].description", replace(hello, tools=(Tool("look", {}, description=text),))
    schema: dict[str, JsonValue] = {"type": "object", "properties": {"q": {"type": "string", "description": text}}}
    yield "tools[0].input_schema", replace(hello, tools=(Tool("look", schema),))
    yield "tools[0].input_schema", replace(hello, tools=(Tool("look", {"properties": {text: {"type": "string"}}}),))
    yield "tools[0].input_schema", replace(hello, tools=(Tool("look", {"properties": {"q": {"enum": ["a", text]}}}),))
    yield "tools[0].input_examples[0]", replace(hello, tools=(Tool("look", {}, examples=({"q": [text]},)),))
    yield "tools[0].name", replace(hello, tools=(ClientTool("bash_20250124", text),))
    examples: dict[str, JsonValue] = {"input_examples": [{"command": text}]}
    yield "tools[0].input_examples", replace(hello, tools=(ClientTool("bash_20250124", "bash", examples),))
    yield "output_config.format.schema", replace(hello, sampling=replace(SAMPLING, output_schema=schema))


def in_every_identifier(text: str) -> Iterator[tuple[str, Conversation]]:
    yield "messages[0].content[0].id", with_block(ToolUse(text, "look", {}))
    yield "messages[0].content[0].name", with_block(ToolUse("t1", text, {}))
    yield "messages[0].content[0].tool_use_id", with_block(ToolResult(text, ()))
