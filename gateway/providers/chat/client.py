"""Chat Completions, as self-hosted servers speak it: vLLM, llama.cpp, Ollama, SGLang, LM Studio."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from yarl import URL

from gateway.catalog import Model, ProviderSpec
from gateway.completion import Completion
from gateway.conversation import Conversation
from gateway.providers.chat.decode import decode_completion
from gateway.providers.chat.encode import encode_request
from gateway.providers.chat.errors import error_of_answer
from gateway.providers.chat.stream import ChatFrames
from gateway.providers.estimate import estimate_tokens
from gateway.providers.frames import EventStream
from gateway.providers.transport import Transport, Vendor


class ChatProvider:
    """The `Provider` for a Chat Completions server. It counts tokens by an estimate: the dialect has no counter."""

    def __init__(self, transport: Transport, spec: ProviderSpec) -> None:
        self._transport = transport
        self._url = URL(spec.url("/chat/completions"))
        self._vendor = Vendor(
            name=spec.id,
            request_id_header="x-request-id",
            error_of_answer=error_of_answer,
            headers=spec.key_headers,
        )

    async def complete(self, conversation: Conversation, model: Model) -> Completion:
        body = encode_request(conversation, model, stream=False)
        return decode_completion(await self._transport.fetch(self._vendor, self._url, body), conversation, model)

    @asynccontextmanager
    async def stream(self, conversation: Conversation, model: Model) -> AsyncGenerator[EventStream]:
        body = encode_request(conversation, model, stream=True)
        async with self._transport.post(self._vendor, self._url, body, stream=True) as response:
            yield await EventStream.start(response, ChatFrames(conversation, model))

    async def count_tokens(self, conversation: Conversation, model: Model) -> int:  # noqa: ARG002 - the protocol's
        return estimate_tokens(conversation)
