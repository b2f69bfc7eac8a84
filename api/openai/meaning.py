"""What a request means for the model that it names: settings that fit it, and headers that tell what did not."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from fastapi import Request

from api.inference import Asked
from api.model_names import compatible_model
from api.state import gateway_of
from gateway.conversation import Conversation
from gateway.providers.fitting import fitted
from gateway.tenancy import Access

DEFAULT_MAX_TOKENS = 16_384
"""Of an answer whose request sets no limit, where the model can say so much."""

AskedT = TypeVar("AskedT", bound=Asked)


@dataclass(frozen=True, slots=True)
class Meant:
    model: str
    conversation: Conversation
    stream: bool
    headers: dict[str, str]
    moved: tuple[str, ...] = ()
    """Settings that the model has not: it was given others in their place, or none."""


def meant(request: Request, access: Access, asked: Asked, *, limit: int | None, names: Mapping[str, str]) -> Meant:
    """`asked` for the model that is meant; `limit` is the tokens that the caller allows, if they said so.

    `names` are what the request calls that which has another name elsewhere.

    Raises as `compatible_model` does.
    """
    named = compatible_model(request, access, asked)
    model = gateway_of(request).catalog.find(named.name)
    conversation, moved = asked.conversation, ()
    if model is not None:
        conversation, moved = fitted(conversation, model)
        if limit is None:
            most = min(DEFAULT_MAX_TOKENS, model.max_output_tokens)
            conversation = replace(conversation, sampling=replace(conversation.sampling, max_tokens=most))
    return Meant(
        named.name,
        conversation,
        asked.stream,
        named.headers,
        tuple(dict.fromkeys(names.get(name, name) for name in moved)),
    )
