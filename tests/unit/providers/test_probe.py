"""What a probe asks of a provider, and what it makes of the answer."""

import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from pydantic import SecretStr

from gateway.baa.template import Cover
from gateway.catalog import Catalog, Dialect, ProviderSpec
from gateway.providers import probe as probe_module
from gateway.providers.probe import ProviderProbe, outcome_of
from gateway.routing.tally import Outcome
from tests.embedded import free_port
from tests.upstream import SandboxServer


class Upstream:
    """A provider on a port of its own that remembers what it was asked."""

    def __init__(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        self.asked: list[tuple[str, str]] = []
        self.headers: Mapping[str, str] = {}
        self._status = status
        self._answer_headers = headers

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append((request.method, request.path_qs))
        self.headers = request.headers
        return web.Response(status=self._status, headers=self._answer_headers)


@asynccontextmanager
async def running(upstream: Upstream) -> AsyncGenerator[str]:
    runner = web.ServerRunner(web.Server(upstream))
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    await runner.cleanup()


def spec(url: str, *, dialect: Dialect = Dialect.ANTHROPIC, key: str | None = "sk-1") -> ProviderSpec:
    return ProviderSpec(
        id="mine",
        display_name="Mine",
        dialect=dialect,
        base_url=url,
        covered_by=Cover.SELF_HOSTED,
        api_key=SecretStr(key) if key else None,
        needs_key=True,
    )


def probe(*specs: ProviderSpec, sandbox_url: str | None = None) -> ProviderProbe:
    return ProviderProbe(Catalog([], specs), sandbox_url)


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        ((200, 204), Outcome.OK),
        ((400, 403, 404, 405), Outcome.OK),
        ((429, 529), Outcome.BUSY),
        ((401, 301, 307, 500, 502, 503), Outcome.FAILED),
    ],
)
def test_a_status_says_whether_calls_would_be_answered(statuses: tuple[int, ...], outcome: Outcome) -> None:
    assert {outcome_of(status) for status in statuses} == {outcome}


@pytest.mark.parametrize(
    ("dialect", "headers"),
    [
        (Dialect.ANTHROPIC, {"x-api-key": "sk-1", "anthropic-version": "2023-06-01"}),
        (Dialect.OPENAI, {"authorization": "Bearer sk-1"}),
        (Dialect.OPENAI_CHAT, {"authorization": "Bearer sk-1"}),
    ],
)
async def test_the_list_of_models_is_asked_for_with_the_providers_key(
    dialect: Dialect, headers: Mapping[str, str]
) -> None:
    upstream = Upstream(200)
    async with running(upstream) as url:
        (probed,) = await probe(spec(f"{url}/v1", dialect=dialect)).probe()

    assert upstream.asked == [("GET", "/v1/models")]
    assert headers.items() <= {name.lower(): value for name, value in upstream.headers.items()}.items()
    assert (probed.provider, probed.outcome) == ("mine", Outcome.OK)
    assert probed.latency_ms > 0


async def test_a_key_does_not_follow_a_redirect() -> None:
    elsewhere = Upstream(200)
    async with running(elsewhere) as other, running(Upstream(307, {"location": f"{other}/v1/models"})) as url:
        (probed,) = await probe(spec(url)).probe()

    assert probed.outcome is Outcome.FAILED
    assert elsewhere.asked == []


async def test_nobody_at_the_address_is_a_failure_and_keeps_no_other_from_answering() -> None:
    async with running(Upstream(200)) as url:
        gone = spec(f"http://127.0.0.1:{free_port()}").model_copy(update={"id": "gone"})
        probed = await probe(gone, spec(url)).probe()

    assert {each.provider: each.outcome for each in probed} == {"gone": Outcome.FAILED, "mine": Outcome.OK}


async def test_an_address_that_cannot_be_is_a_failure() -> None:
    (probed,) = await probe(spec("http://no such host")).probe()

    assert probed.outcome is Outcome.FAILED


async def test_who_does_not_answer_in_time_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_module, "LIMIT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (probed,) = await probe(spec(f"http://127.0.0.1:{silent.getsockname()[1]}")).probe()

    assert probed.outcome is Outcome.TIMEOUT


@pytest.mark.parametrize("dialect", Dialect)
async def test_the_sandbox_answers_for_a_provider_that_lacks_its_key(
    sandbox_server: SandboxServer, dialect: Dialect
) -> None:
    keyless = spec("http://127.0.0.1:9", dialect=dialect, key=None)

    (probed,) = await probe(keyless, sandbox_url=sandbox_server.url).probe()

    assert (probed.provider, probed.outcome) == ("mine", Outcome.OK)


async def test_without_key_and_sandbox_nobody_is_asked() -> None:
    assert await probe(spec("http://127.0.0.1:9", key=None)).probe() == []
