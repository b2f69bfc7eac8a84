"""Which step of a script a request gets: what makes a vendor fail first and answer on the retry."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

StepName = Literal["reset", "hang", "half", "stall", "error", "ok"]
Step = int | StepName
"""An error status, or the name of another way to answer."""

REMEMBERED_TEXTS = 4_096
DELTAS_BEFORE_A_BREAK = 2


@dataclass(frozen=True, slots=True)
class Break:
    """Where an answer that has begun stops short, and how. One with fewer deltas breaks before it closes."""

    kind: Literal["cut", "stall", "error"]
    after: int
    """Deltas."""


_BREAKS: dict[Step, Break] = {
    "half": Break("cut", DELTAS_BEFORE_A_BREAK),
    "stall": Break("stall", DELTAS_BEFORE_A_BREAK),
    "error": Break("error", DELTAS_BEFORE_A_BREAK),
}


def break_of(step: Step) -> Break | None:
    """The break that a step asks for; None for a step that answers whole or not at all."""
    return _BREAKS.get(step)


class Scripts:
    """How far the script of each text has been played. It forgets the texts that were asked least recently."""

    def __init__(self) -> None:
        self._played: OrderedDict[bytes, int] = OrderedDict()

    def next_step(self, text: str, steps: Sequence[Step]) -> Step:
        if not steps:
            return "ok"
        # A digest, because a text may hold anything and this outlives its request.
        # Dialects join the parts of a text with different gaps.
        words = " ".join(text.split())
        key = blake2b(words.encode(errors="replace"), digest_size=16).digest()
        played = self._played.pop(key, 0)
        self._played[key] = played + 1
        if len(self._played) > REMEMBERED_TEXTS:
            self._played.popitem(last=False)
        return steps[played] if played < len(steps) else "ok"
