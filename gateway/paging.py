"""Lists that are read page by page (spec O6)."""

import base64
import binascii
from dataclasses import dataclass
from typing import Generic, TypeVar

from gateway.errors import ValidationFailedError
from gateway.ids import find_ulid

T = TypeVar("T")

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page, newest first. `next_cursor` is opaque to callers; None on the last page."""

    items: tuple[T, ...]
    next_cursor: str | None


def cursor_after(ulid: str) -> str:
    """The cursor of the page that follows the row `ulid`."""
    return base64.urlsafe_b64encode(f"u:{ulid}".encode()).decode().rstrip("=")


def read_cursor(cursor: str | None) -> str | None:
    """The row that `cursor` stands after. Raises `ValidationFailedError` for one that is not ours."""
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        text = ""
    ulid = find_ulid(text[2:]) if text.startswith("u:") else None
    if ulid is None:
        raise ValidationFailedError("The cursor is not one this API gave out.", param="cursor")
    return ulid
