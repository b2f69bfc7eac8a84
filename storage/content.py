"""What is sealed of an inference, and under which names: the only plaintext content ever takes on its way to disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.completion import Completion
from gateway.conversation import Conversation, Text
from gateway.errors import UnavailableError
from gateway.ids import OrganizationId
from gateway.transcript import dump_block, dump_content, dump_stop_details, dump_turn, load_block
from storage.encryption import ContentCipher, SealedValueError, SealingKey

Json = dict[str, Any]


def _request_place(inference: str) -> str:
    return f"inferences.request_content/{inference}"


def answer_place(inference: str) -> str:
    """Where an answer's sealed content belongs."""
    return f"inferences.answer_content/{inference}"


def dump_request(conversation: Conversation, *, own_turns: int | None, placeholders: Mapping[str, str]) -> bytes:
    """The system prompt, the call's own turns and what stood in for which value.

    A conversation's earlier turns are in its earlier records.
    """
    turns = conversation.turns if own_turns is None else conversation.turns[len(conversation.turns) - own_turns :]
    first = len(conversation.turns) - len(turns)
    return orjson.dumps(
        {
            "system": dump_content(conversation.system, plain=conversation.system_plain)
            if conversation.system
            else None,
            "messages": [dump_turn(turn) for turn in turns],
            "first": first,
            "placeholders": dict(placeholders),
        }
    )


def dump_answer(completion: Completion) -> bytes:
    """All that an answer says, also what only its one caller is told of its usage."""
    return orjson.dumps(
        {
            "content": [dump_block(block) for block in completion.blocks],
            "stop_sequence": completion.stop_sequence,
            "stop_details": dump_stop_details(completion.stop_details),
            "usage": {"inference_geo": completion.usage.inference_geo, "speed": completion.usage.speed},
        }
    )


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was asked and what was answered, in the form that `dump_request` and `dump_answer` give it."""

    request: Json
    answer: Json


@dataclass(frozen=True, slots=True)
class SealedExchange:
    """The same, as it lies in its row."""

    inference: str
    request: bytes
    answer: bytes


def seal(key: SealingKey, inference: str, *, request: bytes, answer: bytes) -> SealedExchange:
    """What `dump_request` and `dump_answer` made, under the key of the inference's day."""
    return SealedExchange(
        inference, key.seal(_request_place(inference), request), key.seal(answer_place(inference), answer)
    )


async def unseal(
    cipher: ContentCipher, org: OrganizationId, exchanges: Sequence[SealedExchange]
) -> list[Exchange | None]:
    """Each exchange opened; None: its content was destroyed. All keys are asked for at once.

    Raises `UnavailableError` for content that does not open.
    """
    values = [
        value
        for sealed in exchanges
        for value in (
            (_request_place(sealed.inference), sealed.request),
            (answer_place(sealed.inference), sealed.answer),
        )
    ]
    try:
        opened = await cipher.open_all(org, values)
    except SealedValueError:
        raise UnavailableError("The stored content could not be opened.") from None
    pairs = zip(opened[::2], opened[1::2], strict=True)
    return [
        None if request is None or answer is None else Exchange(orjson.loads(request), orjson.loads(answer))
        for request, answer in pairs
    ]


def answered_text(answer: Json) -> str:
    """What an answer, in the form of `dump_answer`, says in words."""
    blocks = (load_block(block) for block in answer["content"])
    return "".join(block.text for block in blocks if isinstance(block, Text))
