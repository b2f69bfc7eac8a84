"""Which model a request of a compatibility surface asks for, by whatever name."""

from dataclasses import dataclass

from fastapi import Request

from api.inference import Asked
from api.state import gateway_of
from gateway.agents.scope import may_call
from gateway.errors import NotFoundError, ValidationFailedError
from gateway.tenancy import AUTO, Access

_PRESETS = ("agent-", "agent_")


@dataclass(frozen=True, slots=True)
class Named:
    """`name` is what the pipeline is asked for, `headers` tell of it where the caller did not say it themselves."""

    name: str
    headers: dict[str, str]


def compatible_model(request: Request, access: Access, asked: Asked) -> Named:
    """The model of a request on `/v1/openai/*` or `/v1/anthropic/*`.

    Raises:
        ValidationFailedError: an assistant's id, or `auto` where that is not switched on (spec U23, U24).
        NotFoundError: a model that the caller, an agent, is not shown (spec U27).
        ModelNotEnabledError, BaaRequiredError, ToolNotInScopeError: `auto`, and nothing may be chosen.
    """
    gateway = gateway_of(request)
    if access.principal.delegation is not None:
        # An agent's tools come before its models.
        gateway.pipeline.require_scope(access, asked.conversation)
    model = gateway.catalog.find(asked.model)
    if model is not None:
        if not may_call(model, access.principal.delegation):
            raise NotFoundError("The model does not exist.", param="model")
        return Named(asked.model, {})
    if asked.model.startswith(_PRESETS):
        raise ValidationFailedError("Assistants are asked on `/v1/chat/completions`.", param="model")
    if asked.model != AUTO:
        return Named(asked.model, {})
    if not gateway.settings.auto_on_compatible_routes:
        raise ValidationFailedError("`auto` is taken on `/v1/chat/completions`. Name a model here.", param="model")
    chosen = gateway.auto.choose(asked.conversation, access, now=gateway.clock.now())
    return Named(chosen.id, model_headers(chosen.id))


def model_headers(model_id: str) -> dict[str, str]:
    """Tell which model was chosen for a name that is no model's own."""
    return {"hasp-model": model_id}
