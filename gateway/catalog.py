"""The models on offer, as data (`gateway/catalog.json`): the nine of the public changelog.

Prices are micro-US-dollars per million tokens. `ratio_milli` is thousandths
of a Sonnet-equivalent token, the credit unit (spec D11).
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from gateway.errors import ModelRetiredError, NotFoundError


class Tier(StrEnum):
    STANDARD = "standard"
    PREMIUM = "premium"


class Ability(StrEnum):
    VISION = "vision"
    TOOLS = "tools"
    THINKING = "thinking"
    SAMPLING = "sampling"
    """Takes `temperature` and `top_p`."""


class Prices(BaseModel):
    """Micro-US-dollars per million tokens, by kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: int = Field(ge=0)
    output: int = Field(ge=0)
    cache_read: int = Field(ge=0)
    cache_write_5m: int = Field(ge=0)
    cache_write_1h: int = Field(ge=0)


class Model(BaseModel):
    """One model. `upstream` is the id the vendor knows it by; `covered_by` names the BAA cover it needs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    display_name: str
    provider: Literal["anthropic", "openai"]
    upstream: str
    family: Literal["haiku", "sonnet", "opus", "gpt"]
    tier: Tier
    context_tokens: int = Field(gt=0)
    max_output_tokens: int = Field(gt=0)
    abilities: frozenset[Ability]
    covered_by: str
    ratio_milli: int = Field(gt=0)
    prices: Prices | None
    created_at: datetime
    retired_at: datetime | None = None
    recommended_replacement: str | None = None

    @property
    def is_opus(self) -> bool:
        return self.family == "opus"

    def is_retired(self, now: datetime) -> bool:
        return self.retired_at is not None and self.retired_at <= now


class Catalog:
    """Models by id, in the order of the file."""

    def __init__(self, models: Iterable[Model]) -> None:
        self._models: Mapping[str, Model] = {model.id: model for model in models}

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    def get(self, model_id: str, *, now: datetime | None = None) -> Model:
        """The model called `model_id`.

        Raises:
            NotFoundError: no such model (`param` is `model`).
            ModelRetiredError: it was retired; `details` says when and what to use instead.
        """
        model = self._models.get(model_id)
        if model is None:
            raise NotFoundError("The model does not exist.", param="model")
        if model.retired_at is not None and model.is_retired(now or datetime.now(UTC)):
            raise ModelRetiredError(
                param="model",
                details={
                    "retired_at": model.retired_at.isoformat(),
                    "recommended_replacement": model.recommended_replacement,
                },
            )
        return model


def shipped_catalog() -> Catalog:
    """The catalog that comes with this version."""
    text = files("gateway").joinpath("catalog.json").read_bytes()
    return Catalog(TypeAdapter(list[Model]).validate_json(text))
