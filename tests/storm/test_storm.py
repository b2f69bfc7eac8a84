"""Vendors that fail in every way and every order, and books that still agree with their bill."""

import asyncio
from collections.abc import Sequence
from itertools import product

import pytest

from gateway.ids import find_ulid
from tests.gateway_server import GatewayServer, Json, Reply
from tests.grammar import assert_messages_stream
from tests.storm.books import Books, billed

FAILURES = ("429", "529", "500", "400", "401", "reset", "hang", "half", "stall", "error")
SCRIPTS = [*((only,) for only in FAILURES), *product(FAILURES, FAILURES)]
AT_ONCE = 40


def body(script: Sequence[str], *, stream: bool, nonce: str, model: str = "claude-haiku-4-5") -> Json:
    text = f"[[sandbox: script={','.join(script)}; retry_after=0]] Storm {nonce}, four words more"
    return {"model": model, "max_tokens": 100, "stream": stream, "messages": [{"role": "user", "content": text}]}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_ledger_records_and_audit_agree_with_the_vendors_bill_in_any_storm(
    storm_server: GatewayServer, books: Books, stream: bool
) -> None:
    storm_server.sandbox.clear_bill()
    turns = asyncio.Semaphore(AT_ONCE)

    async def call(number: int, script: Sequence[str]) -> Reply:
        async with turns:
            return await storm_server.post("/v1/messages", body(script, stream=stream, nonce=str(number)))

    replies = await asyncio.gather(*(call(number, script) for number, script in enumerate(SCRIPTS)))

    assert books.usage() == billed(storm_server.sandbox.bill())
    assert books.open_holds() == 0
    assert books.account() == {"pending": 0, "posted": books.credits_used()}
    inferences, audited = books.inferences(), books.audited()
    assert inferences.keys() == audited.keys() == {_id(reply) for reply in replies}
    for reply in replies:
        answered = _is_answered(reply)
        assert (inferences[_id(reply)]["status"] == "completed") is answered
        assert (audited[_id(reply)]["action"] == "ai.request.completed") is answered
        assert (inferences[_id(reply)]["error_code"] is None) is answered


def _id(reply: Reply) -> str:
    ulid = find_ulid(reply.headers["request-id"], "req_")
    assert ulid
    return ulid


def _is_answered(reply: Reply) -> bool:
    """Whether the caller got all of an answer; if not, that it was told so in the surface's own form."""
    if reply.headers["content-type"].startswith("text/event-stream"):
        last = reply.events[-1]
        if last.name == "message_stop":
            assert_messages_stream(reply.events)
            return True
        assert last.name == "error"
        return False
    told = reply.json()
    if reply.status == 200:
        assert told["stop_reason"] == "end_turn"
        return True
    assert told["type"] == "error"
    assert told["error"]["hasp_code"]
    return False
