"""Room for an answer and settings of reasoning, as near as a model has them.

Coding agents send those of the Claude that they believe they talk to,
whatever model is behind its name. Where refusing would leave them without
an answer, what a model lacks is moved to what it has, and told.
"""

from dataclasses import replace

from gateway.catalog import Ability, Dialect, Model
from gateway.conversation import Conversation, ThinkingConfig

_EFFORTS = ("low", "medium", "high", "xhigh", "max")


def fitted(conversation: Conversation, model: Model) -> tuple[Conversation, tuple[str, ...]]:
    """`conversation` with what `model` can be asked for, and the names of what had to change for it."""
    asked = conversation.sampling
    max_tokens = min(asked.max_tokens, model.max_output_tokens)
    thinking = _thinking(asked.thinking, model, max_tokens)
    effort = _effort(asked.effort, model)
    if thinking is not None and thinking.type == "disabled" and "none" in model.efforts and _reasons_by_itself(model):
        # Said with the one word that effort would be said with.
        effort = None
    changed = (
        ("max_tokens", max_tokens != asked.max_tokens),
        ("thinking", thinking != asked.thinking),
        ("output_config.effort", effort != asked.effort),
    )
    names = tuple(name for name, is_changed in changed if is_changed)
    if not names:
        return conversation, ()
    sampling = replace(asked, max_tokens=max_tokens, thinking=thinking, effort=effort)
    return replace(conversation, sampling=sampling), names


def _thinking(asked: ThinkingConfig | None, model: Model, max_tokens: int) -> ThinkingConfig | None:
    if asked is None:
        return None
    if asked.budget_tokens is not None and asked.budget_tokens >= max_tokens >= model.max_output_tokens:
        # Of the room that is left, half is for the answer.
        asked = replace(asked, budget_tokens=max_tokens // 2)
    match asked.type:
        case "enabled" if not model.can(Ability.THINKING_BUDGET):
            return ThinkingConfig("adaptive", display=asked.display) if model.can(Ability.THINKING) else None
        case "adaptive" if not model.can(Ability.THINKING):
            return None
        case "between_tools" if model.dialect is not Dialect.ANTHROPIC:
            return None
        case "disabled" if _reasons_by_itself(model) and "none" not in model.efforts:
            return None
        case _:
            return asked


def _effort(asked: str | None, model: Model) -> str | None:
    """The highest that the model has up to what is asked for, else its lowest; None for one without any."""
    offered = [effort for effort in _EFFORTS if effort in model.efforts]
    if asked is None or asked in model.efforts or not offered:
        return asked if asked in model.efforts else None
    below = [effort for effort in offered if _EFFORTS.index(effort) <= _EFFORTS.index(asked)]
    return below[-1] if below else offered[0]


def _reasons_by_itself(model: Model) -> bool:
    return model.dialect is not Dialect.ANTHROPIC and model.can(Ability.THINKING)
