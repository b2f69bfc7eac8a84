"""The vendors' own types as judges: a recording that their SDKs would not know is nonsense, whoever agrees with it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

import orjson
from anthropic.types import Message, MessageDeltaUsage, RawMessageStreamEvent
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming, MessageCreateParamsStreaming
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)
from pydantic import BaseModel, TypeAdapter

from gateway.catalog import Dialect

_SERVERS_OWN = frozenset({"add_generation_prompt", "continue_final_message", "top_k"})
"""Of vLLM, llama.cpp and SGLang, beyond OpenAI's."""

Json = dict[str, Any]
Judge = Callable[[Json], None]

_MESSAGE = TypeAdapter[Any](Message)
_MESSAGE_EVENT = TypeAdapter[Any](RawMessageStreamEvent)
_MESSAGE_REQUEST = TypeAdapter[Any](MessageCreateParamsNonStreaming)
_MESSAGE_STREAM_REQUEST = TypeAdapter[Any](MessageCreateParamsStreaming)
_RESPONSE = TypeAdapter[Any](Response)
_RESPONSE_EVENT = TypeAdapter[Any](ResponseStreamEvent)
_RESPONSE_REQUEST = TypeAdapter[Any](ResponseCreateParamsNonStreaming)
_RESPONSE_STREAM_REQUEST = TypeAdapter[Any](ResponseCreateParamsStreaming)
_CHAT = TypeAdapter[Any](ChatCompletion)
_CHUNK = TypeAdapter[Any](ChatCompletionChunk)
_CHAT_REQUEST = TypeAdapter[Any](CompletionCreateParamsNonStreaming)
_CHAT_STREAM_REQUEST = TypeAdapter[Any](CompletionCreateParamsStreaming)


def _is_answer_of(adapter: TypeAdapter[Any]) -> Judge:
    def judge(value: Json) -> None:
        assert not (unknown := sorted(_unknown_fields(adapter.validate_python(value)))), unknown

    return judge


def _is_request_of(whole: TypeAdapter[Any], streamed: TypeAdapter[Any]) -> Judge:
    def judge(value: Json) -> None:
        adapter = streamed if value.get("stream") else whole
        # What the types do not know is missing from what they read.
        assert _read(adapter.validate_python(value)) == value

    return judge


def _is_message_request(body: Json) -> None:
    # The types are of an API version that no longer samples; the one that we ask for does.
    told = {name: value for name, value in body.items() if name not in {"temperature", "top_p", "top_k"}}
    _is_request_of(_MESSAGE_REQUEST, _MESSAGE_STREAM_REQUEST)(told)


def _is_message_event(event: Json) -> None:
    # The SDK handles these two before its types.
    if event["type"] not in {"ping", "error"}:
        _is_answer_of(_MESSAGE_EVENT)(event)


def is_shown_event(event: Json) -> None:
    """One of ours. Its last usage repeats all of the first, for clients that look there only; the vendor's some."""
    if event["type"] == "message_delta":
        usage = {name: value for name, value in event["usage"].items() if name in MessageDeltaUsage.model_fields}
        event = event | {"usage": usage}
    _is_message_event(event)


def _is_response_request(body: Json) -> None:
    """By type, an assistant's words come back with the id and status of the stored message; the API needs neither."""
    items: list[Json] = [
        item | {"type": "message", "id": "msg_0", "status": "completed", "content": [*map(_annotated, item["content"])]}
        if item.get("role") == "assistant" and isinstance(item["content"], list)
        else item
        for item in body["input"]
    ]
    _is_request_of(_RESPONSE_REQUEST, _RESPONSE_STREAM_REQUEST)(body | {"input": items})


def _is_chat_request(body: Json) -> None:
    # Not OpenAI's, but of the servers that speak its dialect.
    told = {name: value for name, value in body.items() if name not in _SERVERS_OWN}
    _is_request_of(_CHAT_REQUEST, _CHAT_STREAM_REQUEST)(told)


def _is_chat(answer: Json) -> None:
    _is_answer_of(_CHAT)(answer | {"choices": [*map(_without_reasoning, answer["choices"])]})


def _is_chunk(chunk: Json) -> None:
    # An error comes in place of a chunk, and the SDK raises it before its types.
    if "error" not in chunk:
        _is_answer_of(_CHUNK)(chunk | {"choices": [*map(_without_reasoning, chunk["choices"])]})


def _without_reasoning(choice: Json) -> Json:
    """Self-hosted servers say it in a field that OpenAI's type does not have."""
    said = "message" if "message" in choice else "delta"
    return choice | {said: {name: value for name, value in choice[said].items() if name != "reasoning_content"}}


def _annotated(part: Json) -> Json:
    return part | {"annotations": []}


IS_REQUEST: Mapping[Dialect, Judge] = {
    Dialect.ANTHROPIC: _is_message_request,
    Dialect.OPENAI: _is_response_request,
    Dialect.OPENAI_CHAT: _is_chat_request,
}
IS_ANSWER: Mapping[Dialect, Judge] = {
    Dialect.ANTHROPIC: _is_answer_of(_MESSAGE),
    Dialect.OPENAI: _is_answer_of(_RESPONSE),
    Dialect.OPENAI_CHAT: _is_chat,
}
IS_EVENT: Mapping[Dialect, Judge] = {
    Dialect.ANTHROPIC: _is_message_event,
    Dialect.OPENAI: _is_answer_of(_RESPONSE_EVENT),
    Dialect.OPENAI_CHAT: _is_chunk,
}


def frames_of(stream: bytes) -> Iterator[Json]:
    """The JSON of each frame of a recorded stream."""
    for line in stream.splitlines():
        if line.startswith(b"data: {"):
            yield orjson.loads(line.removeprefix(b"data: "))


def _unknown_fields(value: object, path: str = "") -> Iterator[str]:
    """Paths of fields that the models in `value` do not declare."""
    if isinstance(value, BaseModel):
        yield from (f"{path}.{name}" for name in value.model_extra or ())
        for name in value.model_fields_set - (value.model_extra or {}).keys():
            yield from _unknown_fields(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[object]", value)):
            yield from _unknown_fields(item, f"{path}[{index}]")


def _read(value: Any) -> Any:
    """`value` as JSON again; pydantic validates some of its lists only as they are read here."""
    if isinstance(value, BaseModel):
        return {name: _read(getattr(value, name)) for name in value.model_fields_set - (value.model_extra or {}).keys()}
    if isinstance(value, dict):
        return {name: _read(held) for name, held in cast("dict[str, Any]", value).items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_read(item) for item in cast("Iterable[Any]", value)]
    return value
