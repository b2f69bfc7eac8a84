"""The providers' status over real HTTP: who may ask, what is told, and from how many processes."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from pydantic import SecretStr

from gateway.catalog import shipped_catalog
from gateway.clock import SystemClock
from gateway.routing.breaker import Circuit, CircuitState
from gateway.routing.health import Health, Observed
from gateway.routing.status import KEPT, RECENT, Source
from gateway.routing.tally import Outcome, Tally, total
from gateway.settings import Settings
from gateway.tenancy import KeyMode
from storage import Storage
from storage.keyring import create_keyring
from tests.embedded import free_port
from tests.gateway_server import GatewayServer, Json, serve
from tests.tenants import make_tenant
from tests.upstream import SandboxServer

PATH = "/v1/provider-status"
HAIKU = "claude-haiku-4-5"


@dataclass(frozen=True, slots=True)
class Asked:
    """A server with a database of its own, and a key that has no scope."""

    session: aiohttp.ClientSession
    token: str

    async def status(self, query: str = "") -> Json:
        async with self.session.get(PATH + query, headers={"x-api-key": self.token}) as reply:
            assert reply.status == 200
            return (await reply.json())["data"]

    async def provider(self, provider: str = "anthropic", query: str = "") -> Json:
        (found,) = [each for each in (await self.status(query))["providers"] if each["id"] == provider]
        return found


@pytest_asyncio.fixture
async def fresh(settings: Settings, storage: Storage, sandbox_server: SandboxServer) -> AsyncIterator[Asked]:
    tenant = await make_tenant(storage, scopes=(), agreement=False)
    with serve(settings.model_copy(update={"sandbox_url": sandbox_server.url})) as url:
        async with aiohttp.ClientSession(url) as session:
            yield Asked(session, tenant.token)


def process(storage: Storage, *circuits: Circuit) -> Health:
    """Another API process, as far as what it saw."""
    return Health(storage.provider_health, SystemClock(), circuits=lambda: circuits)


def model_of(provider: Json, model: str = HAIKU) -> Json:
    (found,) = [each for each in provider["models"] if each["id"] == model]
    return found


@pytest.mark.parametrize("mode", KeyMode)
async def test_any_valid_key_may_ask_without_a_scope_or_an_agreement(
    gateway_server: GatewayServer, mode: KeyMode
) -> None:
    tenant = await make_tenant(gateway_server.storage, scopes=(), agreement=False, mode=mode)

    reply = await gateway_server.get(PATH, key=tenant.token)

    assert reply.status == 200
    assert reply.headers["cache-control"] == "private, max-age=15"
    assert reply.json()["meta"] == {"request_id": reply.headers["x-request-id"]}


@pytest.mark.parametrize("key", [None, "hasp_key_live_" + "2" * 32, "nonsense"])
async def test_without_a_valid_key_it_is_401(gateway_server: GatewayServer, key: str | None) -> None:
    reply = await gateway_server.get(PATH, key=key)

    assert (reply.status, reply.json()["error"]["code"]) == (401, "INVALID_API_KEY")
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("query", "param"), [("?history=perhaps", "history"), ("?history=", "history"), ("?period=day", None)]
)
async def test_a_bad_form_is_422(gateway_server: GatewayServer, query: str, param: str | None) -> None:
    reply = await gateway_server.get(PATH + query)

    assert (reply.status, reply.json()["error"]["code"]) == (422, "VALIDATION_FAILED")
    assert reply.json()["error"].get("param") == param


async def test_before_anything_is_known_every_provider_and_model_is_there_as_unknown(fresh: Asked) -> None:
    nothing = {
        "status": "unknown",
        "latency_ms_p50": None,
        "error_rate": None,
        "circuit": "closed",
        "last_checked_at": None,
    }
    catalog = shipped_catalog()

    assert await fresh.status() == {
        "status": "unknown",
        "providers": [
            {
                "id": provider.id,
                **nothing,
                "models": [{"id": model.id, **nothing} for model in catalog.models_of(provider.id)],
            }
            for provider in catalog.providers
        ],
    }


async def test_what_two_processes_saw_is_one_status(fresh: Asked, storage: Storage) -> None:
    one, other = process(storage), process(storage)
    for _ in range(4):
        one.observe("anthropic", HAIKU, Outcome.OK, 800)
        other.observe("anthropic", HAIKU, Outcome.OK, 900)
    one.observe("anthropic", HAIKU, Outcome.BUSY)
    other.observe("anthropic", HAIKU, Outcome.TIMEOUT)
    await one.flush()
    await other.flush()

    provider = await fresh.provider()

    assert (provider["status"], provider["error_rate"]) == ("degraded", 0.2)
    assert 700 < provider["latency_ms_p50"] < 1_000
    assert provider["last_checked_at"].endswith(":00+00:00")
    told = {name: provider[name] for name in ("status", "latency_ms_p50", "error_rate", "last_checked_at")}
    assert model_of(provider) == {"id": HAIKU, "circuit": "closed", **told}
    assert model_of(provider, "claude-sonnet-4-6")["status"] == "unknown"


async def test_a_circuit_that_one_process_opened_is_down_for_everybody(fresh: Asked, storage: Storage) -> None:
    await process(storage, Circuit("anthropic", HAIKU, CircuitState.OPEN, 15)).flush()

    status = await fresh.status()

    anthropic = next(each for each in status["providers"] if each["id"] == "anthropic")
    assert (status["status"], anthropic["status"], anthropic["circuit"]) == ("down", "down", "open")
    assert model_of(anthropic)["circuit"] == "open"


async def test_an_answer_is_kept_for_a_while(fresh: Asked, storage: Storage) -> None:
    first = await fresh.status()
    await process(storage, Circuit("anthropic", HAIKU, CircuitState.OPEN, 15)).flush()

    assert await fresh.status() == first


async def test_history_tells_rates_and_latencies_of_a_day_and_no_numbers_of_calls(
    fresh: Asked, storage: Storage
) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    at = now - timedelta(hours=23, minutes=now.minute % 5)
    for hours, calls in enumerate([1_234, 5, 4]):
        answered = total([Tally.of(Outcome.OK, 800)] * calls)
        await storage.provider_health.add([Observed(at + timedelta(hours=hours), "anthropic", HAIKU, answered)])

    without = await fresh.provider()
    history: list[dict[str, Any]] = (await fresh.provider(query="?history=true"))["history"]

    assert "history" not in without
    assert [each["at"] for each in history] == [at.isoformat(), (at + timedelta(hours=1)).isoformat()]
    assert [{*each} for each in history] == [{"at", "status", "latency_ms_p50", "error_rate"}] * 2
    assert {each["status"] for each in history} == {"operational"}


async def test_calls_of_live_keys_are_counted_and_calls_of_test_keys_are_not(
    settings: Settings, storage: Storage, sandbox_server: SandboxServer
) -> None:
    live, test = await make_tenant(storage), await make_tenant(storage, mode=KeyMode.TEST)
    vendor = {
        "sandbox_url": sandbox_server.url,
        "anthropic_base_url": sandbox_server.url,
        "anthropic_api_key": SecretStr("a key"),
    }
    body = {"model": HAIKU, "max_tokens": 20, "messages": [{"role": "user", "content": "Hello."}]}

    with serve(settings.model_copy(update=vendor)) as url:
        async with aiohttp.ClientSession(url) as session:
            for token in (live.token, live.token, test.token):
                async with session.post("/v1/messages", json=body, headers={"x-api-key": token}) as reply:
                    assert reply.status == 200

    now = datetime.now(UTC)
    seen = await storage.provider_health.records(recent=now - RECENT, oldest=now - KEPT)
    assert [(each.provider, each.model, each.source) for each in seen] == [("anthropic", HAIKU, Source.TRAFFIC)]
    assert [(each.tally.ok, each.tally.attempts, sum(each.tally.latency)) for each in seen] == [(2, 2, 2)]


async def test_without_a_database_it_is_503_in_the_envelope(tmp_path: Path) -> None:
    create_keyring(tmp_path / "keyring.json")
    settings = Settings(
        database_url=f"postgresql://hasp_app:x@127.0.0.1:{free_port()}/none",  # pyright: ignore[reportArgumentType]
        keyring_file=tmp_path / "keyring.json",
    )
    key = {"x-api-key": "hasp_key_live_" + "2" * 32}

    with serve(settings) as url:
        async with aiohttp.ClientSession(url) as session, session.get(PATH, headers=key) as reply:
            body = await reply.json()

    assert (reply.status, body["success"], body["error"]["code"]) == (503, False, "INFERENCE_UNAVAILABLE")
    assert reply.headers["cache-control"] == "no-store"
