"""What the composition root made, as routes reach it."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from starlette.requests import HTTPConnection
from starlette.types import Scope as AsgiScope

from gateway.auto_routing import AutoRouter
from gateway.catalog import Catalog
from gateway.clock import Clock
from gateway.harness.run import Harness
from gateway.harness.toolbox import Toolbox
from gateway.inference.counting import TokenCounter
from gateway.inference.pipeline import InferencePipeline
from gateway.inference.replay import Replays
from gateway.limits.limiter import Limiter
from gateway.outside.lookup import Lookup
from gateway.phi.guard import Guard
from gateway.routing.board import StatusBoard
from gateway.routing.health import Health
from gateway.settings import Settings

if TYPE_CHECKING:
    from storage import Storage


class Probe(Protocol):
    async def __call__(self) -> dict[str, bool]:
        """Each dependency by name, and whether it works now."""
        ...


@dataclass(slots=True, eq=False)
class Gateway:
    """Everything a request needs that outlives it."""

    settings: Settings
    catalog: Catalog
    clock: Clock
    storage: "Storage"
    guard: Guard
    pipeline: InferencePipeline
    token_counter: TokenCounter
    limiter: Limiter
    replays: Replays
    health: Health
    auto: AutoRouter
    toolbox: Toolbox
    harness: Harness
    status_board: StatusBoard
    lookup: Lookup
    """Of the names that webhooks lead to."""
    reading: asyncio.Semaphore
    """Who has a file read while its sender waits."""
    probe: Probe
    draining: bool = False
    """Set when the process was told to stop: readiness fails first, requests in flight finish."""


def gateway_of(connection: HTTPConnection | AsgiScope) -> Gateway:
    # `api.main` sets it before the server accepts a connection; Starlette's state is untyped.
    return cast("Gateway", connection["app"].state.gateway)
