"""A conversation as the body of a Chat Completions request, as self-hosted servers take it.

Those servers know `max_tokens`, not its successor. Prompt-cache breakpoints
are not sent: they are hints, and these servers cache prefixes by themselves.
What a model cannot do was refused before (`gateway.providers.abilities`); what
the dialect has no word for, whatever the catalog says of the model, is refused
here by the name of the parameter.
"""

from hashlib import sha256

import orjson
from pydantic import JsonValue

from gateway.catalog import Ability, Model
from gateway.conversation import ClientTool, Conversation, Sampling, Tool, ToolChoice
from gateway.providers.abilities import sampling_fields, unsupported
from gateway.providers.chat.messages import continues_answer, encode_messages
from gateway.providers.wire import without_none

Json = dict[str, JsonValue]

_TOOL_CHOICES = {"auto": "auto", "any": "required", "tool": "required", "none": "none"}
_SERVICE_TIERS = {"standard_only": "default"}
"""Anthropic's names that this dialect has under another one."""


def encode_request(conversation: Conversation, model: Model, *, stream: bool) -> bytes:
    """The body of `POST /v1/chat/completions`. Raises `ValidationFailedError` for what the dialect cannot say."""
    body: Json = {"model": model.upstream}
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    body |= _settings(conversation.sampling, model)
    if conversation.end_user is not None:
        # Hashed: a server that logs or limits by user has no use for who it is.
        body["user"] = sha256(conversation.end_user.encode()).hexdigest()
    if conversation.tool_choice is not None:
        body |= _tool_choice(conversation.tool_choice)
    if tools := _tools(conversation):
        body["tools"] = [_tool(tool) for tool in tools]
    if continues_answer(conversation):
        # In vLLM's words and SGLang's; llama.cpp and Ollama do so unasked.
        body |= {"add_generation_prompt": False, "continue_final_message": True}
    # The growing part last, so that a longer conversation begins with the bytes of the shorter.
    body["messages"] = encode_messages(conversation)
    return orjson.dumps(body)


def _settings(sampling: Sampling, model: Model) -> Json:
    _refuse_unsayable(sampling)
    # `top_k` among them is not OpenAI's, but of vLLM, llama.cpp and SGLang.
    return {"max_tokens": sampling.max_tokens, **sampling_fields(sampling, model)} | without_none(
        stop=list(sampling.stop_sequences) or None,
        reasoning_effort=_effort(sampling, model),
        response_format=_response_format(sampling),
        service_tier=_service_tier(sampling, model),
    )


def _refuse_unsayable(sampling: Sampling) -> None:
    if sampling.thinking is not None and sampling.thinking.budget_tokens is not None:
        raise unsupported("thinking.budget_tokens")
    if sampling.inference_geo is not None:
        raise unsupported("inference_geo")


def _service_tier(sampling: Sampling, model: Model) -> str | None:
    if sampling.service_tier is None or not model.can(Ability.SERVICE_TIER):
        return None
    return _SERVICE_TIERS.get(sampling.service_tier, sampling.service_tier)


def _effort(sampling: Sampling, model: Model) -> str | None:
    disabled = sampling.thinking is not None and sampling.thinking.type == "disabled"
    return "none" if disabled and sampling.effort is None and "none" in model.efforts else sampling.effort


def _response_format(sampling: Sampling) -> Json | None:
    if sampling.output_schema is None:
        return None
    schema: Json = {"name": "answer", "schema": dict(sampling.output_schema), "strict": True}
    return {"type": "json_schema", "json_schema": schema}


def _tool_choice(choice: ToolChoice) -> Json:
    encoded: Json = {"tool_choice": _TOOL_CHOICES[choice.type]}
    if choice.disable_parallel is not None:
        encoded["parallel_tool_calls"] = not choice.disable_parallel
    return encoded


def _tools(conversation: Conversation) -> tuple[Tool | ClientTool, ...]:
    """The tools to offer. One that must be called is offered alone: llama.cpp takes a choice by name for none."""
    choice = conversation.tool_choice
    if choice is None or choice.type != "tool":
        return conversation.tools
    return tuple(tool for tool in conversation.tools if tool.name == choice.name)


def _tool(tool: Tool | ClientTool) -> Json:
    if isinstance(tool, ClientTool):
        raise unsupported("tools")
    described = without_none(description=tool.description, parameters=_parameters(tool), strict=tool.strict)
    return {"type": "function", "function": {"name": tool.name, **described}}


def _parameters(tool: Tool) -> Json:
    """The schema of a tool's input, with the examples that the Messages API has beside it."""
    if not tool.examples:
        return dict(tool.schema)
    own = tool.schema.get("examples")
    examples: list[JsonValue] = [*(own if isinstance(own, list) else ()), *(dict(each) for each in tool.examples)]
    return {**tool.schema, "examples": examples}
