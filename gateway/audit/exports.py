"""Exports of the audit log, as those who asked for them see them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.errors import GatewayError, Kind

KEPT = timedelta(days=7)
"""After that the text of an export is gone; another may be asked for."""

MOST_KEPT = 10
"""Exports an organisation may have at a time."""


class ExportState(StrEnum):
    REQUESTED = "requested"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class AuditExport:
    """`start` and `end` are inclusive. `entry_count` is known once it runs, the text's `sha256` once it is ready."""

    id: str
    state: ExportState
    start: datetime
    end: datetime
    requested_at: datetime
    requested_by: str | None
    entry_count: int | None
    entries_written: int
    sha256: str | None
    reason: str | None
    finished_at: datetime | None
    expires_at: datetime


class TooManyExportsError(GatewayError):
    kind, code = Kind.CONFLICT, "TOO_MANY_EXPORTS"
    message = "There are as many of these exports as there may be. Each is deleted a week after it was requested."


class ExportNotReadyError(GatewayError):
    kind, code = Kind.CONFLICT, "EXPORT_NOT_READY"
    message = "The export is not written yet, or cannot be. Its state tells."


class ExportExpiredError(GatewayError):
    kind, code = Kind.GONE, "EXPORT_EXPIRED"
    message = "The export was deleted. Another may be requested."
