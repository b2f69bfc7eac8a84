"""A person exported and erased over real HTTP, by a real worker on a real Temporal."""

import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import orjson
import pytest
import pytest_asyncio
from temporalio.client import Client

from gateway.settings import Settings
from gateway.tenancy import Scope
from storage import Storage
from tests.gateway_server import GatewayServer, serve
from tests.tenants import make_tenant
from tests.upstream import SandboxServer
from tests.worker.conftest import worker_process

NAME = "maria.lopez@mercy.example"
SCOPES = (Scope.AI_CHAT, Scope.CONTROL_READ, Scope.END_USERS_READ, Scope.END_USERS_WRITE)


@pytest_asyncio.fixture
async def served(
    worker_settings: Settings, storage: Storage, sandbox_server: SandboxServer, upkeep: Client
) -> AsyncIterator[GatewayServer]:
    """An API and a worker."""
    assert upkeep is not None
    settings = worker_settings.model_copy(update={"sandbox_url": sandbox_server.url})
    tenant = await make_tenant(storage, scopes=SCOPES)
    async with AsyncExitStack() as opened:
        url = opened.enter_context(serve(settings))
        await opened.enter_async_context(worker_process(settings))
        session = await opened.enter_async_context(aiohttp.ClientSession())
        yield GatewayServer(url, tenant.token, tenant, storage, sandbox_server, session)


async def call(server: GatewayServer) -> None:
    message = {"role": "user", "content": "My number is 555-0142"}
    body = {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [message], "metadata": {"user_id": NAME}}
    assert (await server.post("/v1/messages", body)).status == 200


async def exported(server: GatewayServer) -> dict[str, Any]:
    path = f"/v1/orgs/{server.tenant.org}/end-users/{NAME}/export"
    reply = await server.get(path, headers={"prefer": "wait=60"})
    assert reply.status == 200
    return reply.json()["data"]


@pytest.mark.timeout(120)
async def test_a_person_is_exported_and_downloaded_in_both_forms(served: GatewayServer) -> None:
    await call(served)
    await call(served)

    export = await exported(served)

    again = await exported(served)
    bag = await served.get(export["download_url"])
    document = await served.get(again["download_url"], headers={"accept": "application/json"})
    assert (export["state"], export["counts"]["inferences"], again["id"]) == ("ready", 2, export["id"])
    with zipfile.ZipFile(io.BytesIO(bag.body)) as archive:
        assert archive.testzip() is None
        (named,) = [name for name in archive.namelist() if name.endswith("data/inferences-000001.ndjson")]
        records = [orjson.loads(line) for line in archive.read(named).splitlines()]
    assert records == document.json()["inferences"]
    assert "555-0142" in str(records)
