"""Where a page of work begins."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cursor:
    """What has an id up to this one has been seen to."""

    after: str = ""
