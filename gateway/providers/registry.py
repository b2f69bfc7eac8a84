"""Which upstream answers for a model: the vendor, or the sandbox that stands in for it."""

from collections.abc import Mapping
from types import TracebackType
from typing import Literal, Self

from pydantic import SecretStr

from gateway.catalog import Model
from gateway.errors import UnavailableError
from gateway.providers.anthropic.client import AnthropicProvider
from gateway.providers.openai.client import OpenAiProvider
from gateway.providers.provider import Provider
from gateway.providers.transport import Transport
from gateway.settings import Settings
from gateway.tenancy import KeyMode

VendorName = Literal["anthropic", "openai"]

_PROVIDERS: Mapping[VendorName, type[AnthropicProvider | OpenAiProvider]] = {
    "anthropic": AnthropicProvider,
    "openai": OpenAiProvider,
}
# The sandbox asks for a key as the vendors do, and takes any: no real one may reach it.
_SANDBOX_KEY = SecretStr("sandbox")


class Providers:
    """Every upstream of one process. Use as an async context manager, or `open` and `close` it.

    A test key reaches the sandbox and nothing else (spec O8). A live key
    reaches the vendor when its API key is configured, else the sandbox.
    """

    def __init__(
        self, transport: Transport, vendors: Mapping[VendorName, Provider], sandbox: Mapping[VendorName, Provider]
    ) -> None:
        self._transport = transport
        self._vendors = vendors
        self._sandbox = sandbox

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        transport = Transport(settings)
        configured: list[tuple[VendorName, str, SecretStr | None]] = [
            ("anthropic", settings.anthropic_base_url, settings.anthropic_api_key),
            ("openai", settings.openai_base_url, settings.openai_api_key),
        ]
        vendors: dict[VendorName, Provider] = {
            name: _PROVIDERS[name](transport, url, key) for name, url, key in configured if key is not None
        }
        sandbox: dict[VendorName, Provider] = {}
        if settings.sandbox_url is not None:
            sandbox = {name: make(transport, settings.sandbox_url, _SANDBOX_KEY) for name, make in _PROVIDERS.items()}
        return cls(transport, vendors, sandbox)

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
        """Who answers. Raises `UnavailableError` when neither the vendor nor the sandbox is configured for the key."""
        upstreams = self._sandbox if self.is_sandboxed(model, mode) else self._vendors
        provider = upstreams.get(model.provider)
        if provider is None:
            raise UnavailableError("No upstream is configured for this model.", param="model")
        return provider

    def is_sandboxed(self, model: Model, mode: KeyMode) -> bool:
        """Whether the answer is made up by the sandbox; every answer says so in a header."""
        return mode is not KeyMode.LIVE or model.provider not in self._vendors
