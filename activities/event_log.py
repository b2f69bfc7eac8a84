"""Events as log lines, for whoever follows the worker's output."""

from typing import Final

import structlog

from storage.outbox import OutboxEvent

log = structlog.get_logger()

SHOWN: Final = (
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
    "seq",
    "hash",
    "at",
    "signature",
)
"""Ids, enums, counts and checkpoints by name, so that a field added to an event is not logged unseen."""


class EventLog:
    """An `EventSink`: one `event_relayed` line per event."""

    async def receive(self, event: OutboxEvent) -> None:
        shown = {name: event.data[name] for name in SHOWN if event.data.get(name) is not None}
        log.info(
            "event_relayed",
            event_id=event.id,
            event_type=event.type,
            org_id=event.org,
            attempt=event.attempts,
            **shown,
        )
