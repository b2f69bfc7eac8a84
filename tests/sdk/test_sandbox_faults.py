"""The sandbox fails as vendors do, in the order that a caller scripts."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import aiohttp
import anthropic
import openai
import pytest
from anthropic.types import MessageParam

from tests.upstream import SandboxServer

HEADERS = {"authorization": "Bearer any", "anthropic-version": "2023-06-01"}
PATHS = ["/v1/messages", "/v1/responses", "/v1/chat/completions"]


@pytest.fixture
async def http(sandbox_server: SandboxServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(sandbox_server.url, headers=HEADERS) as session:
        yield session


@pytest.fixture
def claude(sandbox_server: SandboxServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=sandbox_server.url, api_key="any", max_retries=2) as client:
        yield client


def scripted(*steps: str, more: str = "") -> str:
    """A text that no other test has played."""
    return f"[[sandbox: script={','.join(steps)}{more}]] {uuid4()} one two three four"


def body(path: str, text: str, *, stream: bool = False, model: str = "m") -> dict[str, Any]:
    turns = [{"role": "user", "content": text}]
    asked: dict[str, Any] = {"model": model, "stream": stream}
    if path == "/v1/responses":
        return asked | {"input": turns}
    return asked | {"messages": turns} | ({"max_tokens": 99} if path == "/v1/messages" else {})


async def status(http: aiohttp.ClientSession, path: str, text: str, model: str = "m") -> int:
    async with http.post(path, json=body(path, text, model=model)) as answer:
        await answer.read()
        return answer.status


async def partial(http: aiohttp.ClientSession, path: str, text: str) -> str:
    """What of a stream came before it broke; fails the test if it did not break."""
    heard = b""
    async with http.post(path, json=body(path, text, stream=True)) as answer:
        assert answer.status == 200
        try:
            async for piece in answer.content.iter_any():
                heard += piece
        except aiohttp.ClientPayloadError:
            return heard.decode()
    pytest.fail("the stream came to its end")


@pytest.mark.parametrize("path", PATHS)
async def test_each_request_with_the_same_text_takes_the_next_step(http: aiohttp.ClientSession, path: str) -> None:
    text = scripted("429", "529", "500")

    assert [await status(http, path, text) for _ in range(5)] == [429, 529, 500, 200, 200]


async def test_a_script_goes_on_across_dialects_and_models(http: aiohttp.ClientSession) -> None:
    text = scripted("503", "429", "529")

    assert [await status(http, path, text, model=path) for path in (*PATHS, PATHS[0])] == [503, 429, 529, 200]


async def test_another_text_has_a_script_of_its_own(http: aiohttp.ClientSession) -> None:
    first, second = scripted("500"), scripted("500")

    assert [await status(http, PATHS[0], text) for text in (first, second, first, second)] == [500, 500, 200, 200]


async def test_counting_tokens_takes_no_step(http: aiohttp.ClientSession) -> None:
    text = scripted("500")
    counted = {"model": "m", "messages": [{"role": "user", "content": text}]}
    async with http.post("/v1/messages/count_tokens", json=counted) as answer:
        assert answer.status == 200

    assert await status(http, "/v1/messages", text) == 500


async def test_a_script_gives_way_to_other_directives_once_it_says_ok(http: aiohttp.ClientSession) -> None:
    text = scripted("429", "ok", more="; error=400")

    assert [await status(http, PATHS[0], text) for _ in range(3)] == [429, 400, 400]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("step", "more", "wait"),
    [
        ("429", "", "7"),
        ("529", "", "7"),
        ("500", "", None),
        ("429", "; retry_after=0", "0"),
        ("529", "; retry_after=3", "3"),
        ("503", "; retry_after=9", "9"),
    ],
)
async def test_a_busy_vendor_says_when_to_come_back(
    http: aiohttp.ClientSession, path: str, step: str, more: str, wait: str | None
) -> None:
    async with http.post(path, json=body(path, scripted(step, more=more))) as answer:
        assert answer.headers.get("retry-after") == wait


def test_an_sdk_that_retries_gets_through(claude: anthropic.Anthropic) -> None:
    asked: list[MessageParam] = [{"role": "user", "content": scripted("reset", "529", more="; retry_after=0")}]

    assert claude.messages.create(model="m", max_tokens=99, messages=asked).stop_reason == "end_turn"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_reset_comes_before_any_byte(http: aiohttp.ClientSession, path: str, stream: bool) -> None:
    with pytest.raises((ConnectionResetError, aiohttp.ClientOSError)):
        async with http.post(path, json=body(path, scripted("reset"), stream=stream)):
            pytest.fail("a reset connection was answered")


async def test_a_reset_is_a_reset_and_no_farewell(sandbox_server: SandboxServer) -> None:
    port = int(sandbox_server.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    content = f'{{"model":"m","messages":[{{"role":"user","content":"{scripted("reset")}"}}]}}'
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer a\r\ncontent-length: {len(content)}"
    writer.write(f"{head}\r\n\r\n{content}".encode())

    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


@pytest.mark.parametrize("path", PATHS)
async def test_a_hang_lasts_until_the_caller_leaves(
    http: aiohttp.ClientSession, sandbox_server: SandboxServer, path: str
) -> None:
    sandbox_server.clear()
    asking = asyncio.create_task(status(http, path, scripted("hang")))
    async with asyncio.timeout(10):
        while not await asyncio.to_thread(sandbox_server.requests):
            pass
    assert not asking.done()

    asking.cancel()

    async with asyncio.timeout(10):
        while not (await asyncio.to_thread(sandbox_server.requests))[-1]["hung_up"]:
            pass
    assert sandbox_server.requests()[-1]["status"] == 0


@pytest.mark.parametrize("path", PATHS)
async def test_half_a_stream_is_some_deltas_and_no_end(http: aiohttp.ClientSession, path: str) -> None:
    heard = await partial(http, path, scripted("half"))

    assert "Echo: " in heard
    assert "four" not in heard


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("text", ["text=One", "text=", "frames=1"])
async def test_half_of_a_short_stream_is_still_no_whole(http: aiohttp.ClientSession, path: str, text: str) -> None:
    heard = await partial(http, path, scripted("half", more=f"; {text}"))

    assert not any(end in heard for end in ("message_delta", "response.completed", '"finish_reason":"stop"'))


@pytest.mark.parametrize("path", PATHS)
async def test_half_a_plain_answer_is_its_headers_and_half_its_body(http: aiohttp.ClientSession, path: str) -> None:
    async with http.post(path, json=body(path, scripted("half"))) as answer:
        assert answer.status == 200
        expected = int(answer.headers["content-length"])
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
    assert expected > 0


@pytest.mark.parametrize("path", PATHS)
async def test_a_stalled_stream_says_something_and_then_nothing(
    http: aiohttp.ClientSession, sandbox_server: SandboxServer, path: str
) -> None:
    sandbox_server.clear()
    async with http.post(path, json=body(path, scripted("stall"), stream=True)) as answer:
        heard = b""
        while b"Echo: " not in heard:
            heard += await answer.content.readany()
    assert b"four" not in heard

    # It was still waiting: an answer that had come to an end would not know that the caller left.
    async with asyncio.timeout(10):
        while not (await asyncio.to_thread(sandbox_server.requests))[-1]["hung_up"]:
            pass


@pytest.mark.parametrize(
    ("path", "event"),
    [(PATHS[0], '"overloaded_error"'), (PATHS[1], '"response.failed"'), (PATHS[2], 'data: {"error":')],
)
async def test_an_error_amid_a_stream_is_the_dialect_s_own(http: aiohttp.ClientSession, path: str, event: str) -> None:
    async with http.post(path, json=body(path, scripted("error"), stream=True)) as answer:
        heard = await answer.text()

    assert "Echo: " in heard
    assert event in heard.strip().splitlines()[-1]


@pytest.mark.parametrize(("path", "expected"), [(PATHS[0], 529), (PATHS[1], 500), (PATHS[2], 500)])
async def test_an_error_amid_an_answer_is_a_status_to_a_plain_caller(
    http: aiohttp.ClientSession, path: str, expected: int
) -> None:
    assert await status(http, path, scripted("error")) == expected


@pytest.mark.parametrize("step", ["200", "600", "never", "", "4 29"])
async def test_a_script_with_an_unknown_step_is_refused(http: aiohttp.ClientSession, step: str) -> None:
    async with http.post(PATHS[0], json=body(PATHS[0], scripted("429", step))) as answer:
        assert answer.status == 400
        assert "directive script lists statuses" in await answer.text()


@pytest.mark.parametrize("path", PATHS)
async def test_an_outage_takes_down_the_models_it_names_and_no_other(
    http: aiohttp.ClientSession, sandbox_server: SandboxServer, path: str
) -> None:
    with sandbox_server.outage(statuses={"down-1": 529, "gone-*": 503}, retry_after=0):
        said = [await status(http, path, "Hi", model=model) for model in ("down-1", "gone-2", "up-3")]
        async with http.post(path, json=body(path, "Hi", model="down-1")) as answer:
            wait = answer.headers["retry-after"]

    assert said == [529, 503, 200]
    assert wait == "0"
    assert await status(http, path, "Hi", model="down-1") == 200


@pytest.mark.parametrize("path", ["/v1/messages/count_tokens", "/v1/responses/input_tokens"])
async def test_a_model_that_is_down_counts_no_tokens(
    http: aiohttp.ClientSession, sandbox_server: SandboxServer, path: str
) -> None:
    turns = [{"role": "user", "content": "Hi"}]
    asked = {"model": "down-1", ("input" if "responses" in path else "messages"): turns}
    with sandbox_server.outage(statuses={"down-1": 529}):
        async with http.post(path, json=asked) as answer:
            assert answer.status == 529


async def test_an_outage_leaves_a_script_where_it_was(
    http: aiohttp.ClientSession, sandbox_server: SandboxServer
) -> None:
    text = scripted("500")
    with sandbox_server.outage(statuses={"down-1": 529}):
        assert await status(http, PATHS[0], text, model="down-1") == 529

    assert await status(http, PATHS[0], text, model="down-1") == 500


def test_the_list_of_models_can_be_down_for_both_vendors(sandbox_server: SandboxServer) -> None:
    claude = anthropic.Anthropic(base_url=sandbox_server.url, api_key="any", max_retries=0)
    gpt = openai.OpenAI(base_url=f"{sandbox_server.url}/v1", api_key="any", max_retries=0)
    with claude, gpt:
        with sandbox_server.outage(models_route=503):
            with pytest.raises(anthropic.InternalServerError):
                claude.models.list()
            with pytest.raises(openai.InternalServerError):
                gpt.models.list()

        assert claude.models.list().data
        assert gpt.models.list().data


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ([], "JSON object"),
        ({"status": {}}, "unknown field"),
        ({"statuses": {"m": 200}}, "statuses"),
        ({"statuses": ["m"]}, "statuses"),
        ({"models_route": "503"}, "models_route"),
        ({"retry_after": -1}, "retry_after"),
    ],
)
async def test_an_outage_that_makes_no_sense_is_refused(
    http: aiohttp.ClientSession, declared: object, words: str
) -> None:
    async with http.post("/__sandbox/outage", json=declared) as answer:
        assert answer.status == 400
        assert words in (await answer.json())["error"]
