"""How much of one request is scanned: what bounds the work that a single caller can cause."""

from gateway.errors import TooLargeError

_MAX_PARTS = 50_000


class Budget:
    """Spent while a request is read, so that reading one that is too large costs no more than the largest allowed."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts = _MAX_PARTS

    def spend(self) -> None:
        """Counts one part. Raises `TooLargeError` beyond 50,000 texts, keys and JSON values."""
        self._parts -= 1
        if self._parts < 0:
            raise TooLargeError(f"The request has more than {_MAX_PARTS:,} texts and JSON values.", param="messages")
