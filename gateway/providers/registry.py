"""Which upstream answers for a model: its provider, or the sandbox that stands in for it."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import SecretStr

from gateway.baa.template import Cover
from gateway.catalog import Catalog, Dialect, Model, ProviderSpec, read_catalog
from gateway.catalog.reading import key_files, shipped_providers
from gateway.errors import UnavailableError
from gateway.providers.anthropic.client import AnthropicProvider
from gateway.providers.chat.client import ChatProvider
from gateway.providers.openai.client import OpenAiProvider
from gateway.providers.provider import Provider
from gateway.providers.transport import Transport
from gateway.settings import Settings
from gateway.tenancy import KeyMode

_CLIENTS: Mapping[Dialect, type[AnthropicProvider | OpenAiProvider | ChatProvider]] = {
    Dialect.ANTHROPIC: AnthropicProvider,
    Dialect.OPENAI: OpenAiProvider,
    Dialect.OPENAI_CHAT: ChatProvider,
}
# The sandbox asks for a key as the vendors do, and takes any: no real one may reach it.
_SANDBOX_KEY = SecretStr("sandbox")


def configured_catalog(settings: Settings) -> Catalog:
    """The catalog of this installation, with the keys of its providers. Raises `CatalogError`."""
    own = {
        "anthropic": {"base_url": settings.anthropic_base_url, "api_key": settings.anthropic_api_key},
        "openai": {"base_url": settings.openai_base_url, "api_key": settings.openai_api_key},
    }
    shipped = [provider.model_copy(update=own[provider.id]) for provider in shipped_providers()]
    return read_catalog(settings.catalog_file, shipped=shipped, environment=os.environ.get)


def catalog_files(settings: Settings) -> tuple[Path, ...]:
    """Every file that `configured_catalog` reads."""
    return (settings.catalog_file, *key_files(settings.catalog_file)) if settings.catalog_file else ()


class Providers:
    """Every upstream of one process. Use as an async context manager, or `open` and `close` it.

    A test key reaches the sandbox and nothing else (spec O8). A live key
    reaches the model's provider, or the sandbox while a provider that needs a
    key has none. A provider that the catalog changes is met as it is then by
    calls that begin later; one that left, or that has another cover or dialect
    than a call was admitted for, is not met at all.
    """

    def __init__(self, transport: Transport, catalog: Catalog, sandbox_url: str | None) -> None:
        self._transport = transport
        self._catalog = catalog
        self._sandbox = {dialect: stand_in(dialect, sandbox_url) for dialect in Dialect} if sandbox_url else {}
        self._clients: dict[ProviderSpec, Provider] = {}

    @classmethod
    def from_settings(cls, settings: Settings, catalog: Catalog | None = None) -> Self:
        return cls(Transport(settings), catalog or configured_catalog(settings), settings.sandbox_url)

    async def open(self) -> None:
        await self._transport.open()

    async def close(self) -> None:
        await self._transport.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def provider_for(self, model: Model, mode: KeyMode) -> Provider:
        """Who answers. Raises `UnavailableError` when neither the provider nor the sandbox can."""
        spec = self._upstream(model, mode)
        if spec is None:
            raise UnavailableError("No upstream is configured for this model.", param="model")
        if spec not in self._clients:
            self._clients = {known: client for known, client in self._clients.items() if self._is_current(known)}
            self._clients[spec] = _CLIENTS[spec.dialect](self._transport, spec)
        return self._clients[spec]

    def serves(self, model: Model, mode: KeyMode) -> bool:
        """Whether `provider_for` has anybody."""
        return self._upstream(model, mode) is not None

    def is_sandboxed(self, model: Model, mode: KeyMode) -> bool:
        """Whether the answer is made up by the sandbox; every answer says so in a header."""
        spec = self._catalog.provider(model.provider)
        return mode is not KeyMode.LIVE or (spec is not None and not spec.is_configured)

    def _upstream(self, model: Model, mode: KeyMode) -> ProviderSpec | None:
        if self.is_sandboxed(model, mode):
            return self._sandbox.get(model.dialect)
        spec = self._catalog.provider(model.provider)
        return spec if spec and _is_as_admitted(spec, model) else None

    def _is_current(self, spec: ProviderSpec) -> bool:
        return spec in self._catalog.providers or spec in self._sandbox.values()


def _is_as_admitted(spec: ProviderSpec, model: Model) -> bool:
    """Whether `spec` is still what `model` was when the call's agreement and abilities were held against it."""
    return spec.dialect is model.dialect and spec.covered_by == model.covered_by


def stand_in(dialect: Dialect, url: str) -> ProviderSpec:
    """The sandbox at `url`, as a provider that speaks `dialect`."""
    return ProviderSpec(
        id="sandbox",
        display_name="Sandbox",
        dialect=dialect,
        base_url=url,
        covered_by=Cover.SELF_HOSTED,
        api_key=_SANDBOX_KEY,
        counts_tokens=dialect is not Dialect.OPENAI_CHAT,
    )
