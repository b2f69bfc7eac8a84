"""A gateway whose vendors misbehave on request, with limits short enough to wait for."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from gateway.settings import Settings
from gateway.tenancy import KeyMode
from storage import Storage
from tests.gateway_server import GatewayServer, serve, server_settings
from tests.storm.books import Books, books_of
from tests.tenants import make_tenant
from tests.upstream import SandboxServer

__all__ = ["server_settings"]

EQUIVALENTS = {
    "amendments": {
        "claude-haiku-4-5": {"equivalents": ["gpt-5.4-mini"]},
        "gpt-5.4-mini": {"equivalents": ["claude-haiku-4-5"]},
    }
}


@pytest.fixture(scope="session")
def storm_settings(
    server_settings: Settings,
    sandbox_server: SandboxServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Settings:
    """Vendors with keys, which are the sandbox, and two models that stand in for each other."""
    catalog: Path = tmp_path_factory.mktemp("storm") / "catalog.json"
    catalog.write_text(json.dumps(EQUIVALENTS))
    vendors = {
        "anthropic_api_key": "sk-1",
        "anthropic_base_url": sandbox_server.url,
        "openai_api_key": "sk-2",
        "openai_base_url": sandbox_server.url,
    }
    limits = {
        "upstream_first_byte_timeout_s": 0.6,
        "upstream_idle_timeout_s": 0.6,
        "upstream_total_timeout_s": 4.0,
        "max_body_bytes": 1024 * 1024,
    }
    return Settings.model_validate(
        server_settings.model_dump() | vendors | limits | {"catalog_file": catalog, "catalog_poll_s": 0.05}
    )


@pytest.fixture
def books(storm_server: GatewayServer, storm_settings: Settings, postgres_server: str) -> Books:
    return books_of(storm_server.tenant.org, storm_settings, postgres_server)


@pytest.fixture(scope="session")
def stormy(storm_settings: Settings) -> Iterator[str]:
    with serve(storm_settings) as url:
        yield url


@pytest_asyncio.fixture
async def storm_server(
    stormy: str, storm_settings: Settings, sandbox_server: SandboxServer
) -> AsyncIterator[GatewayServer]:
    """A tenant of its own, which allows failover, by a test key: circuits are not shared between its calls."""
    storage = await Storage.open(storm_settings)
    tenant = await make_tenant(storage, allotment=1_000_000_000, mode=KeyMode.TEST, failover_enabled=True)
    async with aiohttp.ClientSession() as session:
        yield GatewayServer(stormy, tenant.token, tenant, storage, sandbox_server, session)
    await storage.close()
