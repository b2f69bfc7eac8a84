"""Anthropic's Messages API."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from pydantic import SecretStr
from yarl import URL

from gateway.catalog import Model
from gateway.completion import Completion
from gateway.conversation import Conversation
from gateway.providers.anthropic.decode import decode_completion, decode_count
from gateway.providers.anthropic.encode import encode_count, encode_request
from gateway.providers.anthropic.errors import error_of_answer
from gateway.providers.anthropic.stream import AnthropicFrames
from gateway.providers.frames import EventStream
from gateway.providers.transport import Transport, Vendor

# The version that still takes `temperature` and its kin; the fields we send mean the same in later ones.
_VERSION = "2023-06-01"


class AnthropicProvider:
    """The `Provider` for Anthropic, or for anything that speaks its Messages API at `base_url`."""

    def __init__(self, transport: Transport, base_url: str, api_key: SecretStr) -> None:
        self._transport = transport
        self._messages_url = URL(f"{base_url}/v1/messages")
        self._count_url = URL(f"{base_url}/v1/messages/count_tokens")
        self._vendor = Vendor(
            name="anthropic",
            request_id_header="request-id",
            error_of_answer=error_of_answer,
            headers={"x-api-key": api_key.get_secret_value(), "anthropic-version": _VERSION},
        )

    async def complete(self, conversation: Conversation, model: Model) -> Completion:
        body = encode_request(conversation, model, stream=False)
        return decode_completion(await self._transport.fetch(self._vendor, self._messages_url, body))

    @asynccontextmanager
    async def stream(self, conversation: Conversation, model: Model) -> AsyncGenerator[EventStream]:
        body = encode_request(conversation, model, stream=True)
        async with self._transport.post(self._vendor, self._messages_url, body, stream=True) as response:
            yield await EventStream.start(response, AnthropicFrames())

    async def count_tokens(self, conversation: Conversation, model: Model) -> int:
        body = encode_count(conversation, model)
        return decode_count(await self._transport.fetch(self._vendor, self._count_url, body))
