"""A conversation as the body of Anthropic's Messages API.

Everything that is the same from turn to turn comes first and `messages` last,
so that the body of a longer conversation starts with the bytes of the shorter
one: what the vendor's prompt cache, and a reader of two recordings, look for.
"""

import orjson
from pydantic import JsonValue

from gateway.catalog import Ability, Model
from gateway.conversation import (
    Block,
    ClientTool,
    Conversation,
    Sampling,
    Text,
    Thinking,
    ThinkingConfig,
    Tool,
    ToolChoice,
    Turn,
)
from gateway.packed_reasoning import is_openai_reasoning
from gateway.providers.abilities import sampling_fields
from gateway.providers.call_ids import with_fitted_id
from gateway.providers.wire import without_none
from gateway.transcript import dump_cache, dump_content

Json = dict[str, JsonValue]


def encode_request(conversation: Conversation, model: Model, *, stream: bool) -> bytes:
    """The body of `POST /v1/messages`. Raises `ValidationFailedError` for what the model cannot be asked."""
    sampling = conversation.sampling
    body: Json = {"model": model.upstream, "max_tokens": sampling.max_tokens}
    if stream:
        body["stream"] = True
    body |= sampling_fields(sampling, model)
    if sampling.stop_sequences:
        body["stop_sequences"] = list(sampling.stop_sequences)
    if sampling.service_tier is not None and model.can(Ability.SERVICE_TIER):
        body["service_tier"] = sampling.service_tier
    if sampling.inference_geo is not None:
        body["inference_geo"] = sampling.inference_geo
    if conversation.end_user is not None:
        body["metadata"] = {"user_id": conversation.end_user}
    return orjson.dumps(body | _told(conversation))


def encode_count(conversation: Conversation, model: Model) -> bytes:
    """The body of `POST /v1/messages/count_tokens`."""
    return orjson.dumps({"model": model.upstream} | _told(conversation))


def _told(conversation: Conversation) -> Json:
    """What the vendor counts tokens of, the messages last."""
    body = _modes(conversation.sampling)
    if conversation.cache is not None:
        body["cache_control"] = dump_cache(conversation.cache)
    if conversation.tool_choice is not None:
        body["tool_choice"] = _tool_choice(conversation.tool_choice)
    if conversation.tools:
        body["tools"] = [_tool(tool) for tool in conversation.tools]
    if conversation.system:
        body["system"] = dump_content(conversation.system, plain=conversation.system_plain)
    body["messages"] = [message for turn in conversation.turns if (message := _message(turn)) is not None]
    return body


def _modes(sampling: Sampling) -> Json:
    modes: Json = {}
    if sampling.thinking is not None:
        modes["thinking"] = _thinking_config(sampling.thinking)
    output = without_none(effort=sampling.effort)
    if sampling.output_schema is not None:
        output["format"] = {"type": "json_schema", "schema": dict(sampling.output_schema)}
    if output:
        modes["output_config"] = output
    return modes


def _thinking_config(config: ThinkingConfig) -> Json:
    return without_none(type=config.type, budget_tokens=config.budget_tokens, display=config.display)


def _tool_choice(choice: ToolChoice) -> Json:
    return without_none(type=choice.type, name=choice.name, disable_parallel_tool_use=choice.disable_parallel)


def _tool(tool: Tool | ClientTool) -> Json:
    if isinstance(tool, ClientTool):
        encoded: Json = {"type": tool.type, "name": tool.name, **tool.options}
    else:
        encoded = without_none(name=tool.name, description=tool.description)
        encoded["input_schema"] = dict(tool.schema)
        encoded |= without_none(strict=tool.strict, eager_input_streaming=tool.eager_streaming)
        if tool.examples:
            encoded["input_examples"] = [dict(example) for example in tool.examples]
    if tool.cache is not None:
        encoded["cache_control"] = dump_cache(tool.cache)
    return encoded


def _message(turn: Turn) -> Json | None:
    """A turn, or None for one of the model's that holds nothing the vendor takes back."""
    blocks = turn.blocks
    if turn.role == "assistant":
        blocks = tuple(block for block in blocks if _is_taken_back(block))
    if turn.blocks and not blocks:
        return None
    return {"role": turn.role, "content": dump_content(map(with_fitted_id, blocks), plain=turn.plain)}


def _is_taken_back(block: Block) -> bool:
    match block:
        case Thinking():
            # Only the vendor that signed reasoning can verify it, and a cut stream's is unsigned: both answer 400.
            return block.signature != "" and not is_openai_reasoning(block.signature)
        case Text():
            # The vendor says empty texts, before a tool call say, and refuses to hear them.
            return block.text != ""
        case _:
            return True
