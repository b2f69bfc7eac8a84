"""The table of tiers: how fast whom (spec A8, D10), as shipped and as an operator's file has it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gateway.limits.buckets import LARGEST_LIMIT

LOWEST = "developer"
"""The numbers of an organisation whose tier nobody knows: too few rather than too many."""
_LARGEST_FILE = 1024 * 1024

TierName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Limit = Annotated[int, Field(ge=1, le=LARGEST_LIMIT, strict=True)]


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Requests a minute and a UTC day of each key, requests and tokens a minute of all keys; None: no limit."""

    key_rpm: int | None = None
    key_daily: int | None = None
    org_rpm: int | None = None
    org_tpm: int | None = None


class TiersError(Exception):
    """What is wrong with a file of tiers: places and reasons, never values."""


class _Entry(BaseModel):
    """Each limit is said, null for none: one left out by mistake would open the gate."""

    model_config = ConfigDict(extra="forbid")

    key_rpm: Limit | None
    key_daily: Limit | None
    org_rpm: Limit | None
    org_tpm: Limit | None

    def limits(self) -> RateLimits:
        """A key's cap is never above its organisation's."""
        caps = [cap for cap in (self.key_rpm, self.org_rpm) if cap is not None]
        return RateLimits(min(caps, default=None), self.key_daily, self.org_rpm, self.org_tpm)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tiers: dict[TierName, _Entry] = {}
    aliases: dict[TierName, TierName] = {}


class Tiers:
    """Limits by the name of a tier, or by another name of it."""

    def __init__(self, tiers: Mapping[str, RateLimits], aliases: Mapping[str, str]) -> None:
        self._limits = {**{alias: tiers[name] for alias, name in aliases.items()}, **tiers}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._limits))

    def limits(self, tier: str) -> RateLimits:
        """Those of `LOWEST` for a tier that is not in the table."""
        return self._limits.get(tier) or self._limits[LOWEST]


def read_tiers(path: Path | None = None) -> Tiers:
    """The shipped tiers; those of the file at `path` beside them, or in place of those with the same name.

    Raises `TiersError`, which says everything that is wrong at once.
    """
    found = _File.model_validate_json(files("gateway.limits").joinpath("shipped.json").read_bytes())
    if path is not None:
        told = _parsed(path)
        found = _File(tiers=found.tiers | told.tiers, aliases=found.aliases | told.aliases)
    astray = [
        f"aliases.{alias}: not the name of a tier" for alias, name in found.aliases.items() if name not in found.tiers
    ]
    astray += [f"aliases.{alias}: a tier has this name" for alias in found.aliases if alias in found.tiers]
    if astray:
        raise TiersError("; ".join(astray))
    return Tiers({name: entry.limits() for name, entry in found.tiers.items()}, found.aliases)


def _parsed(path: Path) -> _File:
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise TiersError(f"the file cannot be read ({error.strerror})") from None
    if len(raw) > _LARGEST_FILE:
        raise TiersError(f"the file is larger than {_LARGEST_FILE} bytes")
    try:
        return _File.model_validate_json(raw)
    except ValidationError as error:
        raise TiersError("; ".join(_said(error))) from None


def _said(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        place = ".".join(str(step) for step in problem["loc"] if step != "[key]")
        yield f"{place or 'the file'}: {problem['msg']}"
