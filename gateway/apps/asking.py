"""What of an app goes to a model: its prompt as one turn, and the model that it names."""

from datetime import datetime
from typing import Final

from gateway.auto_routing import AutoRouter
from gateway.catalog import Catalog
from gateway.conversation import Conversation, Sampling, Text, Turn
from gateway.errors import ValidationFailedError
from gateway.tenancy import AUTO, Access

MOST_OUTPUT_TOKENS: Final = 8_192
"""Of an answer, unless its model gives shorter ones."""


def asking(prompt: str) -> Turn:
    """`prompt` as what a user says. Raises `ValidationFailedError` for one that comes to nothing."""
    if not prompt.strip():
        raise ValidationFailedError("With these inputs the app's prompt is empty.", param="inputs")
    return Turn("user", (Text(prompt),), plain=True)


def asked(prompt: str, model: str, catalog: Catalog) -> Conversation:
    """`prompt` alone, as a conversation. Raises as `asking` does."""
    known = catalog.find(model)
    most = min(MOST_OUTPUT_TOKENS, known.max_output_tokens) if known else MOST_OUTPUT_TOKENS
    return Conversation(turns=(asking(prompt),), sampling=Sampling(max_tokens=most))


def chosen_model(name: str, conversation: Conversation, access: Access, *, auto: AutoRouter, now: datetime) -> str:
    """`name`, or for `auto` the model that is chosen. Raises `ModelNotEnabledError` when none may be."""
    return auto.choose(conversation, access, now=now).id if name == AUTO else name
