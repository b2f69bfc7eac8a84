"""Calls as they are sent: who is asked, what is counted, and what a caller who leaves or is in a hurry changes."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from gateway.catalog import Model, shipped_catalog
from gateway.completion import Completion, Finishing, Ping, Stopped, StopReason, StreamEvent, Usage
from gateway.conversation import Conversation, Text
from gateway.errors import (
    GatewayError,
    UnavailableError,
    UpstreamBrokenOffError,
    UpstreamBusyError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from gateway.providers.provider import Provider
from gateway.routing.attempts import Limits
from gateway.routing.backoff import Backoff
from gateway.routing.breaker import Breakers
from gateway.routing.dispatch import Dispatcher
from gateway.routing.route import Route, Sender
from gateway.routing.tally import Outcome
from gateway.tenancy import KeyMode
from tests.tenants import make_conversation

CLAUDE = shipped_catalog().get("claude-haiku-4-5")
GPT = shipped_catalog().get("gpt-5.4-mini")
AT_ONCE = Limits(retries=1, backoff=Backoff(base_s=0))
NEVER = "never"

Reply = GatewayError | str | None
"""An error before the first event, `NEVER` for no answer at all, None for an answer."""


class Upstream:
    """Answers by a script, one line for each call; breaks off after `breaks_after` batches of a stream."""

    def __init__(self, *script: Reply, breaks_after: int | None = None) -> None:
        self.asked: list[str] = []
        self.is_asked = asyncio.Event()
        self._script = list(script)
        self._breaks_after = breaks_after

    async def complete(self, conversation: Conversation, model: Model) -> Completion:
        await self._play(model)
        return Completion(model.upstream, (Text("Hi."),), StopReason.END_TURN, Usage(input=1, output=1))

    @asynccontextmanager
    async def stream(
        self, conversation: Conversation, model: Model
    ) -> AsyncGenerator[AsyncIterator[Sequence[StreamEvent]]]:
        await self._play(model)
        yield self._batches()

    async def count_tokens(self, conversation: Conversation, model: Model) -> int:
        await self._play(model)
        return 7

    async def _batches(self) -> AsyncIterator[Sequence[StreamEvent]]:
        for number, batch in enumerate([[Ping()], [Finishing(StopReason.END_TURN, Usage())], [Stopped()]]):
            if number == self._breaks_after:
                raise UpstreamBrokenOffError
            yield batch

    async def _play(self, model: Model) -> None:
        self.asked.append(model.id)
        self.is_asked.set()
        reply = self._script.pop(0) if self._script else None
        if reply == NEVER:
            await asyncio.Event().wait()
        if isinstance(reply, GatewayError):
            raise reply


class Desk:
    """A dispatcher, and what it told of its attempts. `stand_ins` are models that the sandbox answers for."""

    def __init__(
        self,
        upstream: Upstream,
        *,
        longest_s: float = 60,
        limits: Limits = AT_ONCE,
        stand_ins: frozenset[str] = frozenset(),
        gone: frozenset[str] = frozenset(),
    ) -> None:
        self.upstream = upstream
        self.seen: list[tuple[str, Outcome, bool]] = []
        self.breakers = Breakers()
        self.dispatcher = Dispatcher(
            self, longest_s=longest_s, limits=limits, breakers=self.breakers, observe=self._observe
        )
        self._stand_ins = stand_ins
        self._gone = gone

    def provider_for(self, model: Model, mode: KeyMode) -> Provider:
        if model.id in self._gone:
            raise UnavailableError
        return self.upstream

    def is_sandboxed(self, model: Model, mode: KeyMode) -> bool:
        return mode is KeyMode.TEST or model.id in self._stand_ins

    async def complete(
        self, *others: Model, mode: KeyMode = KeyMode.LIVE, patience_s: float | None = None, caller: str = ""
    ) -> Completion:
        _, completion = await self.dispatcher.complete(
            make_conversation(), Route(CLAUDE, others), Sender(mode, caller, patience_s)
        )
        return completion

    def circuits(self) -> list[str]:
        return [circuit.model for circuit in self.breakers.snapshot(asyncio.get_running_loop().time())]

    def _observe(self, provider: str, model: str, outcome: Outcome, latency_ms: float | None) -> None:
        self.seen.append((model, outcome, latency_ms is not None))


async def test_every_attempt_is_counted_and_an_answer_timed() -> None:
    desk = Desk(Upstream(UpstreamUnreachableError(), UpstreamBusyError(), None))

    completion = await desk.complete(GPT)

    assert completion.model == GPT.upstream
    assert desk.upstream.asked == [CLAUDE.id, CLAUDE.id, GPT.id]
    assert desk.seen == [
        (CLAUDE.id, Outcome.FAILED, False),
        (CLAUDE.id, Outcome.BUSY, False),
        (GPT.id, Outcome.OK, True),
    ]


async def test_a_real_answer_is_never_replaced_by_a_made_up_one() -> None:
    desk = Desk(Upstream(*[UpstreamBusyError()] * 9), stand_ins=frozenset({GPT.id}))

    with pytest.raises(UpstreamBusyError):
        await desk.complete(GPT)

    assert set(desk.upstream.asked) == {CLAUDE.id}


async def test_a_caller_in_a_hurry_opens_no_circuit() -> None:
    desk = Desk(Upstream(*[NEVER] * 20))

    for _ in range(20):
        with pytest.raises(UpstreamTimeoutError):
            await desk.complete(patience_s=0.001)

    assert desk.circuits() == []
    assert desk.seen == []


async def test_a_provider_that_never_answers_opens_its_circuit() -> None:
    desk = Desk(Upstream(*[NEVER] * 20), longest_s=0.001)

    for _ in range(5):
        with pytest.raises(UpstreamTimeoutError):
            await desk.complete()

    assert desk.circuits() == [CLAUDE.id]
    assert {outcome for _, outcome, _ in desk.seen} == {Outcome.TIMEOUT}


async def test_what_the_sandbox_was_asked_to_do_opens_no_circuit_and_counts_for_nobody() -> None:
    desk = Desk(Upstream(*[UpstreamBusyError()] * 40))

    for _ in range(20):
        with pytest.raises(UpstreamBusyError):
            await desk.complete(mode=KeyMode.TEST)

    assert desk.circuits() == []
    assert desk.seen == []


async def test_a_stream_is_tried_again_until_its_first_event() -> None:
    desk = Desk(Upstream(UpstreamUnreachableError(), None))

    async with desk.dispatcher.stream(make_conversation(), Route(CLAUDE), Sender(KeyMode.LIVE)) as flow:
        events = [event async for batch in flow for event in batch]

    assert isinstance(events[-1], Stopped)
    assert flow.delivery.tries == 2
    assert [outcome for _, outcome, _ in desk.seen] == [Outcome.FAILED, Outcome.OK]


async def test_a_stream_that_breaks_off_is_told_and_counted_and_not_tried_again() -> None:
    desk = Desk(Upstream(breaks_after=1))

    async with desk.dispatcher.stream(make_conversation(), Route(CLAUDE, (GPT,)), Sender(KeyMode.LIVE)) as flow:
        with pytest.raises(UpstreamBrokenOffError):
            _ = [batch async for batch in flow]

    assert desk.upstream.asked == [CLAUDE.id]
    assert desk.seen == [(CLAUDE.id, Outcome.FAILED, False)]


async def test_a_stream_that_its_reader_leaves_counts_for_nobody() -> None:
    desk = Desk(Upstream())

    async with desk.dispatcher.stream(make_conversation(), Route(CLAUDE), Sender(KeyMode.LIVE)) as flow:
        await anext(flow)

    assert desk.seen == []


async def test_a_caller_who_hangs_up_while_it_waits_leaves_no_try_behind() -> None:
    desk = Desk(Upstream(NEVER))
    call = asyncio.create_task(desk.complete())
    await desk.upstream.is_asked.wait()

    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call
    assert desk.seen == []


async def test_tokens_are_counted_with_retries_and_nobody_stands_in() -> None:
    desk = Desk(Upstream(UpstreamUnreachableError(), None))

    assert await desk.dispatcher.count_tokens(make_conversation(), CLAUDE, Sender(KeyMode.LIVE)) == 7
    assert desk.upstream.asked == [CLAUDE.id] * 2


async def test_a_counter_that_fails_keeps_nobody_from_the_model() -> None:
    desk = Desk(Upstream(*[UpstreamUnreachableError()] * 5))
    for _ in range(5):
        with pytest.raises(GatewayError):
            await desk.dispatcher.count_tokens(make_conversation(), CLAUDE, Sender(KeyMode.LIVE))

    assert desk.circuits() == []
    assert desk.seen == []
    assert (await desk.complete()).model == CLAUDE.upstream


async def test_what_one_caller_sends_opens_no_circuit_for_others() -> None:
    desk = Desk(Upstream(*[UpstreamUnreachableError()] * 5))
    for _ in range(5):
        with pytest.raises(GatewayError):
            await desk.complete(caller="one")

    assert desk.upstream.asked == [CLAUDE.id] * 5
    assert (await desk.complete(caller="another")).model == CLAUDE.upstream


async def test_an_equivalent_that_nobody_serves_any_more_is_passed_over() -> None:
    desk = Desk(Upstream(UpstreamBusyError(), UpstreamBusyError(), None), gone=frozenset({GPT.id}))

    with pytest.raises(UpstreamBusyError):
        await desk.complete(GPT)

    assert set(desk.upstream.asked) == {CLAUDE.id}


async def test_nobody_else_is_asked_for_a_caller_who_left() -> None:
    desk = Desk(Upstream(UpstreamBusyError(), None))
    sender = Sender(KeyMode.LIVE)
    sender.left.set()

    with pytest.raises(asyncio.CancelledError):
        await desk.dispatcher.complete(make_conversation(), Route(CLAUDE, (GPT,)), sender)

    assert desk.upstream.asked == []


async def test_a_wait_for_the_next_try_ends_when_the_caller_leaves() -> None:
    desk = Desk(Upstream(UpstreamBusyError(retry_after_s=59)), limits=Limits(backoff=Backoff(max_wait_s=60)))
    sender = Sender(KeyMode.LIVE)
    asking = asyncio.create_task(desk.dispatcher.complete(make_conversation(), Route(CLAUDE), sender))
    await desk.upstream.is_asked.wait()

    sender.left.set()
    with pytest.raises(asyncio.CancelledError):
        await asking

    assert desk.upstream.asked == [CLAUDE.id]


async def test_a_call_that_nobody_answered_says_to_whom_it_was_sent() -> None:
    desk = Desk(Upstream(*[UpstreamUnreachableError()] * 9))
    sent_to: list[str] = []

    with pytest.raises(UpstreamUnreachableError):
        await desk.dispatcher.complete(
            make_conversation(), Route(CLAUDE, (GPT,)), Sender(KeyMode.LIVE, sent_to=sent_to)
        )

    assert sent_to == desk.upstream.asked == [CLAUDE.id, CLAUDE.id, GPT.id, GPT.id]


async def test_a_provider_whose_streams_stay_silent_opens_its_circuit_though_every_caller_leaves() -> None:
    desk = Desk(Upstream(*[NEVER] * 5), limits=Limits(silence_s=0.001))

    for _ in range(5):
        with pytest.raises(UpstreamTimeoutError):
            async with desk.dispatcher.stream(
                make_conversation(), Route(CLAUDE), Sender(KeyMode.LIVE, patience_s=0.01)
            ):
                pass

    assert desk.circuits() == [CLAUDE.id]
    assert {outcome for _, outcome, _ in desk.seen} == {Outcome.TIMEOUT}
