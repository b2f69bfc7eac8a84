"""The whole gateway over real HTTP: real PostgreSQL, real scanners, the sandbox as every vendor."""

from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import psycopg
import pytest
import pytest_asyncio
import uvicorn
from sqlalchemy.engine import make_url

from api.main import create_app
from gateway.ids import new_ulid
from gateway.settings import Settings
from storage import Storage
from storage.keyring import create_keyring
from storage.migrate import APP_ROLE
from tests.grammar import Event, read_events
from tests.serving import running
from tests.tenants import Tenant, make_tenant
from tests.upstream import SandboxServer

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Json:
        return orjson.loads(self.body)

    @property
    def events(self) -> list[Event]:
        assert self.headers["content-type"].startswith("text/event-stream")
        return read_events(self.body)


@dataclass(frozen=True, slots=True)
class GatewayServer:
    """`storage` is the test's own view of what the server keeps."""

    url: str
    live_key: str
    tenant: Tenant
    storage: Storage
    sandbox: SandboxServer
    session: aiohttp.ClientSession = field(repr=False)

    async def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = "",
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """One exchange. `key` is the tenant's when empty; None sends none. Bytes go as they are, the rest as JSON."""
        sent = dict(headers or {})
        if key is not None:
            sent["authorization"] = f"Bearer {key or self.live_key}"
        data = body if isinstance(body, bytes | BytesIO) or body is None else orjson.dumps(body)
        async with self.session.request(method, self.url + path, data=data, headers=sent) as answer:
            headers_in = {name.lower(): value for name, value in answer.headers.items()}
            return Reply(answer.status, headers_in, await answer.read())

    async def post(self, path: str, body: object, **options: Any) -> Reply:
        return await self.request("POST", path, body, **options)

    async def get(self, path: str, **options: Any) -> Reply:
        return await self.request("GET", path, **options)


@pytest.fixture(scope="session")
def server_settings(
    postgres_server: str,
    template_database: str,
    sandbox_server: SandboxServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Settings:
    name = f"served_{new_ulid().lower()}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(
            f'create database "{name}" template "{template_database}" strategy file_copy'  # pyright: ignore[reportArgumentType, reportCallIssue]
        )
    keyring: Path = tmp_path_factory.mktemp("served") / "keyring.json"
    create_keyring(keyring)
    url = make_url(postgres_server).set(database=name, username=APP_ROLE, password="only-for-tests")
    return Settings(
        database_url=url.render_as_string(hide_password=False),  # pyright: ignore[reportArgumentType] - pydantic parses it
        keyring_file=keyring,
        sandbox_url=sandbox_server.url,
        max_body_bytes=1024 * 1024,
        public_url="http://gateway.example",
    )


@pytest.fixture(scope="session")
def served(server_settings: Settings) -> Iterator[str]:
    """The base URL of a running API."""
    with serve(server_settings) as url:
        yield url


@contextmanager
def serve(settings: Settings) -> Generator[str]:
    """The API, in a thread of its own."""
    config = uvicorn.Config(
        create_app(settings),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=75,  # longer than clients keep a connection: they meet none that just closed
    )
    with running(config, name="gateway") as url:
        yield url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def gateway_server(
    served: str, server_settings: Settings, sandbox_server: SandboxServer
) -> AsyncIterator[GatewayServer]:
    storage = await Storage.open(server_settings)
    tenant = await make_tenant(storage, allotment=1_000_000_000)
    async with aiohttp.ClientSession() as session:
        yield GatewayServer(served, tenant.token, tenant, storage, sandbox_server, session)
    await storage.close()
