"""The operator's catalog file as it is written (docs/operations/providers.md). JSON, UTF-8."""

import re
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from gateway.baa.template import Cover
from gateway.catalog.model import Ability, Effort, ModelName, Tier
from gateway.catalog.prices import CacheRatio, Instant, PriceChange, Prices, Ratio
from gateway.catalog.provider import Dialect, KeyHeader

_Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|[0-9a-fA-F:.]{2,45}")
_ENDPOINTS = ("/chat/completions", "/completions", "/messages", "/responses", "/models")
_PRINTABLE = re.compile(r"[!-~]+")
_Tokens = Annotated[int, Field(gt=0, le=1_000_000_000)]
_UpstreamId = Annotated[str, Field(max_length=256, pattern=r"^[!-~](?:[ -~]*[!-~])?$")]
_EnvironmentName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,127}$")]


def _has_port(parts: SplitResult) -> bool:
    """Whether what stands for a port is one. Its own error would repeat it."""
    try:
        return parts.port != 0
    except ValueError:
        return False


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ProviderEntry(_Entry):
    """A server that speaks a known dialect. The key is named, never written here."""

    id: _Id
    display_name: str | None = Field(default=None, min_length=1, max_length=128)
    dialect: Dialect
    base_url: Annotated[str, Field(max_length=2048)]
    covered_by: Cover
    api_key_env: _EnvironmentName | None = None
    api_key_file: Path | None = None
    api_key_header: KeyHeader | None = None
    """Unset: `x-api-key` for the `anthropic` dialect, a bearer token for the others."""
    counts_tokens: bool | None = None
    """Whether it has its dialect's token counter; unset: only the `anthropic` dialect is thought to."""

    @field_validator("base_url")
    @classmethod
    def _is_a_server(cls, url: str) -> str:
        if not _PRINTABLE.fullmatch(url):
            raise ValueError("must hold no spaces and no control characters")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not _HOST.fullmatch(parts.hostname or "") or not _has_port(parts):
            raise ValueError("must be an http or https URL")
        if parts.username or parts.password or "?" in url or "#" in url:
            raise ValueError("must hold no user, password, query or fragment")
        if parts.path.rstrip("/").endswith(_ENDPOINTS):
            raise ValueError("must end before the endpoint, with or without /v1")
        return url.rstrip("/")

    @field_validator("api_key_file")
    @classmethod
    def _is_a_path(cls, path: Path | None) -> Path | None:
        if path is not None and "\0" in str(path):
            raise ValueError("must be a path")
        return path

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.api_key_env and self.api_key_file:
            raise ValueError("give either api_key_env or api_key_file, not both")
        if urlsplit(self.base_url).scheme == "http" and self.covered_by is not Cover.SELF_HOSTED:
            raise ValueError("plain http is only for self-hosted servers on a network of yours")
        if self.counts_tokens and self.dialect is Dialect.OPENAI_CHAT:
            raise ValueError("the openai_chat dialect has no token counter")
        return self


class ModelEntry(_Entry):
    """A model, and the provider that serves it. Prices are micro-US-dollars per million tokens."""

    id: ModelName
    display_name: str | None = Field(default=None, min_length=1, max_length=128)
    provider: _Id
    upstream: _UpstreamId | None = None
    aliases: tuple[ModelName, ...] = ()
    family: Literal["haiku", "sonnet", "opus", "gpt", "other"] = "other"
    tier: Tier = Tier.STANDARD
    context_tokens: _Tokens
    max_output_tokens: _Tokens
    abilities: frozenset[Ability]
    efforts: frozenset[Effort] = frozenset()
    ratio_milli: Ratio
    cache_read_ratio_milli: CacheRatio | None = None
    prices: Prices | None = None
    price_changes: tuple[PriceChange, ...] = Field(default=(), max_length=100)
    equivalents: tuple[ModelName, ...] = Field(default=(), max_length=8)
    created_at: Instant = datetime(1970, 1, 1, tzinfo=UTC)
    retired_at: Instant | None = None
    recommended_replacement: ModelName | None = None

    @field_validator("equivalents")
    @classmethod
    def _are_told_once(cls, equivalents: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(equivalents)) < len(equivalents):
            raise ValueError("must name each model once")
        return equivalents

    @field_validator("price_changes")
    @classmethod
    def _follow_each_other(cls, changes: tuple[PriceChange, ...]) -> tuple[PriceChange, ...]:
        if any(later.effective_at <= earlier.effective_at for earlier, later in pairwise(changes)):
            raise ValueError("must each take effect later than the one before")
        return changes

    @model_validator(mode="after")
    def _fits_its_context(self) -> Self:
        if self.max_output_tokens > self.context_tokens:
            raise ValueError("max_output_tokens must be at most context_tokens")
        return self

    @property
    def names(self) -> frozenset[str]:
        return frozenset({self.id, self.upstream or self.id, *self.aliases})


class CatalogFile(_Entry):
    """`amendments` replace fields of shipped models, by model id."""

    providers: tuple[ProviderEntry, ...] = ()
    models: tuple[ModelEntry, ...] = ()
    amendments: dict[str, dict[str, JsonValue]] = {}
