"""Which records a run becomes: the same for whoever works on it, or asks what came of it."""

from typing import Final

from gateway.ids import InferenceId, derived_ulid

MOST_TRIES: Final = 5
"""Of a round or of a use: each that failed was voided, and the next is a call of its own."""


def round_tries(run: str, number: int) -> tuple[InferenceId, ...]:
    """The calls that round `number` may become, in order. A run's first has the run's own id."""
    derived = tuple(InferenceId(derived_ulid(run, f"round/{number}/{attempt}")) for attempt in range(MOST_TRIES))
    return (InferenceId(run), *derived[1:]) if number == 0 else derived


def use_tries(answer: str, number: int) -> tuple[InferenceId, ...]:
    """The records that the `number`th use of a tool in `answer` may become, in order."""
    return tuple(InferenceId(derived_ulid(answer, f"tool/{number}/{attempt}")) for attempt in range(MOST_TRIES))
