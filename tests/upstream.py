"""A running sandbox for tests, with a record of what it was sent."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

import orjson
import pytest
import uvicorn

from sandbox.app import Sandbox
from tests.serving import running


@dataclass(frozen=True, slots=True)
class SandboxServer:
    """`url` is the base of both vendors' APIs."""

    url: str

    def requests(self) -> list[dict[str, Any]]:
        """What it was sent, oldest first: `path`, `body` (text), `status`, `hung_up`."""
        return self._call("GET", "requests")["requests"]

    def bodies(self) -> list[dict[str, Any]]:
        return [orjson.loads(request["body"]) for request in self.requests()]

    def clear(self) -> None:
        self._call("DELETE", "requests")

    def bill(self) -> list[dict[str, Any]]:
        """What it would charge for, oldest first; see `sandbox.bill.Charge`."""
        return self._call("GET", "bill")["bill"]

    def clear_bill(self) -> None:
        self._call("DELETE", "bill")

    @contextmanager
    def outage(self, **declared: object) -> Generator[None]:
        """`statuses`, `models_route` and `retry_after` as in the sandbox's README; over when the block ends."""
        self._call("POST", "outage", orjson.dumps(declared))
        try:
            yield
        finally:
            self._call("DELETE", "outage")

    def _call(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        request = Request(f"{self.url}/__sandbox/{path}", method=method, data=body)
        with urlopen(request, timeout=10) as answer:
            return orjson.loads(answer.read())


@pytest.fixture(scope="session")
def sandbox_server() -> Iterator[SandboxServer]:
    """One sandbox for the session, in a thread of its own, recording."""
    config = uvicorn.Config(
        Sandbox(record=True),
        log_level="critical",
        access_log=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=75,
    )
    with running(config, name="sandbox") as url:
        yield SandboxServer(url)
