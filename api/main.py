"""The API's composition root: settings in, an application out. Construction order is dependency order."""

import asyncio
import gc
import signal
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from types import FrameType
from typing import TypeGuard

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from api import trust
from api.anthropic import compatible, models
from api.anthropic import routes as anthropic
from api.apps import query as app_queries
from api.apps import routes as apps
from api.apps import workflows
from api.files import routes as files
from api.files import uploads
from api.harness import background as chat_runs
from api.harness import catalog as chat_catalog
from api.harness import presets
from api.harness import routes as chats
from api.hot_path import HotPath
from api.manage import (
    agent_cascades,
    agent_credentials,
    agents,
    audit,
    audit_exports,
    audit_verification,
    baa,
    budget,
    compliance,
    end_user_erasures,
    end_user_exports,
    end_users,
    health,
    keys,
    phi,
    provider_status,
    usage,
    usage_reports,
    webhook_acts,
    webhook_deliveries,
    webhook_replays,
    webhooks,
)
from api.middleware import API_VERSION, ExchangeMiddleware
from api.native import routes as native
from api.oauth import discovery
from api.oauth import routes as oauth
from api.openai import models as openai_models
from api.openai import routes as openai
from api.openai.chat import routes as openai_chat
from api.openapi import describe
from api.reference import page
from api.refusals import on_gateway_error, on_http_exception, on_invalid_request
from api.state import Gateway, Probe
from gateway import logs
from gateway.catalog import Catalog
from gateway.catalog.watch import CatalogWatch
from gateway.clock import SystemClock
from gateway.errors import GatewayError
from gateway.files.meaning import open_meanings
from gateway.harness.toolbox import Toolbox
from gateway.harness.tools.knowledge_search import KnowledgeSearch
from gateway.harness.tools.opening import open_toolbox
from gateway.harness.tools.terms import terms_of
from gateway.inference.composing import composed
from gateway.inference.shielding import everything_settled
from gateway.limits.limiter import Limiter
from gateway.limits.tiers import read_tiers
from gateway.outside.lookup import Lookup, SystemLookup
from gateway.phi.guard import Guard
from gateway.phi.pool import ScannerPool
from gateway.providers.registry import Providers, catalog_files, configured_catalog
from gateway.routing.board import StatusBoard
from gateway.settings import Settings
from gateway.webhooks.private_targets import warn_of_private_targets
from storage import Storage
from storage.files.search import FileSearching

_HOT = frozenset(
    {
        "/v1/messages",
        "/v1/ai/chat",
        "/v1/openai/chat/completions",
        "/v1/openai/responses",
        *(f"{base}/messages" for base in compatible.BASES),
    }
)
_READ_AT_ONCE = 2
"""Files that a process has read while their senders wait: each reader may take a processor for a minute."""
_DOCS_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

OpenGateway = Callable[[Settings], AbstractAsyncContextManager[Gateway]]


@asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncGenerator[Gateway]:
    """Every part, open; closed in reverse. The database may come later: readiness says so until it does."""
    async with AsyncExitStack() as opened:
        storage = await Storage.open(settings)
        opened.push_async_callback(storage.close)
        opened.push_async_callback(everything_settled)
        await opened.enter_async_context(_in_background(storage.replay.run_until_done()))
        catalog = configured_catalog(settings)
        await opened.enter_async_context(_followed(catalog, settings))
        providers = await opened.enter_async_context(Providers.from_settings(settings, catalog))
        scanners = ScannerPool(settings.phi_scanners, settings.phi_scan_timeout_s, ner=settings.phi_ner)
        opened.push_async_callback(scanners.close)
        await scanners.start()
        guard = Guard(scanners, scanners)
        warn_of_private_targets(settings)
        searching = FileSearching(storage.pool, storage.cipher)
        meanings = await opened.enter_async_context(open_meanings(settings, guard, SystemClock()))
        knowledge = KnowledgeSearch(searching, terms_of(KnowledgeSearch.name, settings), meanings)
        lookup = SystemLookup()
        opened.callback(lookup.close)
        toolbox = await opened.enter_async_context(
            open_toolbox(settings, lookup, knowledge, scrub=guard.scrub_definition)
        )

        async def probe() -> dict[str, bool]:
            return {**await storage.health(), "phi_scanner": scanners.healthy}

        gateway = compose(
            settings,
            storage=storage,
            catalog=catalog,
            providers=providers,
            guard=guard,
            lookup=lookup,
            probe=probe,
            toolbox=toolbox,
        )
        await opened.enter_async_context(gateway.health.flushing())
        yield gateway


