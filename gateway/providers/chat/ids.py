"""Names for tool calls: these servers may give none, or the same one again."""

from collections.abc import Iterable

from gateway.conversation import ToolUse, Turn

MAX_ID_CHARS = 256
"""A longer one could not be sent back: no surface of ours takes it."""


class CallIds:
    """The ids of one answer's calls, each unlike the others and all that the conversation has.

    Depends on nothing but the conversation and the calls' order, so a plain and
    a streamed answer have the same ids.
    """

    def __init__(self, turns: Iterable[Turn]) -> None:
        self._taken = {block.id for turn in turns for block in turn.blocks if isinstance(block, ToolUse)}
        self._made = 0

    def take(self, given: str) -> str:
        """`given` when it will do, else `call_<n>`."""
        chosen = given if 0 < len(given) <= MAX_ID_CHARS else self._next()
        while chosen in self._taken:
            chosen = self._next()
        self._taken.add(chosen)
        return chosen

    def _next(self) -> str:
        self._made += 1
        return f"call_{self._made}"
