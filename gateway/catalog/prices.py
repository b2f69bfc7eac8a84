"""What a model costs, and from when on.

Prices are micro-US-dollars per million tokens. `ratio_milli` is thousandths
of a Sonnet-equivalent token, the credit unit (spec D11).
"""

import re
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")


def _written_out(value: object) -> object:
    """Numbers may be seconds or milliseconds, and pydantic would guess."""
    if value is None or isinstance(value, datetime) or (isinstance(value, str) and _DATE.match(value)):
        return value
    raise ValueError("must be a time such as 2026-04-01T00:00:00Z")


def _says_its_zone(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("must say its offset from UTC")
    return at


Instant = Annotated[datetime, BeforeValidator(_written_out), AfterValidator(_says_its_zone)]
Ratio = Annotated[int, Field(strict=True, gt=0, le=1_000_000)]
CacheRatio = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
_Price = Annotated[int, Field(strict=True, ge=0, le=10**12)]
"""At most a dollar for a token."""


class Prices(BaseModel):
    """Micro-US-dollars per million tokens, by kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: _Price
    output: _Price
    cache_read: _Price
    cache_write_5m: _Price
    cache_write_1h: _Price


class PriceChange(BaseModel):
    """What a model costs otherwise from `effective_at` on; what is not said stays as it was before."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    effective_at: Instant
    # Never null; the default is never read.
    ratio_milli: Ratio = 1_000
    cache_read_ratio_milli: CacheRatio | None = None
    prices: Prices | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.changed:
            raise ValueError("must say ratio_milli, cache_read_ratio_milli or prices")
        return self

    @property
    def changed(self) -> dict[str, Any]:
        """New values by the names of the model's fields; null where it takes one away."""
        return {name: getattr(self, name) for name in self.model_fields_set - {"effective_at"}}
