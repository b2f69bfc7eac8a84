"""Models come and go with the catalog file, while the gateway serves."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from gateway.settings import Settings
from gateway.tenancy import KeyMode
from tests.gateway_server import GatewayServer, Json, Reply
from tests.storm.books import books_of
from tests.tenants import COVERS, make_tenant

WITHIN_S = 20.0


class CatalogFile:
    """The served gateway's, and what it said before the test."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.key = path.with_name("key")
        self.key.write_text("sk-ward")
        self.before: Json = json.loads(path.read_bytes())

    def put(self, content: Json) -> None:
        """As careful operators do: a new file in the old one's place."""
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(content))
        fresh.replace(self._path)


@pytest.fixture
def catalog_file(storm_settings: Settings) -> Iterator[CatalogFile]:
    assert storm_settings.catalog_file
    file = CatalogFile(storm_settings.catalog_file)
    yield file
    file.put(file.before)


async def _status_within(server: GatewayServer, path: str, status: int) -> Reply:
    until = monotonic() + WITHIN_S
    while True:
        reply = await server.get(path)
        if reply.status == status or monotonic() > until:
            return reply


async def test_a_server_of_the_operators_own_answers_without_a_restart(
    storm_server: GatewayServer, catalog_file: CatalogFile
) -> None:
    ward = {
        "id": "ward",
        "dialect": "openai_chat",
        "base_url": storm_server.sandbox.url,
        "covered_by": "self_hosted",
        "api_key_file": str(catalog_file.key),
    }
    model = {
        "id": "llama-3.3",
        "provider": "ward",
        "upstream": "meta-llama/Llama-3.3",
        "context_tokens": 131072,
        "max_output_tokens": 8192,
        "abilities": ["tools", "sampling", "stop_sequences", "thinking"],
        "ratio_milli": 100,
    }
    tenant = await make_tenant(
        storm_server.storage, mode=KeyMode.LIVE, covers=[*COVERS, "self_hosted"], allotment=10_000_000
    )
    asked = {
        "model": "llama-3.3",
        "max_tokens": 64,
        "messages": [{"role": "user", "content": "Call Zachary Quillfeather back."}],
    }

    assert (await storm_server.post("/v1/messages", asked, key=tenant.token)).status == 404

    catalog_file.put(catalog_file.before | {"providers": [ward], "models": [model]})
    shown = await _status_within(storm_server, "/v1/models/llama-3.3", 200)
    assert shown.json()["baa_coverage"] == "self_hosted"
    storm_server.sandbox.clear()
    reply = await storm_server.post("/v1/messages", asked, key=tenant.token)

    assert reply.status == 200, reply.body
    assert reply.json()["content"] == [{"type": "text", "text": "Echo: Call Zachary Quillfeather back."}]
    assert "hasp-upstream" not in reply.headers
    usage = await storm_server.get("/v1/usage", key=tenant.token)
    assert [line["cost_usd"] for line in usage.json()["data"]["by_model"]] == [None]
    table = await storm_server.get("/v1/usage", key=tenant.token, headers={"accept": "text/csv"})
    assert all(line.endswith(b",") for line in table.body.split(b"\r\n")[1:-1])
    (sent,) = storm_server.sandbox.requests()
    assert sent["path"] == "/v1/chat/completions"
    assert "Quillfeather" not in sent["body"]

    catalog_file.put(catalog_file.before)
    assert (await _status_within(storm_server, "/v1/models/llama-3.3", 404)).status == 404


async def test_a_model_by_a_name_with_a_slash_is_found(storm_server: GatewayServer, catalog_file: CatalogFile) -> None:
    alias = {"gpt-5.4": {"aliases": ["azure/gpt-5.4"]}}

    catalog_file.put(catalog_file.before | {"amendments": catalog_file.before["amendments"] | alias})

    shown = await _status_within(storm_server, "/v1/models/azure/gpt-5.4", 200)
    assert shown.json()["id"] == "gpt-5.4"


@pytest.mark.timeout(120)
async def test_calls_amid_constant_change_are_answered_for_real_or_refused(
    storm_server: GatewayServer, catalog_file: CatalogFile, storm_settings: Settings, postgres_server: str
) -> None:
    """Nobody is sent a call that was admitted to what it used to be, and the sandbox makes up no answer for it."""
    tenant = await make_tenant(storm_server.storage, mode=KeyMode.LIVE, covers=[*COVERS, "self_hosted"])
    books = books_of(tenant.org, storm_settings, postgres_server)
    ward = {
        "id": "ward",
        "dialect": "openai_chat",
        "base_url": storm_server.sandbox.url,
        "covered_by": "self_hosted",
        "api_key_file": str(catalog_file.key),
    }
    model: Json = {
        "id": "llama-3.3",
        "provider": "ward",
        "context_tokens": 131072,
        "max_output_tokens": 8192,
        "abilities": [],
        "ratio_milli": 100,
    }
    contents: list[Json] = [
        {"providers": [ward], "models": [model]},
        {"providers": [ward | {"dialect": "anthropic"}], "models": [model | {"ratio_milli": 900}]},
        {"providers": [{"not": "valid"}]},
        {},
    ]
    replies: list[Reply] = []

    async def call(number: int) -> None:
        asked = {"model": "llama-3.3", "max_tokens": 64, "messages": [{"role": "user", "content": f"Call {number}"}]}
        replies.append(await storm_server.post("/v1/messages", asked, key=tenant.token))

    for round_number in range(40):
        catalog_file.put(catalog_file.before | contents[round_number % len(contents)])
        await asyncio.gather(*(call(10 * round_number + number) for number in range(10)))

    assert {reply.status for reply in replies} <= {200, 404, 503}
    assert not [reply for reply in replies if "hasp-upstream" in reply.headers]
    assert sum(books.usage().values()) == len([reply for reply in replies if reply.status == 200]) > 0
    assert books.account() == {"pending": 0, "posted": books.credits_used()}
