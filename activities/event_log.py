"""Events as log lines, for whoever follows the worker's output."""

import structlog

from storage.outbox import OutboxEvent

log = structlog.get_logger()

_SHOWN = (
    "request_id",
    "key_id",
    "agent_id",
    "credential_id",
    "successor_id",
    "days",
    "reason",
    "acceptance_id",
    "model",
    "surface",
    "status",
    "error_code",
    "count",
)
"""Ids, enums and counts by name, so that a field added to an event is not logged unseen."""


class EventLog:
    """An `EventSink`: one `event_relayed` line per event."""

    async def receive(self, event: OutboxEvent) -> None:
        shown = {name: event.data[name] for name in _SHOWN if event.data.get(name) is not None}
        log.info(
            "event_relayed",
            event_id=event.id,
            event_type=event.type,
            org_id=event.org,
            attempt=event.attempts,
            **shown,
        )
