"""Messages bodies to calls, and answers to Anthropic's message objects."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from api.anthropic.bodies import Reader, strict
from api.anthropic.schemas import CountTokensRequest, CreateMessageRequest
from api.content import metering, reading
from gateway import ids
from gateway.completion import Completion, Finishing, Usage
from gateway.conversation import Conversation, Sampling
from gateway.inference.call import Answer
from gateway.inference.replay import Replay
from gateway.transcript import dump_block, dump_stop_details


@dataclass(frozen=True, slots=True)
class Parsed:
    """A request as our words. `ignored` names fields that were taken and not forwarded."""

    model: str
    conversation: Conversation
    stream: bool = False
    ignored: tuple[str, ...] = field(default=())


def create_message(body: bytes, *, read: Reader = strict) -> Parsed:
    request, ignored = read(body, CreateMessageRequest)
    return Parsed(
        model=request.model,
        conversation=_conversation(
            request,
            Sampling(
                max_tokens=request.max_tokens,
                temperature=request.temperature,
                top_p=request.top_p,
                top_k=request.top_k,
                stop_sequences=tuple(request.stop_sequences or ()),
                thinking=reading.thinking(request.thinking),
                effort=request.output_config.effort if request.output_config else None,
                output_schema=_output_schema(request),
                service_tier=request.service_tier,
                inference_geo=request.inference_geo,
            ),
            end_user=request.metadata.user_id if request.metadata else None,
        ),
        stream=bool(request.stream),
        ignored=ignored,
    )


def count_tokens(body: bytes, *, read: Reader = strict) -> Parsed:
    request, ignored = read(body, CountTokensRequest)
    sampling = Sampling(
        max_tokens=1,
        thinking=reading.thinking(request.thinking),
        effort=request.output_config.effort if request.output_config else None,
        output_schema=_output_schema(request),
    )
    return Parsed(model=request.model, conversation=_conversation(request, sampling), ignored=ignored)


def _conversation(
    request: CreateMessageRequest | CountTokensRequest, sampling: Sampling, *, end_user: str | None = None
) -> Conversation:
    system, system_plain = reading.system(request.system)
    return Conversation(
        turns=tuple(map(reading.turn, request.messages)),
        sampling=sampling,
        system=system,
        system_plain=system_plain,
        tools=tuple(map(reading.tool, request.tools or ())),
        tool_choice=reading.tool_choice(request.tool_choice),
        end_user=end_user,
        cache=reading.cache(request.cache_control),
    )


def _output_schema(request: CreateMessageRequest | CountTokensRequest) -> dict[str, JsonValue] | None:
    config = request.output_config
    return config.format.schema_ if config and config.format else None


def message(answer: Answer | Replay) -> dict[str, Any]:
    """`plain_message`, with our `meta` beside what Anthropic's SDKs read."""
    completion = answer.completion
    return {
        **plain_message(answer),
        "meta": {
            "request_id": ids.request_id(answer.call.id),
            "usage": metering.usage_lines(answer.model.id, completion.usage, answer.charge, answer.cost_micro_usd),
        },
    }


def plain_message(answer: Answer | Replay) -> dict[str, Any]:
    """Anthropic's message object."""
    completion = answer.completion
    return {
        "id": ids.message_id(answer.call.id),
        "type": "message",
        "role": "assistant",
        "model": answer.call.model,
        "content": [dump_block(block) for block in completion.blocks],
        "container": None,
        "diagnostics": None,
        **stopped(completion),
        "usage": metering.anthropic_usage(completion.usage),
    }


def stopped(ending: Completion | Finishing) -> dict[str, Any]:
    """Why the answer ends: what a message and a stream's `message_delta` say in the same fields."""
    return {
        "stop_reason": ending.stop_reason.value,
        "stop_sequence": ending.stop_sequence,
        "stop_details": dump_stop_details(ending.stop_details),
    }


def opening_message(message_id: str, model: str, usage: Usage) -> dict[str, Any]:
    """The message object as `message_start` has it: nothing said yet."""
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "container": None,
        "diagnostics": None,
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "usage": metering.anthropic_usage(usage),
    }
