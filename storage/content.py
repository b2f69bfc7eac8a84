"""What is sealed of an inference, and under which names: the only plaintext content ever takes on its way to disk."""

from collections.abc import Mapping
from typing import Any

import orjson

from gateway.completion import Completion
from gateway.conversation import Conversation
from gateway.errors import UnavailableError
from gateway.ids import OrganizationId
from gateway.transcript import dump_block, dump_content, dump_stop_details, dump_turn
from storage.encryption import ContentCipher, SealedValueError

Json = dict[str, Any]


def request_place(inference: str) -> str:
    return f"inferences.request_content/{inference}"


def answer_place(inference: str) -> str:
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


async def unseal(
    cipher: ContentCipher, org: OrganizationId, inference: str, *, request: bytes, answer: bytes
) -> tuple[Json, Json]:
    """What `dump_request` and `dump_answer` made. Raises `UnavailableError` for content that does not open."""
    try:
        asked = await cipher.open(org, request_place(inference), request)
        said = await cipher.open(org, answer_place(inference), answer)
    except SealedValueError:
        raise UnavailableError("The stored content could not be opened.") from None
    return orjson.loads(asked), orjson.loads(said)
