"""OpenAI's Responses API."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from yarl import URL

from gateway.catalog import Model, ProviderSpec
from gateway.completion import Completion
from gateway.conversation import Conversation
from gateway.providers.estimate import estimate_tokens
from gateway.providers.frames import EventStream
from gateway.providers.openai.decode import decode_completion, decode_count
from gateway.providers.openai.encode import encode_count, encode_request
from gateway.providers.openai.errors import error_of_answer
from gateway.providers.openai.stream import OpenAiFrames
from gateway.providers.transport import Transport, Vendor


class OpenAiProvider:
    """The `Provider` for OpenAI, or for anything else that speaks its Responses API."""

    def __init__(self, transport: Transport, spec: ProviderSpec) -> None:
        self._transport = transport
        self._url = URL(spec.url("/responses"))
        self._count_url = URL(spec.url("/responses/input_tokens"))
        self._counts_tokens = spec.counts_tokens
        self._vendor = Vendor(
            name=spec.id,
            request_id_header="x-request-id",
            error_of_answer=error_of_answer,
            headers=spec.key_headers,
        )

    async def complete(self, conversation: Conversation, model: Model) -> Completion:
        body = encode_request(conversation, model, stream=False)
        return decode_completion(await self._transport.fetch(self._vendor, self._url, body))

    @asynccontextmanager
    async def stream(self, conversation: Conversation, model: Model) -> AsyncGenerator[EventStream]:
        body = encode_request(conversation, model, stream=True)
        async with self._transport.post(self._vendor, self._url, body, stream=True) as response:
            # Estimated now that the request is under way, not before: the vendor is the one who is waited for.
            yield await EventStream.start(response, OpenAiFrames(estimate_tokens(conversation)))

    async def count_tokens(self, conversation: Conversation, model: Model) -> int:
        if not self._counts_tokens:
            return estimate_tokens(conversation)
        body = encode_count(conversation, model)
        return decode_count(await self._transport.fetch(self._vendor, self._count_url, body))
