"""What calls cost, to the unit."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.catalog import shipped_catalog
from gateway.completion import Usage
from gateway.conversation import (
    ClientTool,
    Conversation,
    Document,
    Image,
    Sampling,
    SearchResult,
    Text,
    Thinking,
    Tool,
    ToolResult,
    ToolUse,
    Turn,
)
from gateway.credits.pricing import ceiling, charge, cost_micro_usd
from gateway.errors import ValidationFailedError

CATALOG = shipped_catalog()


@pytest.mark.parametrize(
    ("model", "tokens", "charged"),
    [
        ("claude-haiku-4-5", 100, 33),
        ("claude-haiku-4-5", 1, 1),
        ("claude-sonnet-4-6", 92, 92),
        ("claude-opus-4-7", 10, 50),
        ("claude-sonnet-4-6", 0, 0),
    ],
)
def test_a_credit_is_a_sonnet_equivalent_token_rounded_up(model: str, tokens: int, charged: int) -> None:
    assert charge(CATALOG.get(model), Usage(output=tokens)) == charged


def test_every_kind_of_token_counts() -> None:
    usage = Usage(input=1, output=2, cache_read=4, cache_write_5m=8, cache_write_1h=16, reasoning=2)

    assert charge(CATALOG.get("claude-sonnet-4-6"), usage) == 31


def test_the_dollar_cost_prices_each_kind_of_token() -> None:
    million = 1_000_000
    usage = Usage(input=million, output=million, cache_read=million, cache_write_5m=million, cache_write_1h=million)

    assert (
        cost_micro_usd(CATALOG.get("claude-sonnet-4-6"), usage)
        == 3_000_000 + 15_000_000 + 300_000 + 3_750_000 + 6_000_000
    )


def test_a_guaranteed_region_costs_a_tenth_more() -> None:
    haiku = CATALOG.get("claude-haiku-4-5")
    usage = Usage(input=1_000_000, output=1_000_000)

    anywhere, in_the_us = (cost_micro_usd(haiku, replace(usage, inference_geo=geo)) for geo in ("global", "us"))

    assert anywhere == 6_000_000
    assert in_the_us == 6_600_000


def test_a_model_without_prices_has_no_cost() -> None:
    free = CATALOG.get("claude-sonnet-4-6").model_copy(update={"prices": None})

    assert cost_micro_usd(free, Usage(input=10)) is None


def conversation(*blocks: Text | Image | Document | SearchResult | ToolUse | ToolResult | Thinking) -> Conversation:
    return Conversation(turns=(Turn("user", blocks),), sampling=Sampling(max_tokens=50))


@given(st.text(max_size=300))
def test_the_ceiling_covers_a_token_for_every_byte_and_all_output(text: str) -> None:
    sonnet = CATALOG.get("claude-sonnet-4-6")

    assert ceiling(sonnet, conversation(Text(text))) >= len(text.encode()) + 50


@pytest.mark.parametrize(
    "block",
    [
        Image("image/png", "aGk=", None),
        Document(text="x" * 100),
        Document(blocks=(Text("x" * 100),)),
        SearchResult("s", "t", (Text("x" * 100),)),
        ToolUse("id", "name", {"a": "x" * 100}),
        ToolResult("id", (Text("x" * 100),)),
        Thinking("x" * 100, "sig"),
    ],
)
def test_every_kind_of_block_raises_the_ceiling(block: Text | Image | Document | SearchResult | ToolUse) -> None:
    sonnet = CATALOG.get("claude-sonnet-4-6")

    assert ceiling(sonnet, conversation(block)) >= ceiling(sonnet, conversation()) + 100


@pytest.mark.parametrize(
    "tool",
    [
        ClientTool("bash_20250124", "bash"),
        ClientTool("memory_20250818", "memory", {"input_examples": [{"path": "x" * 5_000}]}),
        Tool("find", {}, examples=({"who": "x" * 5_000},)),
    ],
)
def test_what_comes_with_a_tool_raises_the_ceiling(tool: Tool | ClientTool) -> None:
    model = CATALOG.get("claude-sonnet-4-6")
    plain = Conversation((Turn("user", (Text("Hi"),)),), Sampling(max_tokens=1), tools=(Tool("find", {}),))

    assert ceiling(model, replace(plain, tools=(tool,))) >= ceiling(model, plain) + 1_500


def test_tools_raise_the_ceiling() -> None:
    sonnet = CATALOG.get("claude-sonnet-4-6")
    bare = conversation(Text("Hi"))
    armed = Conversation(turns=bare.turns, sampling=bare.sampling, tools=(Tool("find", {"type": "object"}, "x" * 100),))

    assert ceiling(sonnet, armed) >= ceiling(sonnet, bare) + 100


def test_citations_and_ids_raise_the_ceiling() -> None:
    sonnet = CATALOG.get("claude-sonnet-4-6")
    cited = Text("x", citations=({"type": "char_location", "cited_text": "y" * 100},))

    assert ceiling(sonnet, conversation(cited)) >= ceiling(sonnet, conversation(Text("x"))) + 100
    assert ceiling(sonnet, conversation(ToolUse("i" * 100, "n", {}))) >= ceiling(sonnet, conversation()) + 100


def test_what_json_cannot_say_is_a_refusal() -> None:
    nested: dict[str, object] = {}
    for _ in range(2_000):
        nested = {"a": nested}

    with pytest.raises(ValidationFailedError):
        ceiling(CATALOG.get("claude-sonnet-4-6"), conversation(ToolUse("id", "name", nested)))  # pyright: ignore[reportArgumentType]


def test_what_a_cache_served_may_cost_less() -> None:
    usage = Usage(input=100, output=50, cache_read=1_000, cache_write_5m=10)
    sonnet = CATALOG.get("claude-sonnet-4-6")
    cheaper = sonnet.model_copy(update={"cache_read_ratio_milli": 100})

    assert (charge(sonnet, usage), charge(cheaper, usage)) == (1_160, 260)


def test_a_hold_covers_a_cache_that_costs_more_than_input() -> None:
    haiku = CATALOG.get("claude-haiku-4-5")
    asked = Conversation(turns=(Turn("user", (Text("Hello"),)),), sampling=Sampling(max_tokens=10))

    assert ceiling(haiku.model_copy(update={"cache_read_ratio_milli": 660}), asked) > ceiling(haiku, asked)
