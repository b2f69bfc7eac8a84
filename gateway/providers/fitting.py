"""What is asked of an answer besides its content, as near as a model has it: its length, its reasoning, its sampling.

Coding agents send the settings of the Claude that they believe they talk to,
whatever model is behind its name. Where refusing would leave them without
an answer, what a model lacks is moved to what it has, or left out, and told.
"""

from dataclasses import replace

from gateway.catalog import Ability, Dialect, Model
from gateway.conversation import Conversation, ThinkingConfig

_NAMES = {
    "max_tokens": "max_tokens",
    "thinking": "thinking",
    "effort": "output_config.effort",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
}
"""Fields of `Sampling` that may have to change, and what callers call them."""

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
    can_sample = model.can(Ability.SAMPLING)
    sampling = replace(
        asked,
        max_tokens=max_tokens,
        thinking=thinking,
        effort=effort,
        # At 1 both are the default, which nobody needs to be able to do.
        temperature=asked.temperature if can_sample or asked.temperature == 1 else None,
        top_p=asked.top_p if can_sample or asked.top_p == 1 else None,
        top_k=asked.top_k if model.can(Ability.TOP_K) else None,
    )
    names = tuple(name for field, name in _NAMES.items() if getattr(sampling, field) != getattr(asked, field))
    return replace(conversation, sampling=sampling) if names else conversation, names


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
