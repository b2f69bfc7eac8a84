"""Which tools a message is taken to need."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from pydantic import JsonValue

from gateway.harness.picking import picked
from gateway.harness.tool import ToolAnswer, ToolUseContext


@dataclass(frozen=True, slots=True)
class Named:
    name: str
    description: str = ""
    schema: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    leaves: bool = False
    surcharge: int = 0
    timeout_s: float = 1

    async def run(self, given: Mapping[str, JsonValue], context: ToolUseContext) -> ToolAnswer:
        raise NotImplementedError


SHIPPED = ("calculator", "code_execution", "knowledge_search", "web_fetch", "web_search")
TOOLS = (
    *map(Named, SHIPPED),
    Named("pharmacy_stock", "Tells how many packages of a drug the pharmacy keeps on its shelves."),
)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Write a haiku.", []),
        ("What is 17 * 23?", ["calculator"]),
        ("What is 15% of 80?", ["calculator"]),
        ("Summarise https://example.com/a", ["web_fetch"]),
        ("What is the latest news on influenza?", ["web_search"]),
        ("Write a python script that sorts", ["code_execution"]),
        ("What does the uploaded guideline say?", ["knowledge_search"]),
        ("Is it on the pharmacy shelves?", ["pharmacy_stock"]),
        ("Use pharmacy_stock", ["pharmacy_stock"]),
        ("", []),
    ],
)
def test_words_speak_for_tools(message: str, expected: list[str]) -> None:
    assert [tool.name for tool in picked(message, TOOLS)] == expected


def test_a_message_may_speak_for_several() -> None:
    names = [
        tool.name for tool in picked("Search online for the average price of insulin, and calculate 3 * it", TOOLS)
    ]

    assert names == ["calculator", "web_search"]
