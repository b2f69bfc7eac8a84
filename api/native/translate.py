"""`/v1/ai/chat` bodies to calls, answers and records to native objects (spec B1, D16, D21, D23)."""

from dataclasses import dataclass
from typing import Any

from api.content import metering, reading
from api.native.schemas import DEFAULT_MAX_TOKENS, DEFAULT_MODEL, ChatRequest
from api.validation import read_object, refused_tool, unknown_field, validated
from gateway import ids
from gateway.completion import Completion
from gateway.conversation import Conversation, Sampling, Text, Turn
from gateway.errors import GatewayError, NotFoundError, ValidationFailedError
from gateway.ids import ConversationId, find_ulid
from gateway.inference.call import Answer, Call
from gateway.inference.replay import Replay
from gateway.phi.report import PhiReport
from gateway.transcript import dump_block, dump_stop_details


@dataclass(frozen=True, slots=True)
class Parsed:
    model: str
    conversation: Conversation
    stream: bool
    store: bool
    thread: ConversationId | None
    """The conversation to continue."""
    as_message: bool
    """Whether the turn came as `message`."""
    names_end_user: bool
    """Whether the person came as `end_user`."""


def chat(body: bytes) -> Parsed:
    """Raises `ValidationFailedError`, or `NotFoundError` for a conversation id that cannot be one."""
    value = read_object(body)
    for name in value:
        if name not in ChatRequest.model_fields:
            raise unknown_field("", name, ValidationFailedError)
    if refusal := refused_tool(value, unknown=ValidationFailedError):
        raise refusal
    request = validated(ChatRequest, value, unknown=ValidationFailedError)
    system, system_plain = reading.system(request.system)
    return Parsed(
        model=request.model or DEFAULT_MODEL,
        conversation=Conversation(
            turns=_turns(request),
            sampling=_sampling(request),
            system=system,
            system_plain=system_plain,
            tools=tuple(map(reading.tool, request.tools or ())),
            tool_choice=reading.tool_choice(request.tool_choice),
            end_user=_end_user(request),
        ),
        stream=request.stream is not False,
        store=request.store is not False,
        thread=_thread(request.conversation_id),
        as_message=request.message is not None,
        names_end_user=request.end_user is not None,
    )


def named_as_sent(error: GatewayError, parsed: Parsed) -> GatewayError:
    """`error` with `message` or `end_user` for its `param` when that is where its turn or its person came from."""
    if parsed.as_message and error.param and error.param.startswith("messages[0]"):
        error.param = "message"
    if parsed.names_end_user and error.param == "metadata.user_id":
        error.param = "end_user"
    return error


def _end_user(request: ChatRequest) -> str | None:
    in_metadata = request.metadata.user_id if request.metadata else None
    if request.end_user is not None and in_metadata not in (None, request.end_user):
        raise ValidationFailedError("`end_user` and `metadata.user_id` name two people.", param="end_user")
    return in_metadata if request.end_user is None else request.end_user


def _turns(request: ChatRequest) -> tuple[Turn, ...]:
    match request.message, request.messages:
        case None, None:
            raise ValidationFailedError("One of `message` and `messages` is required.", param="message")
        case str(message), None:
            return (Turn("user", (Text(message),), plain=True),)
        case None, list(messages):
            return tuple(map(reading.turn, messages))
        case _:
            raise ValidationFailedError("Send either `message` or `messages`, not both.", param="messages")


def _sampling(request: ChatRequest) -> Sampling:
    return Sampling(
        max_tokens=request.max_tokens or DEFAULT_MAX_TOKENS,
        temperature=request.temperature,
        top_p=request.top_p,
        stop_sequences=tuple(request.stop_sequences or ()),
        thinking=reading.thinking(request.thinking),
    )


def _thread(sent: str | None) -> ConversationId | None:
    if sent is None:
        return None
    ulid = find_ulid(sent, "conv_")
    if ulid is None:
        raise NotFoundError("The conversation does not exist.", param="conversation_id")
    return ConversationId(ulid)


def answer_data(answer: Answer | Replay) -> dict[str, Any]:
    call = answer.call
    return {"message": message(call, answer.completion), "conversation_id": conversation_id(call)}


def answer_meta(answer: Answer | Replay) -> dict[str, Any]:
    usage = metering.usage_lines(answer.model.id, answer.completion.usage, answer.charge, answer.cost_micro_usd)
    meta: dict[str, Any] = {"usage": usage}
    if report := phi(answer.report):
        meta["phi"] = report
    return meta


def message(call: Call, completion: Completion) -> dict[str, Any]:
    """`content` is the answer's text; `blocks` is all of it, present when there is more than text."""
    blocks = completion.blocks
    shown: dict[str, Any] = {
        "id": ids.message_id(call.id),
        "role": "assistant",
        "content": "".join(block.text for block in blocks if isinstance(block, Text)),
        "stop_reason": completion.stop_reason.value,
    }
    if completion.stop_sequence is not None:
        shown["stop_sequence"] = completion.stop_sequence
    if completion.stop_details is not None:
        shown["stop_details"] = dump_stop_details(completion.stop_details)
    if not all(isinstance(block, Text) and not block.citations for block in blocks):
        shown["blocks"] = [dump_block(block) for block in blocks]
    return shown


def conversation_id(call: Call) -> str | None:
    """None for a call whose conversation is kept nowhere, so that nobody tries to continue it."""
    return ids.conversation_id(call.thread) if call.thread else None


def phi(report: PhiReport) -> dict[str, Any] | None:
    """`meta.phi`: present whenever something was redacted, absent otherwise; kinds and counts only (spec D16)."""
    if not report.redaction_count:
        return None
    return {
        "mode": report.mode.value,
        "action": report.action,
        "entity_types": list(report.entity_types),
        "redaction_count": report.redaction_count,
    }
