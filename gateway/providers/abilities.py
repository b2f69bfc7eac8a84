"""What a model cannot do is refused by name: a setting that is silently dropped changes the answer unseen."""

from typing import Literal

from pydantic import JsonValue

from gateway.catalog import Ability, Model
from gateway.conversation import Sampling
from gateway.errors import ValidationFailedError

SamplingSetting = Literal["temperature", "top_p", "top_k"]

# At 1 both are the identity: a caller who spells the default out asks for nothing.
_IDENTITY = 1


def sampling_fields(sampling: Sampling, model: Model) -> dict[str, JsonValue]:
    """The sampling settings to send. Raises `ValidationFailedError` naming the first that the model lacks."""
    given: dict[SamplingSetting, float | None] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
    }
    fields: dict[str, JsonValue] = {name: value for name, value in given.items() if value is not None}
    if Ability.SAMPLING in model.abilities:
        return fields
    for name, value in fields.items():
        if name == "top_k" or value != _IDENTITY:
            raise unsupported(name)
    return {}


def unsupported(param: str) -> ValidationFailedError:
    return ValidationFailedError("The model does not support this parameter.", param=param)
