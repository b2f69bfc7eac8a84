"""Logs as JSON lines whose fields are declared here, so that nothing a caller sent can slip into one.

Other libraries' records keep their template and lose their arguments and
tracebacks: either may quote a request.
"""

import logging
import sys
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, Literal

import orjson
import structlog

Level = Literal["debug", "info", "warning", "error"]

FIELDS = frozenset(
    {
        "acceptance_id",
        "agent_id",
        "at",
        "attempt",
        "cascade_id",
        "cause",
        "check",
        "count",
        "credential_id",
        "credits",
        "days",
        "delivery_id",
        "dependency",
        "duration_ms",
        "endpoint_id",
        "error_code",
        "error_type",
        "event",
        "event_id",
        "event_type",
        "hash",
        "held",
        "host",
        "inference_id",
        "key_id",
        "level",
        "logger",
        "mcp_server",
        "method",
        "model",
        "models",
        "org_id",
        "percent",
        "problems",
        "providers",
        "raised_at",
        "reason",
        "request_id",
        "route",
        "seq",
        "shard",
        "signal",
        "signature",
        "status",
        "successor_id",
        "surface",
        "task_queue",
        "timestamp",
        "vendor",
        "vendor_request_id",
        "workflow_id",
        "workflow_type",
    }
)
"""What a line may hold: numbers, ids, hashes and templates of ours; `vendor_request_id` is an id of the vendor's."""

logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class UndeclaredFieldError(Exception):
    """A log call used a field that `FIELDS` does not name."""


def configure(level: Level = "info", *, strict: bool = False) -> None:
    """Send every log of this process to standard output. `strict` raises on an undeclared field instead of dropping it.

    Safe to call again: the last call wins.
    """
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _raise_undeclared if strict else _drop_undeclared,
            structlog.processors.JSONRenderer(serializer=_dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_ForeignFormatter())
    logging.basicConfig(handlers=[handler], level="INFO" if level == "debug" else level.upper(), force=True)
    for name in ("uvicorn", "uvicorn.error"):
        foreign = logging.getLogger(name)
        foreign.handlers.clear()
        foreign.propagate = True
    # Its lines carry paths and query strings; ours carry the route's template.
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False


def raised_at(traceback: TracebackType | None) -> str | None:
    """`file:line` of the innermost frame: where an error came from, without what it said."""
    if traceback is None:
        return None
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return f"{traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}"


class _ForeignFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "event": record.msg if isinstance(record.msg, str) and not record.msg.startswith("{") else "foreign",
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error_type"] = record.exc_info[0].__name__
            line["raised_at"] = raised_at(record.exc_info[2])
        return orjson.dumps(line).decode()


def _drop_undeclared(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in event.keys() - FIELDS:
        del event[name]
    return event


def _raise_undeclared(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    undeclared = sorted(event.keys() - FIELDS)
    if undeclared:
        raise UndeclaredFieldError(", ".join(undeclared))
    return event


def _dumps(event: object, **_: object) -> bytes:
    return orjson.dumps(event)
