"""A person exported and erased over real HTTP, by a real worker on a real Temporal."""

import asyncio
import io
import secrets
import zipfile
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import orjson
import psycopg
import pytest
import pytest_asyncio
from psycopg import sql
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from gateway.settings import Settings
from gateway.tenancy import Scope
from storage import Storage
from storage.encryption import SealedValueError
from tests.conftest import Database
from tests.gateway_server import GatewayServer, serve
from tests.tenants import make_tenant
from tests.upstream import SandboxServer
from tests.worker.conftest import WorkerProcess, worker_process
from workflows.codec import PayloadError

SCOPES = (Scope.AI_CHAT, Scope.CONTROL_READ, Scope.END_USERS_READ, Scope.END_USERS_WRITE)
CALLS, CANARIES_EACH = 50, 20
SEALED = {
    "inferences": {
        "request_content": "inferences.request_content/{id}",
        "answer_content": "inferences.answer_content/{id}",
    },
    "end_users": {"original": "end_users.original/{id}"},
    "end_user_keys": {"sealed": "end_user_keys.sealed/{end_user_id}"},
    "end_user_exports": {"sealed_key": "end_user_exports.sealed_key/{id}"},
}
"""Columns by table, and the places that their values are sealed for."""


@dataclass(frozen=True, slots=True)
class Served:
    """An API and a worker, all that they log, and what they keep."""

    http: GatewayServer
    temporal: Client
    logs: list[bytes]
    owner_url: str

    def path(self, name: str, *rest: str) -> str:
        return "/".join((f"/v1/orgs/{self.http.tenant.org}/end-users", name, *rest))


@pytest_asyncio.fixture
async def served(
    worker_settings: Settings,
    database: Database,
    storage: Storage,
    sandbox_server: SandboxServer,
    upkeep: Client,
) -> AsyncIterator[Served]:
    settings = worker_settings.model_copy(update={"sandbox_url": sandbox_server.url})
    tenant = await make_tenant(storage, scopes=SCOPES)
    logs: list[bytes] = []
    async with AsyncExitStack() as opened:
        url = opened.enter_context(serve(settings))
        worker = await opened.enter_async_context(worker_process(settings))
        reading = asyncio.create_task(_read(worker, logs))
        session = await opened.enter_async_context(aiohttp.ClientSession())
        http = GatewayServer(url, tenant.token, tenant, storage, sandbox_server, session)
        yield Served(http, upkeep, logs, database.owner_url)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _read(worker: WorkerProcess, into: list[bytes]) -> None:
    assert worker.process.stdout is not None
    while line := await worker.process.stdout.readline():
        into.append(line)


async def call(server: GatewayServer, name: str, text: str) -> None:
    message = {"role": "user", "content": text}
    body = {"model": "claude-haiku-4-5", "max_tokens": 999, "messages": [message], "metadata": {"user_id": name}}
    assert (await server.post("/v1/messages", body)).status == 200


async def exported(served: Served, name: str) -> dict[str, Any]:
    reply = await served.http.get(served.path(name, "export"), headers={"prefer": "wait=60"})
    assert reply.status == 200
    return reply.json()["data"]


async def test_a_person_is_exported_and_downloaded_in_both_forms(served: Served) -> None:
    name = "maria.lopez@mercy.example"
    await call(served.http, name, "My number is 555-0142")
    await call(served.http, name, "And now?")

    export = await exported(served, name)

    again = await exported(served, name)
    bag = await served.http.get(export["download_url"])
    document = await served.http.get(again["download_url"], headers={"accept": "application/json"})
    assert (export["state"], export["counts"]["inferences"], again["id"]) == ("ready", 2, export["id"])
    with zipfile.ZipFile(io.BytesIO(bag.body)) as archive:
        assert archive.testzip() is None
        (named,) = [each for each in archive.namelist() if each.endswith("data/inferences-000001.ndjson")]
        records = [orjson.loads(line) for line in archive.read(named).splitlines()]
    assert records == document.json()["inferences"]
    assert "555-0142" in str(records)


