"""A plain Chat Completions answer as our types, by the rules of the stream: a message is one large delta."""

from gateway.catalog import Model
from gateway.completion import Completion, CompletionFold
from gateway.conversation import Conversation
from gateway.providers.chat.stream import ChatFrames
from gateway.providers.wire import WireObject, child, children, parse_object


def decode_completion(body: bytes, conversation: Conversation, model: Model) -> Completion:
    """A whole answer to `conversation`. Raises the error that came in its place, and `UpstreamFailureError`."""
    answer = parse_object(body)
    choices: list[WireObject] = [choice | {"delta": _delta(choice)} for choice in children(answer, "choices")]
    folded = CompletionFold()
    for event in ChatFrames(conversation, model).decode_whole(answer | {"choices": choices}):
        folded.add(event)
    return folded.completion()


def _delta(choice: WireObject) -> WireObject:
    message = child(choice, "message")
    # Numbered by place: the list is whole, whatever numbers the server gave.
    calls = [call | {"index": at} for at, call in enumerate(children(message, "tool_calls"))]
    return message | {"tool_calls": calls}
