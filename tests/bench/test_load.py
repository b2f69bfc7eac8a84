"""The load generator asks what it says, and counts only whole answers."""

from itertools import islice

import orjson
import pytest

from bench.load import Job, perform
from bench.workloads import FRAMES, LIVE, NOTE, SMALL, WORKLOADS, Workload
from gateway.phi.detector import CERTAIN
from gateway.phi.rules.scan import scan
from tests.upstream import SandboxServer


def job(url: str, *, workload: Workload = SMALL, stream: bool = False) -> Job:
    headers = {"x-api-key": "any", "anthropic-version": "2023-06-01"}
    return Job(url, headers, workload.name, stream=stream, concurrency=3, seconds=0.1, seed=1)


def contents(workload: Workload, seed: int, count: int) -> list[str]:
    bodies = islice(workload.bodies(seed, stream=False), count)
    return [orjson.loads(body)["messages"][0]["content"] for body in bodies]


async def test_plain_answers_are_counted_and_timed(sandbox_server: SandboxServer) -> None:
    sandbox_server.clear()
    tally = await perform(job(f"{sandbox_server.url}/v1/messages"))
    assert tally.errors == {}
    assert len(tally.latencies) == len(sandbox_server.requests()) > 0
    assert tally.first_tokens == []


async def test_streams_have_a_first_token_before_their_end(sandbox_server: SandboxServer) -> None:
    tally = await perform(job(f"{sandbox_server.url}/v1/messages", stream=True))
    assert tally.errors == {}
    assert len(tally.first_tokens) == len(tally.latencies) > 0
    assert sum(tally.first_tokens) < sum(tally.latencies)


async def test_an_answer_with_another_status_is_an_error(sandbox_server: SandboxServer) -> None:
    tally = await perform(job(f"{sandbox_server.url}/v1/elsewhere"))
    assert tally.latencies == []
    assert set(tally.errors) == {"status 404"}


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=lambda workload: workload.name)
def test_a_seed_always_asks_the_same_and_never_twice(workload: Workload) -> None:
    texts = contents(workload, 5, 300)
    assert texts == contents(workload, 5, 300)
    assert len(set(texts + contents(workload, 6, 300))) == 600


def test_small_messages_hold_nothing_to_mask_and_the_others_do() -> None:
    found = {
        workload.name: [any(span.score_milli >= CERTAIN for span in scan(text)) for text in contents(workload, 9, 50)]
        for workload in (SMALL, NOTE, LIVE)
    }
    assert not any(found["small"])
    assert all(found["note"])
    assert all(found["live"])


def test_a_note_is_about_800_bytes() -> None:
    assert all(700 <= len(text.encode()) <= 900 for text in contents(NOTE, 3, 50))


async def test_streams_have_the_frames_they_promise(sandbox_server: SandboxServer) -> None:
    import aiohttp

    body = next(SMALL.bodies(1, stream=True))
    headers = {"x-api-key": "any", "anthropic-version": "2023-06-01"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{sandbox_server.url}/v1/messages", data=body, headers=headers) as answer,
    ):
        assert (await answer.read()).count(b"event: content_block_delta") == FRAMES
