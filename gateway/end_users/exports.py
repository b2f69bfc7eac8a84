"""Exports of what is kept of a person, as those who asked for them see them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from gateway.ids import EndUserId

KEPT = timedelta(days=7)
"""After that an export is destroyed; another may be asked for."""

MOST_KEPT: Final = 10
"""Of one person at a time: each is as large as all that is kept of them."""

FRESH = timedelta(minutes=15)
"""An export of an earlier moment is not answered with, unless it is still being made."""


class Dataset(StrEnum):
    """What an export is of, in the order in which it is written."""

    PROFILE = "profile"
    CONVERSATIONS = "conversations"
    INFERENCES = "inferences"
    FINDINGS = "findings"
    USAGE = "usage"
    AUDIT = "audit"
    WEBHOOKS = "webhooks"


class ExportState(StrEnum):
    REQUESTED = "requested"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_open(self) -> bool:
        """Whether there is something left to write."""
        return self in (ExportState.REQUESTED, ExportState.RUNNING)

    @property
    def is_destroyed(self) -> bool:
        return self in (ExportState.CANCELLED, ExportState.EXPIRED)


SUBJECT_ERASED: Final = "subject_erased"
"""Why an export failed: whose it is was erased, or is being erased."""


@dataclass(frozen=True, slots=True)
class EndUserExport:
    """`counts` are records by set, as far as they are written; a set without records is not in it.

    `manifest_sha256` is of the bag's `manifest-sha256.txt`, known once it is ready.
    """

    id: str
    end_user: EndUserId
    state: ExportState
    snapshot_at: datetime
    requested_at: datetime
    requested_by: str | None
    counts: Mapping[str, int]
    bytes_written: int
    manifest_sha256: str | None
    reason: str | None
    finished_at: datetime | None
    expires_at: datetime

    @property
    def records(self) -> int:
        return sum(self.counts.values())
