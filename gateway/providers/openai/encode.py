"""A conversation as the body of OpenAI's Responses API.

Every request says `store: false`: nothing of a patient may rest at the vendor.
What the API cannot do was refused before (`gateway.providers.abilities`).
Prompt-cache breakpoints are not sent: they are hints, and this vendor caches
by itself.
"""

from collections.abc import Iterable
from hashlib import sha256

import orjson
from pydantic import JsonValue

from gateway.catalog import Ability, Model
from gateway.conversation import ClientTool, Conversation, Sampling, Text, Tool, ToolChoice
from gateway.providers.abilities import LEAST_OUTPUT_TOKENS, sampling_fields
from gateway.providers.openai.items import encode_turns

Json = dict[str, JsonValue]

_TOOL_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_SERVICE_TIERS = {"standard_only": "default"}
"""Anthropic's names that this vendor has under another one."""


def encode_request(conversation: Conversation, model: Model, *, stream: bool) -> bytes:
    """The body of `POST /v1/responses`."""
    sampling = conversation.sampling
    most = max(LEAST_OUTPUT_TOKENS, sampling.max_tokens)
    body: Json = {"model": model.upstream, "store": False, "max_output_tokens": most}
    if stream:
        body["stream"] = True
    if Ability.THINKING in model.abilities:
        # The only way to have reasoning back without the vendor keeping it.
        body["include"] = ["reasoning.encrypted_content"]
    body |= sampling_fields(sampling, model) | _modes(sampling)
    if sampling.service_tier is not None and model.can(Ability.SERVICE_TIER):
        body["service_tier"] = _SERVICE_TIERS.get(sampling.service_tier, sampling.service_tier)
    if conversation.end_user is not None:
        # Hashed, as the vendor asks: it takes 64 characters, and has no use for who it is.
        body["safety_identifier"] = sha256(conversation.end_user.encode()).hexdigest()
    return orjson.dumps(body | encode_told(conversation))


def encode_count(conversation: Conversation, model: Model) -> bytes:
    """The body of `POST /v1/responses/input_tokens`."""
    return orjson.dumps({"model": model.upstream} | _modes(conversation.sampling) | encode_told(conversation))


def encode_told(conversation: Conversation) -> Json:
    """What the vendor counts tokens of, the growing part last."""
    body: Json = {}
    if conversation.tool_choice is not None:
        body |= _tool_choice(conversation.tool_choice)
    if conversation.tools:
        body["tools"] = [_tool(tool) for tool in conversation.tools if not isinstance(tool, ClientTool)]
    if conversation.system:
        body["instructions"] = _joined(conversation.system)
    body["input"] = encode_turns(conversation.turns)
    return body


def _modes(sampling: Sampling) -> Json:
    modes: Json = {}
    reasoning = _reasoning(sampling)
    if reasoning:
        modes["reasoning"] = reasoning
    if sampling.output_schema is not None:
        schema: Json = {"type": "json_schema", "name": "answer", "schema": dict(sampling.output_schema), "strict": True}
        modes["text"] = {"format": schema}
    return modes


def _reasoning(sampling: Sampling) -> Json:
    thinking, effort = sampling.thinking, sampling.effort
    if thinking is None:
        return {} if effort is None else {"effort": effort}
    if thinking.type == "disabled":
        return {"effort": "none"}
    reasoning: Json = {} if effort is None else {"effort": effort}
    if thinking.display != "omitted":
        reasoning["summary"] = "auto"
    return reasoning


def _tool_choice(choice: ToolChoice) -> Json:
    encoded: Json = {}
    if choice.type == "tool":
        encoded["tool_choice"] = {"type": "function", "name": choice.name}
    else:
        encoded["tool_choice"] = _TOOL_CHOICES[choice.type]
    if choice.disable_parallel is not None:
        encoded["parallel_tool_calls"] = not choice.disable_parallel
    return encoded


def _tool(tool: Tool) -> Json:
    encoded: Json = {"type": "function", "name": tool.name}
    if tool.description is not None:
        encoded["description"] = tool.description
    # Left out, `strict` means true here and false everywhere else.
    encoded["parameters"], encoded["strict"] = dict(tool.schema), bool(tool.strict)
    return encoded


def _joined(texts: Iterable[Text]) -> str:
    return "\n\n".join(block.text for block in texts)
