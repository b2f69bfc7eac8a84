"""Which tools an organisation's policy lets its chats use."""

import pytest

from gateway.tenancy import Policy


@pytest.mark.parametrize(
    ("allowed", "name", "may"),
    [
        (("*",), "desk_find_slot", True),
        ((), "calculator", False),
        (("calculator",), "calculator", True),
        (("calculator",), "calculator_2", False),
        (("desk_*",), "desk_find_slot", True),
        (("desk_*",), "desk", False),
        (("desk_*",), "desk-2_find_slot", False),
        (("calculator", "desk_*"), "web_search", False),
    ],
)
def test_a_tool_is_allowed_by_its_name_or_by_its_servers(allowed: tuple[str, ...], name: str, may: bool) -> None:
    assert Policy(allowed_tools=allowed).allows_tool(name) is may
