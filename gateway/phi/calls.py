"""Ids of tool calls. Machines make them and nothing outside a conversation refers to them, so they go out as numbers.

A detector cannot tell `toolu_01GuOeHwVhJoAnn…` from someone's name: of ids as
vendors draw them it takes every third for one. A number says nothing, whatever
the id said.
"""

import re
from dataclasses import replace

from gateway.conversation import Block, Conversation, ToolResult, ToolUse, Turn

_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_MADE = re.compile(
    r"((?:toolu_(?:bdrk_|vrtx_)?|tooluse_|call_(?:[0-9]{1,3}_)?|chatcmpl-tool-|function-call-|fc_)?)"
    rf"([A-Za-z0-9]{{8,64}}|{_UUID})"
    r"|(tooluse_)([A-Za-z0-9_-]{22})",
)
"""How vendors, servers and SDKs write an id. One of another form is its caller's own, and read like any text."""

_LONGEST = 64
"""Characters of an id that every vendor takes."""


def with_numbered_calls(conversation: Conversation) -> Conversation:
    """`conversation` with its calls' ids as numbers, in order of appearance: what is added to its end changes none.

    A number has the prefix and the length of its id, for servers that ask for a form, where that is not too long.
    """
    numbers = _Numbers()
    turns = tuple(numbers.turn(turn) for turn in conversation.turns)
    return replace(conversation, turns=turns) if numbers.any else conversation


def is_made(call: str) -> bool:
    """Whether a machine made this id, so that `with_numbered_calls` leaves nothing of it."""
    return _MADE.fullmatch(call) is not None


class _Numbers:
    def __init__(self) -> None:
        self._of: dict[str, str] = {}

    @property
    def any(self) -> bool:
        return bool(self._of)

    def turn(self, turn: Turn) -> Turn:
        if not any(isinstance(block, ToolUse | ToolResult) for block in turn.blocks):
            return turn
        return replace(turn, blocks=tuple(map(self._block, turn.blocks)))

    def _block(self, block: Block) -> Block:
        match block:
            case ToolUse():
                return replace(block, id=self._number(block.id))
            case ToolResult():
                return replace(block, tool_use_id=self._number(block.tool_use_id))
            case _:
                return block

    def _number(self, call: str) -> str:
        made = _MADE.fullmatch(call)
        if made is None:
            return call
        if call not in self._of:
            prefix, body = (part for part in made.groups() if part is not None)
            self._of[call] = f"{prefix}{len(self._of) + 1:0{min(len(body), _LONGEST - len(prefix))}}"
        return self._of[call]
