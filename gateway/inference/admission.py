"""The gates that need no I/O: may this organisation call this model, under which agreement?"""

from datetime import datetime

from gateway.agents import scope
from gateway.catalog import Catalog, Model, Tier
from gateway.conversation import Conversation
from gateway.errors import (
    BaaRequiredError,
    GatewayError,
    ModelNotEnabledError,
    OpusNotEnabledError,
    ValidationFailedError,
)
from gateway.providers.abilities import require_answerable
from gateway.providers.estimate import estimate_tokens
from gateway.routing.route import Route
from gateway.tenancy import Access, Policy


def require_agreement(policy: Policy, *, now: datetime, baa_url: str) -> None:
    """Raises `BaaRequiredError` unless an accepted agreement is in force at `now`."""
    if policy.agreement is None or not policy.agreement.is_active(now):
        raise BaaRequiredError(details={"baa_url": baa_url})


def require_readable(policy: Policy, *, now: datetime, baa_url: str) -> None:
    """`require_agreement` for reading what there is: for a while after an agreement's end that is still allowed."""
    if policy.readable_until is None or policy.readable_until <= now:
        require_agreement(policy, now=now, baa_url=baa_url)


def needs_opt_in(model: Model) -> bool:
    """Whether an organisation may call it only once somebody there has said so."""
    return model.is_opus or model.tier is Tier.PREMIUM


def require_model(model: Model, access: Access, *, baa_url: str) -> None:
    """Raises what keeps the caller from `model`: its own bounds, the agreement's cover, or an opt-in not made."""
    policy = access.policy
    scope.require_model(model, access.principal.delegation)
    if policy.agreement is None or model.covered_by not in policy.agreement.covers:
        raise BaaRequiredError(
            "The active agreement does not cover this model's provider.",
            param="model",
            details={"baa_url": baa_url, "required_cover": model.covered_by},
        )
    if not needs_opt_in(model):
        return
    if model.is_opus:
        if not policy.opus_enabled:
            raise OpusNotEnabledError(param="model", details={"model": model.id})
    elif model.id not in policy.premium_models:
        raise ModelNotEnabledError(param="model", details={"model": model.id})


def is_enabled(model: Model, access: Access, *, now: datetime) -> bool:
    """Whether the caller may call `model` at `now`: what lists of models show, and what is chosen from."""
    if model.is_retired(now):
        return False
    try:
        require_model(model, access, baa_url="")
    except GatewayError:
        return False
    return True


def require_within_limits(conversation: Conversation, model: Model) -> None:
    """Raises `ValidationFailedError` for what the model cannot do, and for an output longer than it can give."""
    if conversation.sampling.max_tokens > model.max_output_tokens:
        raise ValidationFailedError(
            f"max_tokens must be at most {model.max_output_tokens} for this model.", param="max_tokens"
        )
    require_answerable(conversation, model)


def route_for(
    asked: Model, conversation: Conversation, access: Access, *, catalog: Catalog, now: datetime, baa_url: str
) -> Route:
    """Who may answer. Raises what keeps `asked` from it.

    An organisation that allows failover also has those models that the
    operator declared equivalent to `asked`, that its agreement covers and its
    policy allows, and that can do all that is asked for, in a context that is
    large enough by our estimate: some servers cut a prompt without a word.
    """
    require_model(asked, access, baa_url=baa_url)
    require_within_limits(conversation, asked)
    if not access.policy.failover_enabled:
        return Route(asked)
    found = (catalog.find(name) for name in asked.equivalents)
    named = [other.priced_at(now) for other in found if other and not other.is_retired(now)]
    tokens = tokens_needed(conversation) if named else 0
    return Route(asked, tuple(other for other in named if may_answer(other, conversation, access, tokens=tokens)))


def tokens_needed(conversation: Conversation) -> int:
    """Of a model's context, by our estimate: for the prompt and for the answer."""
    return estimate_tokens(conversation) + conversation.sampling.max_tokens


def may_answer(model: Model, conversation: Conversation, access: Access, *, tokens: int) -> bool:
    """Whether the caller may have `conversation`, of so many `tokens`, answered by `model`, which can do all of it."""
    if tokens > model.context_tokens:
        return False
    try:
        require_model(model, access, baa_url="")
        require_within_limits(conversation, model)
    except GatewayError:
        return False
    return True
