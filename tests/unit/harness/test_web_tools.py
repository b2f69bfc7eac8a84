"""The tools that ask somebody else: over HTTP, with servers that answer well, badly and not at all."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from pydantic import JsonValue, SecretStr

from gateway.harness.tool import ToolFailedError
from gateway.harness.tools.code_execution import CodeExecution
from gateway.harness.tools.terms import Terms, terms_of
from gateway.harness.tools.web_fetch import WebFetch
from gateway.harness.tools.web_search import SearchKind, WebSearch
from gateway.outside.configured_server import ConfiguredServer, ServerFailedError
from gateway.outside.reading import PublicReader
from tests.internet import NAME, Internet
from tests.unit.harness.contexts import CONTEXT, SETTINGS

TERMS = Terms(7, 0.5)
RESULTS: JsonValue = {
    "results": [
        {"title": "Aspirin", "url": "https://a.example/", "content": "A  salicylate.\n", "score": 1},
        {"title": "", "url": "https://b.example/", "snippet": "Another."},
        {"title": "No address"},
        "nonsense",
    ]
}


class Server:
    """Answers as it is told to, and keeps what it heard."""

    def __init__(self) -> None:
        self.answer: web.Response | None = web.json_response(RESULTS)
        self.heard: list[dict[str, Any]] = []

    async def handle(self, request: web.BaseRequest) -> web.Response:
        body = await request.json() if request.can_read_body else None
        self.heard.append({"query": dict(request.query), "body": body, "token": request.headers.get("authorization")})
        if self.answer is None:
            await asyncio.Event().wait()
        assert self.answer is not None
        return self.answer


@asynccontextmanager
async def serving(server: Server) -> AsyncGenerator[str]:
    runner = web.ServerRunner(web.Server(server.handle, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/search"
    finally:
        await runner.cleanup()


@pytest_asyncio.fixture
async def server() -> Server:
    return Server()


@pytest_asyncio.fixture
async def asked(server: Server) -> AsyncIterator[ConfiguredServer]:
    async with serving(server) as url:
        configured = ConfiguredServer(url, SecretStr("secret-token"), called="search server")
        yield configured
        await configured.close()


@pytest.mark.parametrize(
    ("kind", "heard"),
    [
        ("searxng", {"query": {"q": "aspirin", "format": "json"}, "body": None}),
        ("json", {"query": {}, "body": {"query": "aspirin", "limit": 2}}),
    ],
)
async def test_a_search_gives_titles_addresses_and_words(
    asked: ConfiguredServer, server: Server, kind: SearchKind, heard: dict[str, Any]
) -> None:
    answer = await WebSearch(asked, kind, TERMS).run({"query": "aspirin", "limit": 2}, CONTEXT)

    assert answer.text == "1. Aspirin\nhttps://a.example/\nA salicylate.\n\n2. https://b.example/\nAnother."
    assert server.heard == [{**heard, "token": "Bearer secret-token"}]


async def test_a_search_without_results_says_so(asked: ConfiguredServer, server: Server) -> None:
    server.answer = web.json_response({"results": []})

    assert (await WebSearch(asked, "searxng", TERMS).run({"query": "x"}, CONTEXT)).text == "Nothing was found."


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=500, text="Maria Lopez"),
        web.Response(status=302, headers={"location": "http://169.254.169.254/"}),
        web.Response(text="<html>Maria Lopez"),
        web.json_response([1]),
        web.json_response({"results": "Maria Lopez"}),
        web.Response(body=b"[" + b"1," * 2_000_000 + b"1]", content_type="application/json"),
        None,
    ],
    ids=["failure", "redirect", "no JSON", "no object", "no list", "too much", "silence"],
)
async def test_a_server_that_answers_badly_is_told_of_without_its_words(
    asked: ConfiguredServer, server: Server, answer: web.Response | None
) -> None:
    server.answer = answer

    with pytest.raises((ToolFailedError, ServerFailedError)) as raised:
        await WebSearch(asked, "searxng", TERMS).run({"query": "aspirin"}, CONTEXT)

    assert "search server" in str(raised.value)
    assert "Maria" not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    "given",
    [{}, {"query": ""}, {"query": 3}, {"query": "x" * 401}, {"query": "x", "limit": 0}, {"query": "x", "limit": True}],
)
async def test_a_search_of_another_form_asks_nobody(
    asked: ConfiguredServer, server: Server, given: dict[str, JsonValue]
) -> None:
    with pytest.raises(ToolFailedError):
        await WebSearch(asked, "searxng", TERMS).run(given, CONTEXT)
    assert server.heard == []


async def test_code_is_run_by_the_runner(asked: ConfiguredServer, server: Server) -> None:
    server.answer = web.json_response({"stdout": "4\n", "stderr": "", "exit_code": 0})

    answer = await CodeExecution(asked, TERMS).run({"code": "print(2 + 2)"}, CONTEXT)

    assert (answer.text, answer.is_error) == ("stdout:\n4\n\n\nexit code: 0", False)
    assert server.heard[0]["body"] == {"language": "python", "code": "print(2 + 2)", "timeout_s": 0.5}


async def test_code_that_fails_is_an_error(asked: ConfiguredServer, server: Server) -> None:
    server.answer = web.json_response({"stdout": "", "stderr": "NameError", "exit_code": 1})

    answer = await CodeExecution(asked, TERMS).run({"code": "x"}, CONTEXT)

    assert (answer.text, answer.is_error) == ("stderr:\nNameError\n\nexit code: 1", True)


@pytest.mark.parametrize("answer", [{}, {"exit_code": "0"}, []])
async def test_a_runner_that_says_nothing_of_the_end_has_failed(
    asked: ConfiguredServer, server: Server, answer: JsonValue
) -> None:
    server.answer = web.json_response(answer)

    with pytest.raises(ToolFailedError):
        await CodeExecution(asked, TERMS).run({"code": "x"}, CONTEXT)


async def test_a_page_is_fetched_with_its_title(
    internet: Internet, trusting: ssl.SSLContext, receiving: ssl.SSLContext
) -> None:
    async def handle(_: web.BaseRequest) -> web.Response:
        return web.Response(text="<title>Dose</title><p>Two tablets.", content_type="text/html")

    reader = PublicReader(internet.lookup, tls=trusting)
    async with internet.receiver(receiving, handle):
        answer = await WebFetch(reader, Terms(0, 5)).run({"url": f"https://{NAME}/dose"}, CONTEXT)
    await reader.close()

    assert answer.text == f"Dose\nhttps://{NAME}/dose\n\nTwo tablets."


@pytest.mark.parametrize(
    "url", ["https://169.254.169.254/latest", "http://hooks.example.com", "ftp://x", "", "x" * 3000]
)
async def test_a_page_elsewhere_is_not_fetched(internet: Internet, trusting: ssl.SSLContext, url: str) -> None:
    reader = PublicReader(internet.lookup, tls=trusting)

    with pytest.raises(ToolFailedError):
        await WebFetch(reader, Terms(0, 5)).run({"url": url}, CONTEXT)
    await reader.close()

    assert (internet.connected, await internet.strayed()) == ([], 0)


async def test_a_page_that_is_not_there_is_an_error(
    internet: Internet, trusting: ssl.SSLContext, receiving: ssl.SSLContext
) -> None:
    async def handle(_: web.BaseRequest) -> web.Response:
        return web.Response(status=404, text="Maria Lopez")

    reader = PublicReader(internet.lookup, tls=trusting)
    async with internet.receiver(receiving, handle):
        with pytest.raises(ToolFailedError, match=r"^The server answered with status 404\.$"):
            await WebFetch(reader, Terms(0, 5)).run({"url": f"https://{NAME}/"}, CONTEXT)
    await reader.close()


def test_the_operator_sets_what_a_use_costs_and_how_long_it_may_take() -> None:
    chosen = SETTINGS.model_copy(update={"tool_surcharges": {"web_search": 1}, "tool_timeouts_s": {"other_ask": 2.0}})

    assert terms_of("web_search", chosen) == Terms(1, 15)
    assert terms_of("other_ask", chosen) == Terms(500, 2.0)
    assert terms_of("calculator", chosen) == Terms(0, 5)
