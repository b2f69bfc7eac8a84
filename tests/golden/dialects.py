"""The dialects that goldens are recorded in. A new one is one more line here, and its folders of vendor answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from gateway.baa.template import Cover
from gateway.catalog import Ability, Dialect, Model, ProviderSpec
from gateway.completion import Completion
from gateway.providers.anthropic.client import AnthropicProvider
from gateway.providers.anthropic.decode import decode_completion as decode_message
from gateway.providers.anthropic.stream import AnthropicFrames
from gateway.providers.chat.client import ChatProvider
from gateway.providers.chat.decode import decode_completion as decode_chat
from gateway.providers.chat.stream import ChatFrames
from gateway.providers.frames import FrameDecoder
from gateway.providers.openai.client import OpenAiProvider
from gateway.providers.openai.decode import decode_completion as decode_response
from gateway.providers.openai.stream import OpenAiFrames
from gateway.providers.provider import Provider
from gateway.providers.transport import Transport
from tests.unit.providers.cases import CLAUDE, GPT, conversation

ASKED_TOKENS = 7
"""The input that decoders are told to assume where a stream counts it only at its end."""

SELF_HOSTED: Model = GPT.model_copy(
    update={
        "id": "qwen3-8b",
        "upstream": "Qwen/Qwen3-8B",
        "aliases": (),
        "provider": "golden",
        "dialect": Dialect.OPENAI_CHAT,
        "family": "other",
        "efforts": frozenset({"none", "low", "medium", "high"}),
        "abilities": frozenset(
            {
                Ability.SAMPLING,
                Ability.STOP_SEQUENCES,
                Ability.STRUCTURED_OUTPUT,
                Ability.THINKING,
                Ability.TOOLS,
                Ability.TOP_K,
                Ability.VISION,
            }
        ),
    }
)


@dataclass(frozen=True, slots=True)
class WireDialect:
    """One vendor's wire: who speaks it, about which model, and its two decoders."""

    model: Model
    client: Callable[[Transport, ProviderSpec], Provider]
    decode: Callable[[bytes], Completion]
    frames: Callable[[], FrameDecoder]


DIALECTS: Mapping[Dialect, WireDialect] = {
    Dialect.ANTHROPIC: WireDialect(CLAUDE, AnthropicProvider, decode_message, AnthropicFrames),
    Dialect.OPENAI: WireDialect(GPT, OpenAiProvider, decode_response, lambda: OpenAiFrames(ASKED_TOKENS)),
    Dialect.OPENAI_CHAT: WireDialect(
        SELF_HOSTED,
        ChatProvider,
        lambda body: decode_chat(body, conversation(), SELF_HOSTED),
        lambda: ChatFrames(conversation(), SELF_HOSTED),
    ),
}


def provider_at(url: str, dialect: Dialect, transport: Transport) -> Provider:
    """The client of `dialect`, for a vendor at `url`."""
    spec = ProviderSpec(
        id="golden",
        display_name="Golden",
        dialect=dialect,
        base_url=url,
        covered_by=Cover.SELF_HOSTED,
        api_key=SecretStr("a-key"),
    )
    return DIALECTS[dialect].client(transport, spec)
