"""What a credential lets a call offer, choose, name and answer."""

from collections.abc import Sequence

import pytest

from gateway.agents.delegation import Delegation
from gateway.agents.grants import AgentDelegate, ExternalToolInvoke, Grant, ToolInvoke
from gateway.agents.scope import (
    ToolNotInScopeError,
    begins_other_tool,
    limited_tools,
    may_call,
    require_model,
    require_tools,
    require_used,
    tool_uses,
)
from gateway.catalog import shipped_catalog
from gateway.completion import BlockStarted, Completion, Ping, StopReason, Usage
from gateway.conversation import ClientTool, Conversation, Sampling, Text, Tool, ToolChoice, ToolUse
from gateway.errors import ModelNotEnabledError
from gateway.ids import AgentId, CredentialId

HAIKU, SONNET = shipped_catalog().get("claude-haiku-4-5"), shipped_catalog().get("claude-sonnet-4-6")
BASH = ClientTool("bash_20250124", "bash")
USED = ToolUse("toolu_1", "find_slot", {})


def delegation(*grants: Grant, models: frozenset[str] | None = None) -> Delegation:
    return Delegation(
        AgentId("agent"), CredentialId("credential"), (), frozenset({AgentId("agent")}), "j.reyes", grants, models, 10
    )


def offering(*tools: Tool | ClientTool, choice: ToolChoice | None = None) -> Conversation:
    return Conversation((), Sampling(max_tokens=1), tools=tools, tool_choice=choice)


def tool(name: str) -> Tool:
    return Tool(name, {})


@pytest.mark.parametrize("grant", [ExternalToolInvoke("find_slot"), ToolInvoke("find_slot")])
def test_a_tool_that_any_grant_names_may_be_offered_and_chosen(grant: Grant) -> None:
    require_tools(offering(tool("find_slot"), choice=ToolChoice("tool", "find_slot")), delegation(grant))


def test_a_tool_of_a_vendor_s_own_is_granted_by_its_name() -> None:
    require_tools(offering(BASH), delegation(ToolInvoke("bash")))


@pytest.mark.parametrize(
    ("conversation", "param"),
    [
        (offering(tool("find_slot"), tool("delete_slot")), "tools[1].name"),
        (offering(tool("find_slot"), tool("Find_Slot")), "tools[1].name"),
        (offering(BASH), "tools[0].name"),
        (offering(choice=ToolChoice("tool", "delete_slot")), "tool_choice.name"),
    ],
    ids=["another", "other case", "a vendor's own", "chosen"],
)
def test_any_other_is_refused_by_its_place_and_never_by_its_name(conversation: Conversation, param: str) -> None:
    with pytest.raises(ToolNotInScopeError) as raised:
        require_tools(conversation, delegation(ExternalToolInvoke("find_slot")))

    assert raised.value.param == param
    assert "slot" not in raised.value.text.lower()


def test_no_other_kind_of_grant_is_one_for_a_tool() -> None:
    with pytest.raises(ToolNotInScopeError):
        require_tools(offering(tool("find_slot")), delegation(AgentDelegate("find_slot")))


def test_who_is_no_agent_offers_what_it_likes() -> None:
    require_tools(offering(tool("delete_slot")), None)


def test_an_agent_calls_the_models_that_are_its_own() -> None:
    require_model(HAIKU, delegation(models=frozenset({HAIKU.id})))
    require_model(SONNET, delegation(models=None))
    assert may_call(SONNET, None)
    with pytest.raises(ModelNotEnabledError) as raised:
        require_model(SONNET, delegation(models=frozenset({HAIKU.id})))

    assert (raised.value.param, raised.value.details) == ("model", {"model": SONNET.id})


def test_an_answer_uses_no_tool_that_the_model_invented() -> None:
    granted = delegation(ExternalToolInvoke("find_slot"))
    require_used((Text("Hi"), USED), granted)
    with pytest.raises(ToolNotInScopeError):
        require_used((USED, ToolUse("toolu_2", "delete_slot", {})), granted)


def test_a_stream_is_stopped_where_such_a_tool_begins() -> None:
    granted = delegation(ExternalToolInvoke("find_slot"))
    assert not begins_other_tool((Ping(), BlockStarted(0, Text("")), BlockStarted(1, USED)), granted)
    assert begins_other_tool((BlockStarted(0, ToolUse("toolu_2", "delete_slot", {})),), granted)


@pytest.mark.parametrize(
    ("grants", "limited"),
    [
        ([ExternalToolInvoke("find_slot", 5)], ["find_slot"]),
        ([ExternalToolInvoke("find_slot", 5), ExternalToolInvoke("find_slot", 9)], ["find_slot"]),
        ([ExternalToolInvoke("find_slot", 5), ExternalToolInvoke("find_slot")], []),
        ([ExternalToolInvoke("find_slot", 5), ToolInvoke("find_slot")], []),
        ([ExternalToolInvoke("other", 5), ToolInvoke("find_slot")], []),
    ],
    ids=["one", "two", "one without", "built in", "of another tool"],
)
def test_a_tool_is_limited_where_all_its_grants_limit_it(grants: Sequence[Grant], limited: list[str]) -> None:
    assert limited_tools(offering(tool("find_slot")), delegation(*grants)) == limited


def test_each_use_of_a_granted_tool_counts() -> None:
    blocks = (Text("Hi"), USED, USED)
    completion = Completion("claude-x", blocks, StopReason.TOOL_USE, Usage())

    assert tool_uses(completion, delegation(ExternalToolInvoke("find_slot"))) == {"find_slot": 2}
