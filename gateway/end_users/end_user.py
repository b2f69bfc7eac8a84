"""A person whom an organisation's calls name, as those who may know it see them."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from gateway.ids import EndUserId

LONGEST_NAME: Final = 1024
"""Characters: what `metadata.user_id` takes."""


class EndUserState(StrEnum):
    ACTIVE = "active"
    RESTRICTED = "restricted"
    """Being erased: nothing of theirs is read any more."""


class HoldReason(StrEnum):
    """Why nothing of somebody may be destroyed."""

    LITIGATION = "litigation"
    INVESTIGATION = "investigation"
    REGULATOR = "regulator"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Hold:
    reason: HoldReason
    at: datetime
    by: str | None


@dataclass(frozen=True, slots=True)
class EndUserEntry:
    """`name` is as calls have it; `digest` is `subject_id_hmac` in the audit log."""

    id: EndUserId
    name: str = field(repr=False)
    digest: str
    state: EndUserState
    first_seen_at: datetime
    last_seen_at: datetime | None
    """When their last call was made that a record is left of."""
    hold: Hold | None
