"""What an agent's credential lets a call offer, name and answer: checked before anything else is (spec B11)."""

from collections import Counter
from collections.abc import Iterable, Mapping

from gateway.agents.delegation import Delegation
from gateway.agents.grants import ExternalToolInvoke, ToolInvoke, tools_of
from gateway.catalog import Model
from gateway.completion import AnswerBlock, BlockStarted, Completion, StreamEvent
from gateway.conversation import Conversation, ToolUse
from gateway.errors import GatewayError, Kind, ModelNotEnabledError, RateLimitedError


class ToolNotInScopeError(GatewayError):
    """`param` names the place, never the tool: who invents a name may have put anything into it."""

    kind, code = Kind.FORBIDDEN, "TOOL_NOT_IN_SCOPE"
    message = "The agent's credential has no grant for a tool that was offered, chosen, or used by the model."


class ToolRateLimitedError(RateLimitedError):
    """A tool was used as often in this hour as a grant, or one above it, allows."""

    message = "The agent has used a tool as often as it may in this hour."

    def __init__(self, *, retry_after_s: int) -> None:
        super().__init__(limit="tool_hourly", retry_after_s=retry_after_s)


def require_tools(conversation: Conversation, delegation: Delegation | None) -> None:
    """Raises `ToolNotInScopeError` for a tool that is offered or chosen outside the grants."""
    if delegation is None or not (conversation.tools or conversation.tool_choice):
        return
    granted = tools_of(delegation.grants)
    for index, tool in enumerate(conversation.tools):
        if tool.name not in granted:
            raise ToolNotInScopeError(param=f"tools[{index}].name")
    chosen = conversation.tool_choice
    if chosen is not None and chosen.name is not None and chosen.name not in granted:
        raise ToolNotInScopeError(param="tool_choice.name")


def may_call(model: Model, delegation: Delegation | None) -> bool:
    """Whether the agent, if it is one, is allowed `model`; its organisation may still not be."""
    return delegation is None or delegation.models is None or model.id in delegation.models


def require_model(model: Model, delegation: Delegation | None) -> None:
    """Raises `ModelNotEnabledError` for a model that the agent may not call."""
    if not may_call(model, delegation):
        raise ModelNotEnabledError(
            "The model is not one of the agent's `allowed_models`.", param="model", details={"model": model.id}
        )


def require_used(blocks: Iterable[AnswerBlock], delegation: Delegation | None) -> None:
    """Raises `ToolNotInScopeError` for an answer that uses a tool outside the grants: models invent some."""
    if delegation is not None and not _are_granted(blocks, delegation):
        raise ToolNotInScopeError


def begins_other_tool(events: Iterable[StreamEvent], delegation: Delegation) -> bool:
    """Whether a part of a stream begins to use a tool outside the grants."""
    return not _are_granted((event.block for event in events if isinstance(event, BlockStarted)), delegation)


def _are_granted(blocks: Iterable[AnswerBlock], delegation: Delegation) -> bool:
    used = {block.name for block in blocks if isinstance(block, ToolUse)}
    return not used or used <= tools_of(delegation.grants)


def limited_tools(conversation: Conversation, delegation: Delegation) -> list[str]:
    """Tools that are offered, and of which the credential may use only so many an hour.

    Who has such a tool without a limit was given it without one, all the way up.
    """
    offered = {tool.name for tool in conversation.tools}
    limited = {grant.tool_id for grant in delegation.grants if isinstance(grant, ExternalToolInvoke)}
    free = {
        grant.tool_id
        for grant in delegation.grants
        if isinstance(grant, ToolInvoke) or (isinstance(grant, ExternalToolInvoke) and grant.rate_limit is None)
    }
    return sorted(offered & limited - free)


def tool_uses(completion: Completion, delegation: Delegation) -> Mapping[str, int]:
    """How often an answer uses which tool, of those that the credential may use."""
    granted = tools_of(delegation.grants)
    return Counter(block.name for block in completion.blocks if isinstance(block, ToolUse) and block.name in granted)
