"""By what a vendor sealed, a conversation is known again when its client sends no id of it.

Reasoning goes back to its vendor byte for byte, and it speaks of people by the
placeholders they had when it was written. So those numbers must be kept for
as long as the seal comes back, whatever else of the prompt has changed.
"""

from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256

from gateway.conversation import Block, Conversation, RedactedThinking, Thinking, Turn

_LENGTH = 32
"""Hexadecimal digits: enough that no two of an organisation's answers share one."""


def seals_of(blocks: Iterable[Block]) -> list[str]:
    """Digests of what is sealed in `blocks`, in order. They say nothing of the text."""
    sealed = (_sealed(block) for block in blocks)
    return [sha256(each.encode("utf-8", "surrogatepass")).hexdigest()[:_LENGTH] for each in sealed if each]


def seals_in(conversation: Conversation) -> list[str]:
    """Digests of what a client sends back of earlier answers."""
    return seals_of(block for turn in conversation.turns if turn.role == "assistant" for block in turn.blocks)


def unsealed(turn: Turn) -> Turn:
    """`turn` without its reasoning, which a vendor asks back only within one turn of tool calls."""
    kept = tuple(block for block in turn.blocks if not isinstance(block, Thinking | RedactedThinking))
    return replace(turn, blocks=kept)


def _sealed(block: Block) -> str:
    match block:
        case Thinking(signature=signature):
            return signature
        case RedactedThinking(data=data):
            return data
        case _:
            return ""
