import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
import structlog

from activities.event_log import SHOWN, EventLog
from gateway import logs
from gateway.audit.held_checkpoints import read_checkpoint
from gateway.ids import PLATFORM, EventId
from gateway.webhooks.events import CATALOGUE
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


def test_what_is_shown_of_an_event_is_declared_for_logs() -> None:
    assert set(SHOWN) <= logs.FIELDS


@pytest.mark.usefixtures("_logs")
async def test_the_line_of_a_checkpoint_is_one_to_keep(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    told = {**CATALOGUE["audit.checkpoint"].example, "organization_id": PLATFORM, "hash": "0" * 64}

    await EventLog().receive(_event(told, kind="audit.checkpoint"))

    shown = orjson.loads(capfdbinary.readouterr().out)
    assert read_checkpoint({**shown, "organization_id": shown["org_id"]}) == read_checkpoint(told)


def _event(data: dict[str, Any], *, kind: str = "phi.redacted") -> OutboxEvent:
    return OutboxEvent(EventId("01EVENT"), PLATFORM, kind, data, datetime(2026, 3, 1, tzinfo=UTC), 1)
