"""How much of one request is scanned: what bounds the work that a single caller can cause."""

from gateway.errors import TooLargeError

_MAX_PARTS = 50_000
_MAX_CHARACTERS = 5_000_000
"""More than the largest context there is, 1,050,000 tokens, holds of English."""


class Budget:
    """Spent while a request is read, so that reading one that is too large costs no more than the largest allowed."""

    __slots__ = ("_characters", "_parts")

    def __init__(self) -> None:
        self._parts = _MAX_PARTS
        self._characters = _MAX_CHARACTERS

    def spend(self, characters: int = 0) -> None:
        """Counts one part. Raises `TooLargeError` beyond 50,000 texts, keys and JSON values or 5 million characters."""
        self._parts -= 1
        self._characters -= characters
        if self._characters < 0:
            raise TooLargeError(f"The request has more than {_MAX_CHARACTERS:,} characters of text.", param="messages")
        if self._parts < 0:
            raise TooLargeError(f"The request has more than {_MAX_PARTS:,} texts and JSON values.", param="messages")
