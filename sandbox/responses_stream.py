"""A response of OpenAI's, as the events of its stream."""

from collections.abc import Iterator, Mapping

from sandbox.script import Script
from sandbox.wire import Frame, Json, event


def frames(answer: Json, script: Script) -> Iterator[Frame]:
    unsaid: Json = {"status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    closing = _closing(answer)
    for number, (name, fields) in enumerate(_steps(answer, answer | unsaid, script)):
        data = {"type": name, **fields, "sequence_number": number}
        said = fields["delta"] if name.endswith(".delta") else None
        yield event(name, data, said=said, closing=name == closing)


def _steps(answer: Json, started: Json, script: Script) -> Iterator[tuple[str, Json]]:
    yield "response.created", {"response": started}
    yield "response.in_progress", {"response": started}
    for at, item in enumerate(answer["output"]):
        opened: Json = {**item, "status": "in_progress", **_UNSAID[item["type"]]}
        opened.pop("encrypted_content", None)
        yield "response.output_item.added", {"output_index": at, "item": opened}
        yield from _STEPS[item["type"]](item, at, script)
        yield "response.output_item.done", {"output_index": at, "item": item}
    yield _closing(answer), {"response": answer}


def _closing(answer: Json) -> str:
    return f"response.{answer['status']}"


def _message_steps(item: Json, at: int, script: Script) -> Iterator[tuple[str, Json]]:
    part = item["content"][0]
    place = {"item_id": item["id"], "output_index": at, "content_index": 0}
    refused = part["type"] == "refusal"
    field, name = ("refusal", "response.refusal") if refused else ("text", "response.output_text")
    logprobs: Json = {} if refused else {"logprobs": []}
    yield "response.content_part.added", {**place, "part": part | {field: ""}}
    for piece in script.pieces:
        yield f"{name}.delta", {**place, "delta": piece, **logprobs}
    yield f"{name}.done", {**place, field: part[field], **logprobs}
    yield "response.content_part.done", {**place, "part": part}


def _call_steps(item: Json, at: int, script: Script) -> Iterator[tuple[str, Json]]:
    place = {"item_id": item["id"], "output_index": at}
    for piece in script.cut(item["arguments"]):
        yield "response.function_call_arguments.delta", {**place, "delta": piece}
    done = {**place, "arguments": item["arguments"], "name": item["name"]}
    yield "response.function_call_arguments.done", done


def _reasoning_steps(item: Json, at: int, script: Script) -> Iterator[tuple[str, Json]]:
    for number, part in enumerate(item["summary"]):
        place = {"item_id": item["id"], "output_index": at, "summary_index": number}
        yield "response.reasoning_summary_part.added", {**place, "part": part | {"text": ""}}
        for piece in script.cut(part["text"]):
            yield "response.reasoning_summary_text.delta", {**place, "delta": piece}
        yield "response.reasoning_summary_text.done", {**place, "text": part["text"]}
        yield "response.reasoning_summary_part.done", {**place, "part": part}


_UNSAID: Mapping[str, Json] = {
    "message": {"content": []},
    "function_call": {"arguments": ""},
    "reasoning": {"summary": []},
}
_STEPS = {"message": _message_steps, "function_call": _call_steps, "reasoning": _reasoning_steps}
