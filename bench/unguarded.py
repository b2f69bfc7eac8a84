"""The gateway without its PHI guard, to measure what the guard costs: `python -m bench.unguarded`.

It exists only as this program. No setting and no code of the product leads
here, and nothing of the product imports `bench`.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import uvicorn
from fastapi import FastAPI

import api.main
from api.state import Gateway
from cli.main import GRACEFUL_SHUTDOWN_S, KEEP_ALIVE_S
from gateway.completion import AnswerBlock
from gateway.conversation import Conversation
from gateway.harness.toolbox import Toolbox
from gateway.inference.shielding import everything_settled
from gateway.outside.lookup import SystemLookup
from gateway.phi.findings import Finding
from gateway.phi.guard import Guard, Screened
from gateway.phi.inline import RuleDetector
from gateway.phi.report import PhiReport
from gateway.phi.restore import Restorer
from gateway.providers.registry import Providers, configured_catalog
from gateway.settings import Settings
from gateway.tenancy import Access
from storage import Storage


class NoGuard(Guard):
    """Passes every conversation as it is, unread."""

    def __init__(self) -> None:
        super().__init__(RuleDetector())

    async def screen(
        self,
        conversation: Conversation,
        access: Access,
        known: Mapping[str, str] | None = None,  # noqa: ARG002 - the guard's own signature
    ) -> Screened:
        return Screened(conversation, PhiReport.of(access.policy.phi_mode, "none", []), Restorer({}), {})

    async def review(
        self,
        blocks: Sequence[AnswerBlock],  # noqa: ARG002
        access: Access,  # noqa: ARG002
    ) -> tuple[Finding, ...]:
        return ()


@asynccontextmanager
async def open_unguarded(settings: Settings) -> AsyncGenerator[Gateway]:
    """What `api.main.open_gateway` makes, but for the guard and its scanners."""
    async with AsyncExitStack() as opened:
        storage = await Storage.open(settings)
        opened.push_async_callback(storage.close)
        opened.push_async_callback(everything_settled)
        catalog = configured_catalog(settings)
        providers = await opened.enter_async_context(Providers.from_settings(settings, catalog))
        yield api.main.compose(
            settings,
            storage=storage,
            catalog=catalog,
            providers=providers,
            guard=NoGuard(),
            lookup=SystemLookup(),
            probe=storage.health,
            toolbox=Toolbox(()),
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
        timeout_keep_alive=KEEP_ALIVE_S,
    )


if __name__ == "__main__":
    main()
