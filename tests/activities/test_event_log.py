import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
import structlog

from activities.event_log import EventLog
from gateway import logs
from gateway.ids import PLATFORM, EventId
from storage.outbox import OutboxEvent


@pytest.fixture
def _logs() -> Iterator[None]:
    """Production's log lines for one test."""
    before = logging.root.handlers[:]
    logs.configure("info", strict=True)
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = before


@pytest.mark.usefixtures("_logs")
async def test_an_event_is_one_line_of_declared_fields(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    await EventLog().receive(_event({"request_id": "req_01", "count": 2, "key_id": None, "surprise": "Quackenbush"}))

    (line,) = capfdbinary.readouterr().out.splitlines()
    shown: dict[str, Any] = orjson.loads(line)
    del shown["timestamp"]
    assert shown == {
        "event": "event_relayed",
        "level": "info",
        "event_id": "01EVENT",
        "event_type": "phi.redacted",
        "org_id": PLATFORM,
        "attempt": 1,
        "request_id": "req_01",
        "count": 2,
    }


def _event(data: dict[str, Any]) -> OutboxEvent:
    return OutboxEvent(EventId("01EVENT"), PLATFORM, "phi.redacted", data, datetime(2026, 3, 1, tzinfo=UTC), 1)
