"""Anthropic's Messages API."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from yarl import URL

from gateway.catalog import Model, ProviderSpec
from gateway.completion import Completion
from gateway.conversation import Conversation
from gateway.providers.anthropic.decode import decode_completion, decode_count
from gateway.providers.anthropic.encode import encode_count, encode_request
from gateway.providers.anthropic.errors import error_of_answer
from gateway.providers.anthropic.stream import AnthropicFrames
from gateway.providers.estimate import estimate_tokens
from gateway.providers.frames import EventStream
from gateway.providers.transport import Transport, Vendor

# The version that still takes `temperature` and its kin; the fields we send mean the same in later ones.
_VERSION = "2023-06-01"


class AnthropicProvider:
    """The `Provider` for Anthropic, or for anything else that speaks its Messages API."""

    def __init__(self, transport: Transport, spec: ProviderSpec) -> None:
        self._transport = transport
        self._messages_url = URL(spec.url("/messages"))
        self._counts_tokens = spec.counts_tokens
        self._count_url = URL(spec.url("/messages/count_tokens"))
        self._vendor = Vendor(
            name=spec.id,
            request_id_header="request-id",
            error_of_answer=error_of_answer,
            headers={**spec.key_headers, "anthropic-version": _VERSION},
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
        if not self._counts_tokens:
            return estimate_tokens(conversation)
        body = encode_count(conversation, model)
        return decode_count(await self._transport.fetch(self._vendor, self._count_url, body))
