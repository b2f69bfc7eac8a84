"""The gateway without its PHI guard, to measure what the guard costs: `python -m bench.unguarded`.

It exists only as this program. No setting and no code of the product leads
here, and nothing of the product imports `bench`.
"""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import uvicorn
from fastapi import FastAPI

import api.main
from api.state import Gateway
from cli.main import GRACEFUL_SHUTDOWN_S
from gateway.catalog import shipped_catalog
from gateway.clock import SystemClock
from gateway.conversation import Conversation
from gateway.inference.counting import TokenCounter
from gateway.inference.pipeline import InferencePipeline
from gateway.phi.guard import Guard, PhiReport, Screened
from gateway.phi.inline import RuleDetector
from gateway.phi.restore import Restorer
from gateway.providers.registry import Providers
from gateway.settings import Settings
from gateway.tenancy import Policy
from storage import Storage


class NoGuard(Guard):
    """Passes every conversation as it is, unread."""

    def __init__(self) -> None:
        super().__init__(RuleDetector())

    async def screen(self, conversation: Conversation, policy: Policy) -> Screened:
        return Screened(conversation, PhiReport(policy.phi_mode, "none", (), 0, ()), Restorer({}))


@asynccontextmanager
async def open_unguarded(settings: Settings) -> AsyncGenerator[Gateway]:
    """What `api.main.open_gateway` makes, but for the guard and its scanners."""
    clock, catalog, guard = SystemClock(), shipped_catalog(), NoGuard()
    baa_url = f"{settings.base_url}/v1/compliance/baa"
    async with AsyncExitStack() as opened:
        storage = await Storage.open(settings)
        opened.push_async_callback(storage.close)
        providers = await opened.enter_async_context(Providers.from_settings(settings))
        yield Gateway(
            settings=settings,
            catalog=catalog,
            clock=clock,
            storage=storage,
            pipeline=InferencePipeline(
                catalog=catalog,
                journal=storage.journal,
                guard=guard,
                providers=providers,
                clock=clock,
                baa_url=baa_url,
            ),
            token_counter=TokenCounter(catalog=catalog, guard=guard, providers=providers, clock=clock, baa_url=baa_url),
            probe=storage.health,
        )


def create_app() -> FastAPI:
    return api.main.create_app(open_gateway=open_unguarded)


def main() -> None:
    """Serve as `hasp api` does."""
    settings = Settings()  # pyright: ignore[reportCallIssue] - required fields come from the environment
    uvicorn.run(
        "bench.unguarded:create_app",
        factory=True,
        host=settings.api_host,
        port=settings.api_port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S,
    )


if __name__ == "__main__":
    main()
