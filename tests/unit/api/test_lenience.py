"""Fields that nobody declared, wherever they stand."""

from copy import deepcopy
from typing import Any, cast

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.anthropic.bodies import lenient
from api.anthropic.schemas import CreateMessageRequest
from gateway.errors import GatewayError, ValidationFailedError

Json = dict[str, Any]

WHOLE: Json = {
    "model": "claude-haiku-4-5",
    "max_tokens": 10,
    "system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {
                    "type": "document",
                    "source": {"type": "content", "content": [{"type": "text", "text": "b"}]},
                    "citations": {"enabled": False},
                },
            ],
        },
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "1", "name": "x", "input": {"any": {"thing": 1}}}],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "c"}]}],
        },
    ],
    "tools": [{"name": "x", "input_schema": {"type": "object", "anything": {"goes": 1}}, "type": "custom"}],
    "tool_choice": {"type": "tool", "name": "x"},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"a": 1}}},
    "metadata": {"user_id": "u"},
}
FREE = {"input", "input_schema", "schema"}
"""Objects of the caller's own, in which every field is declared."""
NAMES = st.sampled_from(
    [
        "x",
        "uuid",
        "custom",
        "client",
        "text",
        "content",
        "tool_result",
        "type_",
        "enabled",
        "str",
        "0",
        "of tomorrow",
        "é",
    ]
)


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every object of `value` in which undeclared fields may stand."""
    if isinstance(value, list):
        return [place for at, each in enumerate(cast("list[Any]", value)) for place in places(each, (*path, at))]
    if not isinstance(value, dict):
        return []
    inner = [
        place for name, each in cast("Json", value).items() if name not in FREE for place in places(each, (*path, name))
    ]
    return [path, *inner]


PLACES = places(WHOLE)


def read(body: Json) -> CreateMessageRequest:
    return lenient(orjson.dumps(body), CreateMessageRequest)[0]


@given(st.lists(st.tuples(st.sampled_from(PLACES), NAMES, st.sampled_from([1, "a", None, {"a": {}}, [{"x": 1}]]))))
def test_a_request_is_the_same_with_whatever_is_added_to_it(
    added: list[tuple[tuple[str | int, ...], str, object]],
) -> None:
    body = deepcopy(WHOLE)
    for path, name, value in added:
        place: Any = body
        for step in path:
            place = place[step]
        place.setdefault(name, value)

    assert read(body) == read(WHOLE)


WRONG: list[tuple[Json, str]] = [
    ({"max_tokens": "ten", "x": 1}, "max_tokens"),
    ({"messages": [{"role": "user", "content": [{"type": "text", "x": 1}]}]}, "messages[0].content[0].text"),
    ({"messages": [{"role": "tool", "content": "a", "x": 1}]}, "messages[0].role"),
    ({"messages": [{"role": "user", "content": [{"type": "of_tomorrow"}]}]}, "messages[0].content[0].type"),
    ({"tools": [{"name": "two words", "input_schema": {}, "x": 1}]}, "tools[0].name"),
    ({"mcp_servers": []}, "mcp_servers"),
    ({"container": "c"}, "container"),
    ({"thread": {}}, "thread"),
]


@pytest.mark.parametrize(("changes", "param"), WRONG)
def test_what_is_declared_and_wrong_is_refused_by_its_place(changes: Json, param: str) -> None:
    with pytest.raises(GatewayError) as raised:
        read(WHOLE | changes)

    assert raised.value.param == param


def test_more_unknown_fields_than_anybody_sends_are_refused() -> None:
    many = {f"x{number}": 1 for number in range(10_001)}

    assert read(WHOLE | many) == read(WHOLE)
    with pytest.raises(ValidationFailedError):
        read(WHOLE | {"metadata": many})


def test_only_names_that_are_known_are_told() -> None:
    body: Json = WHOLE | {"context_management": {}, "store": True, "Jane Roe": 1, "user_profile_id": "x", "top_k": None}

    assert lenient(orjson.dumps(body), CreateMessageRequest)[1] == ("context_management", "store", "user_profile_id")
