"""What the sandbox was sent, for tests that ask what an upstream saw. Off by default: bodies may hold anything."""

from collections import deque
from dataclasses import asdict, dataclass

LIMIT = 2_000


@dataclass(slots=True)
class Recorded:
    path: str
    body: str
    status: int = 0
    """0 while it is being answered, or when it never was."""
    hung_up: bool = False
    """Whether the caller left before the answer's end."""


class Recorder:
    """The last `LIMIT` requests."""

    def __init__(self, *, on: bool) -> None:
        self.on = on
        self._requests: deque[Recorded] = deque(maxlen=LIMIT)

    def add(self, path: str, body: bytes) -> Recorded:
        recorded = Recorded(path, body.decode(errors="replace") if self.on else "")
        if self.on:
            self._requests.append(recorded)
        return recorded

    def listed(self) -> list[dict[str, object]]:
        return [asdict(request) for request in self._requests]

    def clear(self) -> None:
        self._requests.clear()