async def test_of_a_thousand_canaries_none_is_found_after_an_erasure(
    served: Served, capsys: pytest.CaptureFixture[str], settings: Settings, temporal_env: WorkflowEnvironment
) -> None:
    name = f"patient-{secrets.token_hex(8)}"
    canaries = [[f"canary-{secrets.token_hex(8)}" for _ in range(CANARIES_EACH)] for _ in range(CALLS)]
    every = {name, *(canary for some in canaries for canary in some)}
    await asyncio.gather(*(call(served.http, name, " ".join(some)) for some in canaries))
    export = await exported(served, name)
    bag = await served.http.get(export["download_url"], headers={"accept": "application/json"})
    assert hits(bag.body, every) == every
    assert await that_open(served, settings, every) == every

    asked = (await served.http.post(served.path(name, "erasure"), {})).json()["data"]
    await ended(temporal_env, served.temporal.get_workflow_handle(f"gdpr-erasure/{asked['id']}"))

    erasure = (await served.http.get(f"/v1/orgs/{served.http.tenant.org}/end-user-erasures/{asked['id']}")).json()
    assert (erasure["data"]["state"], erasure["data"]["scan"]["clean"]) == ("done", True)
    assert (await served.http.get(served.path(name))).status == 404
    assert (await served.http.get(export["download_url"])).status == 410
    places: Mapping[str, set[str]] = {
        "what opens": await that_open(served, settings, every),
        "the database": hits(in_database(served.owner_url), every),
        "Temporal": hits(await in_temporal(served), every),
        "the worker's log": hits(b"".join(served.logs), every),
        "the API's log": hits("".join(capsys.readouterr()).encode(), every),
    }
    assert served.logs
    assert {place: found for place, found in places.items() if found} == {}


async def ended(temporal_env: WorkflowEnvironment, handle: WorkflowHandle[Any, Any]) -> None:
    """As soon as it has begun; its waits are skipped."""
    while True:
        try:
            await temporal_env.fast_forward(handle, timedelta(minutes=3))
            break
        except RPCError:
            await asyncio.sleep(0.1)
    await handle.result()


def hits(content: bytes, canaries: Collection[str]) -> set[str]:
    """Those that stand in `content`, also as PostgreSQL writes bytes."""
    return {each for each in canaries if each.encode() in content or each.encode().hex().encode() in content}


async def that_open(served: Served, settings: Settings, canaries: Collection[str]) -> set[str]:
    """Those in anything sealed that opens for a process that starts now."""
    storage = await Storage.open(settings)
    found: set[str] = set()
    try:
        for table, columns in SEALED.items():
            for column, place in columns.items():
                for row, sealed in _sealed(served.owner_url, table, column):
                    opened = await _opened(storage, served.http.tenant.org, place.format_map(row), sealed)
                    found |= hits(opened, canaries)
    finally:
        await storage.close()
    return found


async def _opened(storage: Storage, org: Any, place: str, sealed: bytes) -> bytes:
    try:
        return await storage.cipher.open(org, place, sealed)
    except SealedValueError:
        return b""


def _sealed(url: str, table: str, column: str) -> list[tuple[dict[str, Any], bytes]]:
    query = sql.SQL("select to_jsonb(t), t.{column} from {table} t where t.{column} is not null")
    with psycopg.connect(url) as connection:
        rows = connection.execute(query.format(table=sql.Identifier(table), column=sql.Identifier(column))).fetchall()
    return [(row, bytes(value)) for row, value in rows]


def in_database(url: str) -> bytes:
    """Every column of every table."""
    every_row = sql.SQL("select t::text from {table} t")
    with psycopg.connect(url) as connection:
        tables = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
        queries = [every_row.format(table=sql.Identifier(table)) for (table,) in tables]
        rows = [str(row) for query in queries for (row,) in connection.execute(query).fetchall()]
    return "\n".join(rows).encode()


async def in_temporal(served: Served) -> bytes:
    """Every history that there is, its payloads opened."""
    client, found = served.temporal, list[bytes]()
    codec = client.data_converter.payload_codec
    assert codec is not None
    async for run in client.list_workflows():
        history = await client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()
        found.append(run.id.encode())
        for event in history.events:
            found.append(event.SerializeToString())
            with suppress(PayloadError):  # of another installation on the same server
                found += [each.data for each in await codec.decode(_payloads(event))]
    return b"\n".join(found)


def _payloads(message: Any) -> list[Payload]:
    """Those anywhere in a protobuf message."""
    if isinstance(message, Payload):
        return [message] if message.metadata.get("encoding", b"") == b"binary/encrypted" else []
    found: list[Payload] = []
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            values = [each for each in value.values() if hasattr(each, "ListFields")]
        else:
            values = [value] if hasattr(value, "ListFields") else [*value]
        for each in values:
            found += _payloads(each)
    return found
