"""One model on offer, what it can be asked, and what it costs when."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.catalog.prices import PriceChange, Prices
from gateway.catalog.provider import Dialect


class Tier(StrEnum):
    STANDARD = "standard"
    PREMIUM = "premium"


class Ability(StrEnum):
    """What a request may ask of a model. What is not in a model's list is refused by name, never dropped."""

    VISION = "vision"
    DOCUMENTS = "documents"
    """Takes files (PDF). Plain text documents are text, which every model takes."""
    TOOLS = "tools"
    CLIENT_TOOLS = "client_tools"
    """Knows Anthropic's own client-run tools (`bash_20250124` and its kin) by name."""
    THINKING = "thinking"
    """Reasons as it sees fit (`thinking.type: adaptive`)."""
    THINKING_BUDGET = "thinking_budget"
    """Takes a budget of reasoning tokens (`thinking.type: enabled`)."""
    SAMPLING = "sampling"
    """Takes `temperature` and `top_p`."""
    TOP_K = "top_k"
    STOP_SEQUENCES = "stop_sequences"
    STRUCTURED_OUTPUT = "structured_output"
    CITATIONS = "citations"
    PROMPT_CACHE = "prompt_cache"
    """Takes breakpoints (`cache_control`). Without it they are hints that nobody reads, and named as ignored."""
    SERVICE_TIER = "service_tier"
    """Has capacity of several tiers. One that has not serves every request as `standard_only`."""
    INFERENCE_GEO = "inference_geo"


Effort = Literal["none", "low", "medium", "high", "xhigh", "max"]
"""How hard a model thinks. `none` stands for thinking that can be switched off where it is on by itself."""


ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$")]


class Model(BaseModel):
    """One model. `upstream` is the id its provider knows it by; `covered_by` names the BAA cover it needs.

    Callers may ask for it by its `upstream` id and its `aliases` as well.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: ModelName
    display_name: str = Field(min_length=1)
    provider: str
    dialect: Dialect
    """Its provider's."""
    upstream: str = Field(min_length=1)
    aliases: tuple[ModelName, ...] = ()
    family: Literal["haiku", "sonnet", "opus", "gpt", "other"] = "other"
    tier: Tier = Tier.STANDARD
    context_tokens: int = Field(gt=0)
    max_output_tokens: int = Field(gt=0)
    abilities: frozenset[Ability]
    efforts: frozenset[Effort] = frozenset()
    covered_by: str
    """Its provider's."""
    ratio_milli: int = Field(gt=0)
    cache_read_ratio_milli: int | None = Field(default=None, ge=0)
    """The ratio of tokens that a cache served; None: they cost what all tokens do."""
    prices: Prices | None = None
    price_changes: tuple[PriceChange, ...] = ()
    """Of the three before, earliest first; empty where they are for good."""
    equivalents: tuple[ModelName, ...] = ()
    """Models that may answer in its place when it cannot, in this order; only where the organisation allows it."""
    created_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    retired_at: datetime | None = None
    recommended_replacement: str | None = None

    @property
    def is_opus(self) -> bool:
        return self.family == "opus"

    @property
    def names(self) -> frozenset[str]:
        """Everything a caller may call it."""
        return frozenset({self.id, self.upstream, *self.aliases})

    def can(self, ability: Ability) -> bool:
        return ability in self.abilities

    def is_retired(self, now: datetime) -> bool:
        return self.retired_at is not None and self.retired_at <= now

    def priced_at(self, at: datetime) -> "Model":
        """As it is priced at that instant, for good: whoever keeps it is charged by what is in force then."""
        if not self.price_changes:
            return self
        priced: dict[str, object] = {"price_changes": ()}
        for change in self.price_changes:
            if change.effective_at <= at:
                priced |= change.changed
        return self.model_copy(update=priced)
