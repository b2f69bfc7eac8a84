"""A call that is ended from outside, wherever it is: told once, closed once, charged for what was produced."""

import asyncio
from dataclasses import replace

import pytest

from gateway.agents.delegation import Delegation
from gateway.agents.running import CredentialRevokedError, CredentialUnverifiedError
from gateway.completion import StreamEvent
from gateway.credits import pricing
from gateway.ids import AgentId, CredentialId
from gateway.inference import trail
from gateway.inference.call import Call, Status
from gateway.inference.shielding import everything_settled
from gateway.phi.screening import Screening
from gateway.tenancy import Access
from tests.tenants import HAIKU, make_call
from tests.unit.inference.bench import Bench, access
from tests.unit.inference.ports import USAGE

DELEGATION = Delegation(
    agent=AgentId("agent"),
    credential=CredentialId("credential"),
    path=(),
    agents=frozenset({AgentId("agent")}),
    user="j.reyes",
    grants=(),
    models=None,
    max_concurrent_invocations=1,
)


def agents_call(*, of: Access | None = None) -> Call:
    given = of or access()
    return make_call(replace(given, principal=replace(given.principal, key=None, delegation=DELEGATION)))


async def read_stream(bench: Bench, call: Call) -> list[StreamEvent]:
    stream = await bench.pipeline.stream(call)
    try:
        return [event async for batch in stream.events() for event in batch]
    finally:
        await stream.aclose()


@pytest.mark.parametrize(
    ("pause_at", "streamed"),
    [("scan", False), ("scan", True), ("provider", False), ("provider", True), ("silence", True)],
)
async def test_an_ended_call_raises_why_and_is_closed_once_wherever_it_is(pause_at: str, *, streamed: bool) -> None:
    bench = Bench()
    bench.provider.silent_before, bench.steps.pause_at = 2, pause_at
    call = agents_call()
    asking = asyncio.create_task(read_stream(bench, call) if streamed else bench.pipeline.complete(call))
    await bench.steps.reached.wait()

    call.running.end(CredentialRevokedError())
    with pytest.raises(CredentialRevokedError):
        await asking
    bench.steps.resume.set()
    await everything_settled()

    assert [step for step in bench.steps if step.startswith("close")] == ["close:cancelled"]
    assert trail.audit_metadata(bench.journal.outcomes[0])["ended_because"] == "credential_revoked"


async def test_an_ended_stream_is_charged_for_what_was_produced() -> None:
    bench = Bench()
    bench.provider.silent_before, bench.steps.pause_at = 2, "silence"
    call = agents_call()
    reading = asyncio.create_task(read_stream(bench, call))
    await bench.steps.reached.wait()

    call.running.end(CredentialRevokedError())
    with pytest.raises(CredentialRevokedError):
        await reading

    (outcome,) = bench.journal.outcomes
    assert outcome.completion is not None
    assert (outcome.completion.usage.input, outcome.completion.usage.output) == (20, 2)
    assert outcome.charge > 0


async def test_a_stream_that_nobody_reads_is_ended_without_its_reader() -> None:
    bench = Bench()
    call = agents_call()
    stream = await bench.pipeline.stream(call)
    events = stream.events()
    await anext(events)

    call.running.end(CredentialRevokedError())
    await everything_settled()
    closed = list(bench.journal.outcomes)
    with pytest.raises(CredentialRevokedError):
        await anext(events)
    await stream.aclose()

    assert [outcome.status for outcome in closed] == [Status.CANCELLED]
    assert bench.journal.outcomes == closed


async def test_a_stream_ended_before_its_end_was_shown_never_looks_finished() -> None:
    bench = Bench()
    call = agents_call()
    stream = await bench.pipeline.stream(call)
    events = stream.events()
    for _ in range(4):
        await anext(events)

    call.running.end(CredentialRevokedError())
    with pytest.raises(CredentialRevokedError):
        await anext(events)
    await stream.aclose()

    assert [outcome.status for outcome in bench.journal.outcomes] == [Status.CANCELLED]


@pytest.mark.parametrize("streamed", [False, True])
async def test_an_answer_ended_while_it_is_read_is_neither_shown_nor_kept_where_that_matters(*, streamed: bool) -> None:
    bench = Bench()
    call = agents_call(of=access(screening=Screening(answers="block")))
    bench.steps.pause_at = "provider"
    asking = asyncio.create_task(read_stream(bench, call) if streamed else bench.pipeline.complete(call))
    await bench.steps.reached.wait()
    bench.steps.move_pause_to("scan")
    await bench.steps.reached.wait()

    call.running.end(CredentialRevokedError())
    with pytest.raises(CredentialRevokedError):
        await asking
    bench.steps.resume.set()
    await everything_settled()

    (outcome,) = bench.journal.outcomes
    assert outcome.status is Status.CANCELLED
    assert outcome.completion is not None
    assert outcome.completion.blocks == ()
    assert outcome.charge == pricing.charge(HAIKU, USAGE)


async def test_a_whole_answer_that_comes_after_its_call_was_ended_is_charged() -> None:
    bench = Bench()
    bench.steps.pause_at = "provider"
    call = agents_call()
    asking = asyncio.create_task(bench.pipeline.complete(call))
    await bench.steps.reached.wait()

    call.running.end(CredentialRevokedError())
    with pytest.raises(CredentialRevokedError):
        await asking
    bench.steps.resume.set()
    await everything_settled()

    (outcome,) = bench.journal.outcomes
    assert (outcome.status, outcome.charge) == (Status.CANCELLED, pricing.charge(HAIKU, USAGE))


async def test_an_answer_that_was_recorded_first_stays_complete() -> None:
    bench = Bench()
    bench.steps.pause_at = "close:completed"
    call = agents_call()
    reading = asyncio.create_task(read_stream(bench, call))
    await bench.steps.reached.wait()

    call.running.end(CredentialRevokedError())
    bench.steps.resume.set()
    events = await reading

    assert len(events) == 7
    assert [outcome.status for outcome in bench.journal.outcomes] == [Status.COMPLETED]
    assert "ended_because" not in trail.audit_metadata(bench.journal.outcomes[0])


async def test_a_client_that_hangs_up_as_its_call_is_ended_leaves_it_closed_once() -> None:
    bench = Bench()
    bench.provider.silent_before, bench.steps.pause_at = 2, "silence"
    call = agents_call()
    reading = asyncio.create_task(read_stream(bench, call))
    await bench.steps.reached.wait()

    call.running.end(CredentialRevokedError())
    reading.cancel()
    with pytest.raises((asyncio.CancelledError, CredentialRevokedError)):
        await reading
    await everything_settled()

    assert [outcome.status for outcome in bench.journal.outcomes] == [Status.CANCELLED]


async def test_the_first_reason_is_the_one_that_is_told() -> None:
    call = agents_call()

    call.running.end(CredentialUnverifiedError())
    call.running.end(CredentialRevokedError())

    assert call.running.because == "credential_unverified"
