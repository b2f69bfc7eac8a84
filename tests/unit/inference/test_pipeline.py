"""The pipeline's order is the compliance argument; this holds it in place."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.catalog import shipped_catalog
from gateway.conversation import Text, Thinking, Turn
from gateway.credits import pricing
from gateway.errors import (
    BaaRequiredError,
    CreditsExhaustedError,
    GatewayError,
    InternalError,
    ModelNotEnabledError,
    ModelRetiredError,
    NotFoundError,
    OpusNotEnabledError,
    PhiBlockedError,
    ProviderRejectedError,
    UnavailableError,
    UpstreamBusyError,
    UpstreamFailureError,
    ValidationFailedError,
)
from gateway.ids import ConversationId
from gateway.inference import shielding, trail
from gateway.inference.call import Call, Status
from gateway.inference.shielding import everything_settled
from gateway.tenancy import Agreement, PhiMode
from tests.tenants import HAIKU, make_call, make_conversation
from tests.unit.inference.bench import AGREEMENT, NOW, PERSON, WHOLE_WAY, Bench, access
from tests.unit.inference.ports import ANSWER, USAGE


async def test_an_answer_is_given_after_every_gate_and_after_its_record() -> None:
    bench = Bench()

    answer = await bench.pipeline.complete(make_call(access()))

    assert bench.steps == WHOLE_WAY
    assert answer.completion.blocks == (Text(ANSWER),)


async def test_a_call_that_slept_beyond_its_idempotency_key_s_patience_is_not_opened() -> None:
    bench = Bench()

    steps = await bench.refused(replace(make_call(access()), open_by=NOW), UnavailableError)

    assert "open" not in steps
    assert "provider" not in steps


async def test_a_stream_takes_the_same_way() -> None:
    bench = Bench()

    stream = await bench.pipeline.stream(make_call(access()))
    events = [event async for batch in stream.events() for event in batch]
    await stream.aclose()

    assert bench.steps == [*WHOLE_WAY, "hang up"]
    assert stream.completion is not None
    assert stream.completion.blocks == (Text(ANSWER),)
    assert len(events) == 7


async def test_the_end_of_a_stream_is_shown_only_once_it_is_recorded() -> None:
    bench = Bench()
    stream = await bench.pipeline.stream(make_call(access()))

    seen = [
        ("close:completed" in bench.steps, type(event).__name__) async for batch in stream.events() for event in batch
    ]

    assert [recorded for recorded, name in seen if name in {"Finishing", "Stopped"}] == [True, True]
    assert not any(recorded for recorded, name in seen if name not in {"Finishing", "Stopped"})


@pytest.mark.parametrize(
    "agreement",
    [
        None,
        replace(AGREEMENT, expires_at=NOW - timedelta(hours=1)),
        replace(AGREEMENT, covers=frozenset({"self_hosted"})),
    ],
    ids=["none", "expired", "of another provider"],
)
async def test_without_an_agreement_that_covers_it_nothing_is_held_or_scanned(agreement: Agreement | None) -> None:
    steps = await Bench().refused(make_call(access(agreement=agreement)), BaaRequiredError)

    assert steps == ["refuse:BAA_REQUIRED"]


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("claude-opus-4-7", OpusNotEnabledError),
        ("gpt-5.5-pro", ModelNotEnabledError),
        ("no-such-model", NotFoundError),
    ],
)
async def test_a_model_that_is_not_for_this_organisation_is_refused_before_credits_are_held(
    model: str, kind: type[GatewayError]
) -> None:
    steps = await Bench().refused(replace(make_call(access()), model=model), kind)

    assert steps == [f"refuse:{kind.code}"]


async def test_a_premium_model_that_was_opted_into_answers() -> None:
    bench = Bench()

    await bench.pipeline.complete(replace(make_call(access(premium_models=frozenset({"gpt-5.5"}))), model="gpt-5.5"))

    assert bench.steps == WHOLE_WAY


async def test_more_output_than_the_model_can_give_is_a_named_error() -> None:
    call = make_call(access(), conversation=make_conversation(max_tokens=64_001))

    with pytest.raises(ValidationFailedError) as refused:
        await Bench().pipeline.complete(call)

    assert refused.value.param == "max_tokens"


async def test_without_credits_nothing_is_scanned() -> None:
    steps = await Bench(failing={"open": CreditsExhaustedError()}).refused(make_call(access()), CreditsExhaustedError)

    assert steps == ["open", "refuse:AI_CREDITS_EXHAUSTED"]


async def test_with_the_ledger_down_nothing_is_scanned_or_sent() -> None:
    steps = await Bench(failing={"open": UnavailableError()}).refused(make_call(access()), UnavailableError)

    assert steps == ["open", "refuse:INFERENCE_UNAVAILABLE"]


async def test_a_blocked_call_releases_its_hold_and_is_not_sent() -> None:
    bench = Bench(spans=(PERSON,))

    steps = await bench.refused(make_call(access(phi_mode=PhiMode.BLOCK)), PhiBlockedError)

    assert steps == ["open", "scan", "close:blocked"]
    report = bench.journal.outcomes[0].report
    assert report is not None
    assert report.entity_types == ("PERSON",)


async def test_with_the_detector_down_nothing_is_sent() -> None:
    steps = await Bench(detector_broken=True).refused(make_call(access()), UnavailableError)

    assert steps == ["open", "scan", "close:failed"]


async def test_a_provider_that_fails_costs_nothing() -> None:
    bench = Bench(provider_error=UpstreamFailureError())

    with pytest.raises(UpstreamFailureError):
        await bench.pipeline.complete(make_call(access()))

    assert bench.steps == ["open", "scan", "provider", "close:failed"]
    assert bench.journal.outcomes[0].charge == 0


async def test_an_unforeseen_failure_tells_nothing_of_itself() -> None:
    bench = Bench(provider_error=KeyError("a patient's name"))

    with pytest.raises(InternalError) as failed:
        await bench.pipeline.complete(make_call(access()))

    assert "patient" not in str(failed.value)
    assert bench.steps == ["open", "scan", "provider", "close:failed"]


async def test_a_providers_own_words_are_read_by_the_guard_before_they_are_shown() -> None:
    bench = Bench(spans=(PERSON,), provider_error=ProviderRejectedError(upstream_message="Maria: too long"))

    with pytest.raises(ProviderRejectedError) as rejected:
        await bench.pipeline.complete(make_call(access(phi_mode=PhiMode.ALLOW)))

    assert str(rejected.value) == "The model provider rejected the request: [NAME]: too long"


async def test_an_answer_that_cannot_be_recorded_is_not_given() -> None:
    bench = Bench(failing={"close": UnavailableError()})

    with pytest.raises(UnavailableError):
        await bench.pipeline.complete(make_call(access()))


async def test_a_stream_that_cannot_be_recorded_never_looks_finished() -> None:
    bench = Bench(failing={"close": UnavailableError()})
    stream = await bench.pipeline.stream(make_call(access()))
    seen: list[str] = []

    async def read() -> None:
        async for batch in stream.events():
            seen.extend(type(event).__name__ for event in batch)

    with pytest.raises(UnavailableError):
        await read()

    assert "Finishing" not in seen
    assert bench.steps.count("close:completed") == 1


async def test_a_stream_that_breaks_is_closed_once_and_costs_nothing() -> None:
    bench = Bench(provider_error=UpstreamFailureError(), breaks_after=2)
    stream = await bench.pipeline.stream(make_call(access()))

    with pytest.raises(UpstreamFailureError):
        _ = [batch async for batch in stream.events()]
    await stream.aclose()

    assert [(outcome.status, outcome.charge) for outcome in bench.journal.outcomes] == [(Status.FAILED, 0)]


async def test_a_client_that_hangs_up_pays_for_what_was_produced() -> None:
    bench = Bench()
    stream = await bench.pipeline.stream(make_call(access()))
    events = stream.events()
    for _ in range(2):
        await anext(events)

    await stream.aclose()

    (outcome,) = bench.journal.outcomes
    assert outcome.status is Status.CANCELLED
    assert outcome.completion is not None
    assert outcome.completion.usage.estimated
    assert (outcome.completion.usage.input, outcome.completion.usage.output) == (20, 2)
    assert outcome.charge > 0


async def test_a_stream_abandoned_before_its_first_event_pays_for_its_input() -> None:
    bench = Bench()
    stream = await bench.pipeline.stream(make_call(access()))

    await stream.aclose()

    (outcome,) = bench.journal.outcomes
    assert outcome.status is Status.CANCELLED
    assert outcome.completion is not None
    assert outcome.completion.usage.input == 20
    assert outcome.charge > 0


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("pause_at", "closed"),
    [
        ("history", []),
        ("open", ["close:cancelled"]),
        ("scan", ["close:cancelled"]),
        ("provider", ["close:cancelled"]),
        ("close:completed", ["close:completed"]),
    ],
)
async def test_a_client_that_hangs_up_anywhere_leaves_a_call_closed_exactly_once(
    pause_at: str, closed: list[str], *, streamed: bool
) -> None:
    bench = Bench()
    bench.steps.pause_at = pause_at
    call = replace(make_call(access(), thread=ConversationId("c")), continues=True)
    asking = asyncio.create_task(read_stream(bench, call) if streamed else bench.pipeline.complete(call))
    await bench.steps.reached.wait()

    asking.cancel()
    await asyncio.sleep(0)
    bench.steps.resume.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await everything_settled()

    assert [step for step in bench.steps if step.startswith("close")] == closed


async def left_while_its_provider_works(bench: Bench) -> None:
    bench.steps.pause_at = "provider"
    asking = asyncio.create_task(bench.pipeline.complete(make_call(access())))
    await bench.steps.reached.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_whole_answer_that_comes_after_its_caller_left_is_charged() -> None:
    """A vendor bills an answer that it finished, whoever is there to read it."""
    bench = Bench()
    await left_while_its_provider_works(bench)
    bench.steps.resume.set()
    await everything_settled()

    (outcome,) = bench.journal.outcomes
    assert outcome.status is Status.CANCELLED
    assert outcome.completion is not None
    assert outcome.completion.usage == USAGE
    assert outcome.charge == pricing.charge(HAIKU, USAGE)


async def test_an_answer_that_fails_after_its_caller_left_is_free() -> None:
    bench = Bench(provider_error=UpstreamFailureError())
    await left_while_its_provider_works(bench)
    bench.steps.resume.set()
    await everything_settled()

    (outcome,) = bench.journal.outcomes
    assert (outcome.status, outcome.completion, outcome.charge) == (Status.CANCELLED, None, 0)


@pytest.mark.parametrize("bound", ["OUTLASTS_S", "MOST_OUTLASTING", "AT_CLOSING_S"])
async def test_a_provider_is_not_waited_for_without_bounds_once_the_caller_left(
    monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    bench = Bench()
    monkeypatch.setattr(shielding, bound, 0)
    await left_while_its_provider_works(bench)
    await everything_settled()

    (outcome,) = bench.journal.outcomes
    assert (outcome.status, outcome.completion, outcome.charge) == (Status.CANCELLED, None, 0)


async def read_stream(bench: Bench, call: Call) -> None:
    """As the API does: whatever happens, the stream is closed."""
    stream = await bench.pipeline.stream(call)
    try:
        _ = [batch async for batch in stream.events()]
    finally:
        await stream.aclose()


async def test_a_hang_up_while_a_providers_words_are_scrubbed_closes_the_call_too() -> None:
    bench = Bench(provider_error=ProviderRejectedError(upstream_message="too long"))
    bench.steps.pause_at = "provider"
    asking = asyncio.create_task(bench.pipeline.complete(make_call(access())))
    await bench.steps.reached.wait()
    bench.steps.move_pause_to("scan")
    await bench.steps.reached.wait()

    asking.cancel()
    await asyncio.sleep(0)
    bench.steps.resume.set()
    await asyncio.gather(asking, return_exceptions=True)
    await everything_settled()

    assert bench.steps == ["open", "scan", "provider", "scan", "close:failed"]


async def test_the_provider_sees_placeholders_and_the_caller_sees_values() -> None:
    bench = Bench(spans=(PERSON,))
    conversation = make_conversation("Maria says hello")

    await bench.pipeline.complete(make_call(access(), conversation=conversation))

    assert bench.provider.asked[0].turns[0].blocks == (Text("[NAME_1] says hello"),)


async def test_reasoning_that_a_client_sends_back_keeps_the_numbers_it_was_written_in() -> None:
    bench = Bench(spans=(PERSON,))
    seal = "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pk+/w=="
    asked = make_conversation("Maria says hello")
    answered = Turn("assistant", (Thinking("[NAME_7] is polite", seal), Text("Hello.")))

    await bench.pipeline.complete(
        make_call(access(), conversation=replace(asked, turns=(*asked.turns, answered, *asked.turns)))
    )

    assert bench.steps[0] == "placeholders"
    assert bench.provider.asked[0].turns[0].blocks == (Text("[NAME_7] says hello"),)
    assert bench.provider.asked[0].turns[1] == answered


async def test_a_continued_conversation_is_sent_whole_and_recorded_by_its_own_turns() -> None:
    bench = Bench()
    call = replace(make_call(access(), thread=ConversationId("c")), continues=True)

    await bench.pipeline.complete(call)

    assert [turn.role for turn in bench.provider.asked[0].turns] == ["user", "assistant", "user"]
    assert bench.journal.outcomes[0].call.own_turns == 1


async def test_phi_in_an_earlier_turn_is_of_the_conversation_and_not_of_a_message_that_was_sent() -> None:
    bench = Bench(spans=(PERSON,))
    call = replace(make_call(access(phi_mode=PhiMode.BLOCK), thread=ConversationId("c")), continues=True)

    with pytest.raises(PhiBlockedError) as blocked:
        await bench.pipeline.complete(call)

    assert blocked.value.param == "conversation_id"


async def test_a_retired_model_says_what_to_use_instead() -> None:
    from gateway.catalog import Catalog

    haiku = shipped_catalog().get("claude-haiku-4-5")
    retired = haiku.model_copy(update={"retired_at": NOW - timedelta(days=1), "recommended_replacement": "claude-x"})

    with pytest.raises(ModelRetiredError) as refused:
        Catalog([retired]).get(haiku.id)

    assert refused.value.details["recommended_replacement"] == "claude-x"


STAND_IN = {"claude-haiku-4-5": ("gpt-5.4-mini", "claude-sonnet-4-6")}


async def test_credits_are_held_for_the_dearest_that_may_answer() -> None:
    bench = Bench(equivalents=STAND_IN)

    await bench.pipeline.complete(make_call(access(failover_enabled=True)))

    assert bench.journal.held == [ceiling_of("claude-sonnet-4-6")]


async def test_where_a_dearer_models_hold_does_not_fit_the_rest_may_answer_within_that_of_the_one_asked() -> None:
    limit = ceiling_of("claude-haiku-4-5")
    bench = Bench(equivalents=STAND_IN, credits_left=limit, provider_error=UpstreamBusyError())

    with pytest.raises(UpstreamBusyError):
        await bench.pipeline.complete(make_call(access(failover_enabled=True)))

    assert bench.journal.held == [limit]
    (outcome,) = bench.journal.outcomes
    assert outcome.delivery
    assert outcome.delivery.sent_to == ("claude-haiku-4-5", "gpt-5.4-mini")


async def test_a_call_whose_own_hold_does_not_fit_is_refused() -> None:
    bench = Bench(equivalents=STAND_IN, credits_left=1)

    with pytest.raises(CreditsExhaustedError):
        await bench.pipeline.complete(make_call(access(failover_enabled=True)))

    assert bench.steps == ["open", "open", "refuse:AI_CREDITS_EXHAUSTED"]


async def test_a_failed_call_is_audited_with_all_whom_it_was_sent_to() -> None:
    bench = Bench(equivalents=STAND_IN, provider_error=UpstreamBusyError())

    with pytest.raises(UpstreamBusyError):
        await bench.pipeline.complete(make_call(access(failover_enabled=True)))

    (outcome,) = bench.journal.outcomes
    facts = trail.audit_metadata(outcome)
    assert facts["model"] == "claude-haiku-4-5"
    assert facts["tries"] == 3
    assert facts["sent_to"] == ["claude-haiku-4-5", "gpt-5.4-mini", "claude-sonnet-4-6"]


def ceiling_of(model: str) -> int:
    return pricing.ceiling(shipped_catalog().get(model), make_conversation())
