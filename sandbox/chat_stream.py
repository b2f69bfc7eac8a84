"""A chat completion, as the chunks of its stream."""

from collections.abc import Iterator, Sequence

from sandbox.script import Script
from sandbox.wire import Frame, Json, data_only


def frames(completion: Json, script: Script, shown_as: Sequence[str], *, with_usage: bool) -> Iterator[Frame]:
    """`shown_as` names the fields that reasoning is streamed in; `with_usage` adds the chunk that counts tokens."""
    whole: Json = completion["choices"][0]
    message: Json = whole["message"]
    envelope = completion | {"object": "chat.completion.chunk"}
    del envelope["usage"]
    if with_usage:
        envelope["usage"] = None

    def chunk(delta: Json, said: str | None = None) -> Frame:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
        return data_only(envelope | {"choices": [choice]}, said=said)

    yield chunk({"role": "assistant", "content": None if message["content"] is None else "", "refusal": None})
    if shown_as:
        for piece in script.cut("\n\n".join(script.thoughts)):
            yield chunk(dict.fromkeys(shown_as, piece), piece)
    spoken = "content" if message["refusal"] is None else "refusal"
    for piece in script.pieces:
        yield chunk({spoken: piece}, piece)
    for delta, said in _call_deltas(message, script):
        yield chunk({"tool_calls": [delta]}, said)
    ended: Json = {**whole, "delta": {}}
    del ended["message"]
    yield data_only(envelope | {"choices": [ended]}, closing=True)
    if with_usage:
        yield data_only(envelope | {"choices": [], "usage": completion["usage"]})
    yield Frame(b"data: [DONE]\n\n")


def _call_deltas(message: Json, script: Script) -> Iterator[tuple[Json, str]]:
    """Each call opens with its name, and its arguments follow; the index tells parallel ones apart."""
    for index, call in enumerate(message.get("tool_calls", ())):
        yield {"index": index, **call, "function": {**call["function"], "arguments": ""}}, ""
        for piece in script.cut(call["function"]["arguments"]):
            yield {"index": index, "function": {"arguments": piece}}, piece
