"""Erasures of what is kept of a person: what holds one, what one waits for, and how far it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from gateway.end_users.classes import RecordClass
from gateway.errors import GatewayError, Kind
from gateway.ids import EndUserId, ErasureId, OrganizationId
from gateway.retention import Retention

SETTLING: Final = timedelta(seconds=61)
"""Until no process knows a name, or a key, from before: they know them for a minute (`storage.unwrapped`)."""


class ErasureState(StrEnum):
    REQUESTED = "requested"
    WAITING = "waiting"
    """Restricted, and kept until `due_at`: the law has it kept so long."""
    RESTRICTED = "restricted"
    """Nothing of them is read any more, and whoever is named as they were is somebody new."""
    SHREDDING = "shredding"
    """Decided: what would hold it comes too late now."""
    SHREDDED = "shredded"
    """Their key is destroyed."""
    DONE = "done"
    HELD = "held"
    """Not erased; `reasons` say why. It may be asked for again once they are gone."""

    @property
    def is_over(self) -> bool:
        return self in (ErasureState.DONE, ErasureState.HELD)

    @property
    def is_decided(self) -> bool:
        return self in (ErasureState.SHREDDING, ErasureState.SHREDDED, ErasureState.DONE)


class Reason(StrEnum):
    LEGAL_HOLD = "legal_hold"
    """Nothing of the organisation may be destroyed."""
    SUBJECT_HOLD = "subject_hold"
    """Nothing of the person may be destroyed."""
    MINIMUM_RETENTION = "minimum_retention"
    HOLD_CAME_TOO_LATE = "hold_came_too_late"
    """A hold was set after it was decided."""
    DELEGATING_USER = "delegating_user"
    """Agents acted for them too: as whom stays with those calls and in the audit log, as it does for staff."""
    RECORDS_FOUND = "records_found"
    """A scan found what should not be there; it is removed again."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What was looked through after an erasure, by table, and what was there that should not be: nothing, if clean."""

    at: datetime
    examined: Mapping[str, int]
    found: Mapping[str, int]
    is_delegating: bool = False
    """Whether agents acted for whom calls named so: the erasure's `reasons` say it."""

    @property
    def is_clean(self) -> bool:
        return not any(self.found.values())


@dataclass(frozen=True, slots=True)
class Erasure:
    """One request, and what came of it. Never a name."""

    id: ErasureId
    org: OrganizationId
    end_user: EndUserId
    digest: str
    state: ErasureState
    reasons: tuple[Reason, ...]
    counts: Mapping[RecordClass, int]
    """Records by class, of those that are done with so far."""
    reference: str | None
    """What the organisation calls the request."""
    requested_at: datetime
    requested_by: str | None
    due_at: datetime | None
    restricted_at: datetime | None
    shredded_at: datetime | None
    keys_gone_on: date | None
    """When the last copy of the key is gone, in backups."""
    scan: Scan | None
    finished_at: datetime | None
    has_document: bool = False
    """Whether its certificate is there as a sealed PDF too."""


def holds_on(retention: Retention, *, is_subject_held: bool, now: datetime) -> tuple[Reason, ...]:
    """Why nothing may be destroyed at `now`; empty: nothing holds it."""
    held = ((Reason.LEGAL_HOLD, retention.is_held(now)), (Reason.SUBJECT_HOLD, is_subject_held))
    return tuple(reason for reason, holds in held if holds)


def due_after(youngest: date | None, minimum_days: int) -> datetime | None:
    """When the content of the day `youngest`, and with it all that is older, need no longer be kept."""
    if youngest is None or not minimum_days:
        return None
    return datetime.combine(youngest, time(), UTC) + timedelta(days=1 + minimum_days)


class ErasureNotDoneError(GatewayError):
    kind, code = Kind.CONFLICT, "ERASURE_NOT_DONE"
    message = "There is no certificate before the erasure is done. Its state tells."


class NoErasureDocumentError(GatewayError):
    kind, code = Kind.NOT_FOUND, "ERASURE_DOCUMENT_NOT_SEALED"
    message = "The certificate is there as JSON only: the installation had no seal when it was made."
