"""Who serves models, and how it is spoken to."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from gateway.baa.template import Cover


class Dialect(StrEnum):
    """The wire format that a provider speaks."""

    ANTHROPIC = "anthropic"
    """Anthropic's Messages API."""
    OPENAI = "openai"
    """OpenAI's Responses API."""
    OPENAI_CHAT = "openai_chat"
    """OpenAI's Chat Completions API: what self-hosted servers have in common."""


KeyHeader = Literal["x-api-key", "authorization"]


class ProviderSpec(BaseModel):
    """One provider, as the catalog has it, its key resolved."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    display_name: str
    dialect: Dialect
    base_url: str
    """Without a trailing slash."""
    covered_by: Cover
    api_key: SecretStr | None = Field(default=None, repr=False)
    needs_key: bool = False
    """Whether it cannot be called without one: then the sandbox stands in for it."""
    key_header: KeyHeader | None = None
    """None: its dialect's own."""
    counts_tokens: bool = False
    """Whether it has a token counter; without one, tokens are estimated here."""

    @property
    def is_configured(self) -> bool:
        return self.api_key is not None or not self.needs_key

    @property
    def key_headers(self) -> dict[str, str]:
        """What says who we are; nothing for a server that asks for no key."""
        if self.api_key is None:
            return {}
        key = self.api_key.get_secret_value()
        header = self.key_header or ("x-api-key" if self.dialect is Dialect.ANTHROPIC else "authorization")
        return {header: key if header == "x-api-key" else f"Bearer {key}"}

    def url(self, path: str) -> str:
        """Where `path` of the API is (`/messages`). A base URL may be given with or without its `/v1`."""
        return f"{self.base_url.removesuffix('/v1')}/v1{path}"
