"""Models that are down until somebody says otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import orjson

from sandbox.wire import Json, as_object

_FIELDS = frozenset({"statuses", "models_route", "retry_after"})


@dataclass(frozen=True, slots=True)
class Outage:
    statuses: Mapping[str, int] = field(default_factory=dict[str, int])
    """Error statuses by model; a name may hold `*`, and the first that fits counts."""
    models_route: int | None = None
    """What `GET /v1/models` answers in place of a list."""
    retry_after: int | None = None
    """Seconds, for each of the above."""

    def status_of(self, model: str) -> int | None:
        return next((status for name, status in self.statuses.items() if fnmatchcase(model, name)), None)

    def told(self) -> Json:
        return {"statuses": self.statuses, "models_route": self.models_route, "retry_after": self.retry_after}


def read_outage(body: bytes) -> Outage:
    """Raises `ValueError`, whose text names the field, for a body that declares no outage."""
    try:
        given = as_object(orjson.loads(body))
    except orjson.JSONDecodeError:
        given = None
    if given is None:
        raise ValueError("the body is a JSON object")
    for name in given:
        if name not in _FIELDS:
            raise ValueError(f"unknown field {name!r}")
    statuses = as_object(given.get("statuses") or {})
    if statuses is None or not all(_is_error(status) for status in statuses.values()):
        raise ValueError("statuses maps models to statuses from 400 to 599")
    route = given.get("models_route")
    if route is not None and not _is_error(route):
        raise ValueError("models_route is null or a status from 400 to 599")
    wait = given.get("retry_after")
    if wait is not None and not (type(wait) is int and wait >= 0):
        raise ValueError("retry_after is null or a number of seconds")
    return Outage(statuses, route, wait)


def _is_error(status: object) -> bool:
    return type(status) is int and 400 <= status <= 599
