"""Vectors of texts: asked of a server that answers well and badly, and turned so that only the file's key knows how."""

import math
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import web

from gateway.clock import SystemClock
from gateway.errors import UnavailableError
from gateway.files.meaning import Meaning, Meanings, Vector
from gateway.ids import AcceptanceId, OrganizationId
from gateway.outside.configured_server import ConfiguredServer
from gateway.phi.guard import Guard
from gateway.phi.inline import RuleDetector
from gateway.tenancy import Agreement, PhiMode, Policy
from storage.files.meaning import turned

ORG = OrganizationId("01J0000000000000000000000A")
AGREEMENT = Agreement(
    AcceptanceId("01J0000000000000000000000B"), frozenset({"self_hosted"}), datetime(2026, 1, 1, tzinfo=UTC), None
)
POLICY = Policy(agreement=AGREEMENT)
OVER = replace(AGREEMENT, expires_at=datetime.now(UTC) - timedelta(days=1))
VENDORS = replace(AGREEMENT, covers=frozenset({"hasp_openai_baa_2026"}))
PERSON = "Alice Rivera, SSN 536-90-4399, takes aspirin."


class Server:
    """Gives each text a vector of its length, or `answer`; refuses whatever holds a word of `refuses`."""

    def __init__(self, answer: object = None, *, status: int = 200, refuses: str = "\0") -> None:
        self.heard: list[dict[str, Any]] = []
        self._answer = answer
        self._status = status
        self._refuses = refuses

    async def handle(self, request: web.BaseRequest) -> web.Response:
        body = await request.json()
        self.heard.append(body)
        texts: list[str] = body["input"]
        if any(self._refuses in text for text in texts):
            return web.json_response({"error": {"message": f"too long: {texts}"}}, status=413)
        if self._answer is not None or self._status != 200:
            return web.json_response(self._answer, status=self._status)
        data = [{"index": index, "embedding": [len(text), 1]} for index, text in enumerate(texts)]
        return web.json_response({"object": "list", "data": [*reversed(data)]})


@asynccontextmanager
async def asking(server: Server) -> AsyncGenerator[Meanings]:
    runner = web.ServerRunner(web.Server(server.handle, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    configured = ConfiguredServer(
        f"http://127.0.0.1:{runner.addresses[0][1]}/v1/embeddings", None, called="embedding server"
    )
    try:
        yield Meanings(configured, "small", Guard(RuleDetector()), SystemClock())
    finally:
        await configured.close()
        await runner.cleanup()


async def of(server: Server, texts: Sequence[str], policy: Policy = POLICY) -> Sequence[Meaning | None]:
    async with asking(server) as meanings:
        return await meanings.of(texts, policy, org=ORG, timeout_s=5)


async def test_each_text_has_the_vector_that_the_server_made_of_it() -> None:
    found = await of(Server(), ["aaa", "b"])

    assert [each.model for each in found if each] == ["small", "small"]
    assert [each.vector for each in found if each] == [
        pytest.approx([3 / 10**0.5, 1 / 10**0.5]),
        pytest.approx([1 / 2**0.5, 1 / 2**0.5]),
    ]


async def test_nothing_that_the_guard_finds_is_sent() -> None:
    server = Server()
    await of(server, [PERSON, "Visitors leave at eight."])

    ((sent, plain),) = [body["input"] for body in server.heard]
    assert "takes aspirin" in sent
    assert "[SSN]" in sent
    assert "536-90-4399" not in sent
    assert plain == "Visitors leave at eight."


async def test_where_phi_blocks_a_text_with_some_is_not_sent_at_all() -> None:
    server = Server()
    found = await of(server, [PERSON, "Visitors leave."], replace(POLICY, phi_mode=PhiMode.BLOCK))

    assert [each is None for each in found] == [True, False]
    assert [body["input"] for body in server.heard] == [["Visitors leave."]]


@pytest.mark.parametrize("agreement", [None, OVER, VENDORS], ids=["none", "over", "vendors alone"])
async def test_without_an_agreement_that_covers_the_house_nothing_is_sent(agreement: Agreement | None) -> None:
    server = Server()

    assert await of(server, ["Visitors leave."], replace(POLICY, agreement=agreement)) == [None]
    assert server.heard == []


async def test_a_text_that_the_server_refuses_leaves_the_others_theirs() -> None:
    found = await of(Server(refuses="long"), ["one", "too long", "three"])

    assert [each is None for each in found] == [False, True, False]


def _first(embedding: object) -> Server:
    return Server({"data": [{"index": 0, "embedding": embedding}]})


@pytest.mark.parametrize(
    "server",
    [
        pytest.param(Server(status=503), id="down"),
        pytest.param(Server(status=401), id="no key"),
        pytest.param(Server({"data": []}), id="none"),
        pytest.param(Server({"data": "Maria"}), id="words"),
        pytest.param(Server([]), id="a list"),
        pytest.param(Server({"data": [{"index": 7, "embedding": [1]}]}), id="another text's"),
        pytest.param(_first("Maria"), id="a text"),
        pytest.param(_first([]), id="no numbers"),
        pytest.param(_first([0, 0]), id="no direction"),
        pytest.param(_first(["Maria"]), id="texts"),
        pytest.param(_first([1] * 5_000), id="too many numbers"),
        pytest.param(_first([1e39]), id="too large"),
    ],
)
async def test_a_server_that_answers_badly_is_away(server: Server) -> None:
    with pytest.raises(UnavailableError) as raised:
        await of(server, ["one"])

    assert "Maria" not in raised.value.text


async def test_vectors_of_different_lengths_are_no_answer() -> None:
    data = [{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [1, 2]}]
    with pytest.raises(UnavailableError):
        await of(Server({"data": data}), ["one", "two"])


@pytest.mark.parametrize("size", [1, 2, 3, 384, 768, 1_536])
def test_turning_keeps_lengths_and_angles(size: int) -> None:
    chance = random.Random(size)
    one, other = (_unit([chance.gauss() for _ in range(size)]) for _ in range(2))

    turns = turned(one, b"key"), turned(other, b"key")
    assert _between(turns[0], turns[0]) == pytest.approx(1, abs=1e-5)
    assert _between(*turns) == pytest.approx(_between(one, other), abs=1e-5)


def test_what_one_key_has_turned_says_nothing_under_another() -> None:
    axis = [1.0] + [0.0] * 383
    turns = [turned(axis, bytes([key]) * 32) for key in range(20)]

    assert max(abs(_between(one, other)) for one, other in pairwise(turns)) < 0.3
    assert max(abs(number) for turn in turns for number in turn) < 0.4


def _unit(vector: Vector) -> Vector:
    return [each / math.hypot(*vector) for each in vector]


def _between(one: Vector, other: Vector) -> float:
    """The cosine, of vectors of length 1."""
    return sum(map(float.__mul__, one, other))
