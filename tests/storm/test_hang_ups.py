"""Clients that hang up at every moment: while they wait for a retry, at the first event, amid a stream, at the end."""

import asyncio
from itertools import product

import pytest

from tests.gateway_server import GatewayServer, Json
from tests.storm.books import Books, billed

MODELS = ("claude-haiku-4-5", "gpt-5.4-mini")
DIRECTIVES = (
    "script=ok",
    "script=529,ok; retry_after=1",
    "script=529,529,529,ok; retry_after=0",
    "script=reset,reset,reset,ok; thinking=on",
    "first_delay_ms=150; frames=5",
    "frames=30; delay_ms=10; thinking=on",
)
MOMENTS_S = (0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
AT_ONCE = 24
WITHIN_S = 20.0


def body(model: str, directives: str, moment_s: float, *, stream: bool) -> Json:
    text = f"[[sandbox: {directives}]] Gone after {moment_s}, {stream}"
    return {"model": model, "max_tokens": 200, "stream": stream, "messages": [{"role": "user", "content": text}]}


async def settled(books: Books) -> None:
    async with asyncio.timeout(WITHIN_S):
        while books.open_holds():  # noqa: ASYNC110 - the gateway tells nobody that a call is closed
            await asyncio.sleep(0.05)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_whoever_leaves_when_the_books_are_whole(storm_server: GatewayServer, books: Books, stream: bool) -> None:
    storm_server.sandbox.clear_bill()
    turns = asyncio.Semaphore(AT_ONCE)
    answered = 0

    async def call(model: str, directives: str, moment_s: float) -> None:
        nonlocal answered
        async with turns:
            try:
                async with asyncio.timeout(moment_s):
                    await storm_server.post("/v1/messages", body(model, directives, moment_s, stream=stream))
                    answered += 1
            except TimeoutError:
                pass

    await asyncio.gather(*(call(*case) for case in product(MODELS, DIRECTIVES, MOMENTS_S)))
    await settled(books)

    inferences = books.inferences()
    assert books.account() == {"pending": 0, "posted": books.credits_used()}
    assert inferences.keys() == books.audited().keys()
    statuses = [row["status"] for row in inferences.values()]
    assert set(statuses) <= {"completed", "cancelled"}
    assert statuses.count("completed") >= answered > 0
    billing = billed(storm_server.sandbox.bill())
    assert books.usage(of_whole_answers=True) <= billing
    if not stream:
        # What was sent is waited for, so that nothing is billed to us that we do not bill.
        assert books.usage() == billing