@asynccontextmanager
async def _followed(catalog: Catalog, settings: Settings) -> AsyncGenerator[None]:
    """For the length of the block, `catalog` says what its files say."""
    watch = CatalogWatch(catalog, read=lambda: configured_catalog(settings), files=lambda: catalog_files(settings))
    async with _in_background(watch.run(settings.catalog_poll_s)):
        yield


@asynccontextmanager
async def _in_background(work: Coroutine[None, None, None]) -> AsyncGenerator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()


def compose(
    settings: Settings,
    *,
    storage: Storage,
    catalog: Catalog,
    providers: Providers,
    guard: Guard,
    lookup: Lookup,
    probe: Probe,
    toolbox: Toolbox,
) -> Gateway:
    """The gateway of opened parts; whoever opened them closes them."""
    clock = SystemClock()
    inference = composed(
        settings,
        journal=storage.journal,
        health_log=storage.provider_health,
        catalog=catalog,
        providers=providers,
        guard=guard,
        clock=clock,
    )
    return Gateway(
        settings=settings,
        catalog=catalog,
        clock=clock,
        storage=storage,
        guard=guard,
        pipeline=inference.pipeline,
        token_counter=inference.token_counter,
        replays=inference.replays,
        limiter=Limiter(read_tiers(settings.tiers_file), storage.rate_buckets, clock),
        health=inference.health,
        auto=inference.auto,
        toolbox=toolbox,
        harness=inference.harness,
        status_board=StatusBoard(catalog, storage.provider_health, clock),
        lookup=lookup,
        reading=asyncio.Semaphore(_READ_AT_ONCE),
        probe=probe,
    )


def create_app(settings: Settings | None = None, *, open_gateway: OpenGateway = open_gateway) -> FastAPI:
    """The application, as a factory for uvicorn; settings come from the environment when none are given.

    Everything that can fail or hold a resource is opened by the lifespan, so that workers can fork before it.
    """
    chosen = settings or Settings()  # pyright: ignore[reportCallIssue] - required fields come from the environment
    logs.configure(chosen.log_level)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with open_gateway(chosen) as gateway:
            app.state.gateway = gateway
            with _announced_stop(gateway):
                # What start-up made lives as long as the process: the collector need not look at it again.
                gc.collect()
                gc.freeze()
                yield
                gateway.draining = True

    app = FastAPI(
        version=API_VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        max_body_size=None,  # the exchange's own limit answers in the route's dialect
        exception_handlers={
            GatewayError: on_gateway_error,
            RequestValidationError: on_invalid_request,
            HTTPException: on_http_exception,
        },
    )
    inference = (anthropic, compatible, native, openai, openai_chat)
    hot = [route for module in inference for route in module.router.routes if _is_hot(route)]
    app.add_middleware(HotPath, routes=hot)
    app.add_middleware(ExchangeMiddleware, max_body_bytes=chosen.max_body_bytes)
    trail = (audit_verification, audit_exports, audit)
    # Before webhooks by their ids, which these paths would be taken for.
    hooks = (webhook_replays, webhook_deliveries, webhooks, webhook_acts)
    # Before people by their names, which may end in anything.
    people = (end_user_erasures, end_user_exports, end_users)
    control = (
        phi,
        keys,
        usage,
        usage_reports,
        budget,
        compliance,
        baa,
        *trail,
        *hooks,
        agent_cascades,
        agents,
        agent_credentials,
        *people,
        oauth,
        discovery,
        provider_status,
    )
    harness = (chats, chat_runs, chat_catalog, presets, apps, app_queries, workflows, uploads, files)
    for module in (*inference, openai_models, models, *harness, *control, trust, health):
        app.include_router(module.router)
    _add_reference(app)
    return app


def _is_hot(route: BaseRoute) -> TypeGuard[APIRoute]:
    return isinstance(route, APIRoute) and route.path in _HOT


def _add_reference(app: FastAPI) -> None:
    app.openapi = lambda: describe(app)

    async def docs(_: Request) -> Response:
        headers = {"content-security-policy": _DOCS_POLICY}
        return Response(page(describe(app)), media_type="text/html", headers=headers)

    app.add_route("/docs", docs, include_in_schema=False)


@contextmanager
def _announced_stop(gateway: Gateway) -> Generator[None]:
    """Readiness fails from the moment the process is told to stop, while the server still finishes requests."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)

    def announce(number: int, frame: FrameType | None) -> None:
        gateway.draining = True
        if callable(before):
            before(number, frame)

    signal.signal(signal.SIGTERM, announce)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
