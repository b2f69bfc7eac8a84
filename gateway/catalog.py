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
    """One model. `upstream` is the id the vendor knows it by; `covered_by` names the BAA cover it needs.

    Callers may ask for it by its `upstream` id and its `aliases` as well.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    display_name: str
    provider: Literal["anthropic", "openai"]
    upstream: str
    aliases: tuple[str, ...] = ()
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


# Where each vendor says which of its models end when.
_DEPRECATIONS: Mapping[str, str] = {
    "anthropic": "https://docs.claude.com/en/docs/about-claude/model-deprecations",
    "openai": "https://platform.openai.com/docs/deprecations",
}


class Catalog:
    """Models by name, in the order of the file. Raises `ValueError` for two models of one name."""

    def __init__(self, models: Iterable[Model]) -> None:
        self._models = tuple(models)
        self._by_name: dict[str, Model] = {}
        for model in self._models:
            for name in {model.id, model.upstream, *model.aliases}:
                if name in self._by_name:
                    raise ValueError(f"two models of the catalog are called {name}")
                self._by_name[name] = model

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models)

    def find(self, name: str) -> Model | None:
        """The model of that id, upstream id or alias, retired or not."""
        return self._by_name.get(name)

    def get(self, name: str, *, now: datetime | None = None) -> Model:
        """The model of that id, upstream id or alias.

        Raises:
            NotFoundError: no such model (`param` is `model`).
            ModelRetiredError: it was retired; `details` says when and what to use instead.
        """
        model = self.find(name)
        if model is None:
            raise NotFoundError("The model does not exist.", param="model")
        if model.retired_at is not None and model.is_retired(now or datetime.now(UTC)):
            raise ModelRetiredError(
                param="model",
                details={
                    "retired_at": model.retired_at.isoformat(),
                    "recommended_replacement": model.recommended_replacement,
                    "docs_url": _DEPRECATIONS[model.provider],
                },
            )
        return model


def shipped_catalog() -> Catalog:
    """The catalog that comes with this version."""
    text = files("gateway").joinpath("catalog.json").read_bytes()
    return Catalog(TypeAdapter(list[Model]).validate_json(text))
