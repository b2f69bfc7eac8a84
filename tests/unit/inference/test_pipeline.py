"""The pipeline's order is the compliance argument; this holds it in place."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.catalog import shipped_catalog
from gateway.clock import SystemClock
from gateway.conversation import Text, Thinking, Turn
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
    UpstreamFailureError,
    ValidationFailedError,
)
from gateway.ids import AcceptanceId, ApiKeyId, ConversationId, OrganizationId
from gateway.inference import trail
from gateway.inference.call import Call, Status
from gateway.inference.pipeline import InferencePipeline
from gateway.inference.shielding import everything_settled
from gateway.phi.detector import Span
from gateway.phi.findings import Entity
from gateway.phi.guard import Guard
from gateway.phi.screening import Screening
from gateway.tenancy import Access, Agreement, KeyMode, PhiMode, Policy, Principal, Scope
from tests.tenants import COVERS, make_call, make_conversation
from tests.unit.inference.ports import (
    ANSWER,
    FakeDetector,
    FakeJournal,
    FakeProviders,
    ScriptedProvider,
    Steps,
)

NOW = datetime.now(UTC)
AGREEMENT = Agreement(AcceptanceId("01"), frozenset(COVERS), NOW - timedelta(days=1), None)
PERSON = Span(0, 5, Entity.PERSON, 900)
WHOLE_WAY = ["open", "scan", "provider", "scan", "close:completed"]


def access(**policy: object) -> Access:
    principal = Principal(OrganizationId("org"), ApiKeyId("key"), frozenset({Scope.AI_CHAT}), KeyMode.LIVE)
    return Access(principal, replace(Policy(agreement=AGREEMENT), **policy))  # pyright: ignore[reportArgumentType]


@dataclass
class Bench:
    """A pipeline over fakes that share one list of steps."""

    spans: tuple[Span, ...] = ()
    in_answer: tuple[Span, ...] = ()
    detector_broken: bool = False
    broken_at_answer: bool = False
    failing: dict[str, GatewayError] = field(default_factory=dict[str, GatewayError])
    provider_error: Exception | None = None
    breaks_after: int | None = None

    def __post_init__(self) -> None:
        self.steps = Steps()
        self.journal = FakeJournal(self.steps, failing=self.failing)
        self.provider = ScriptedProvider(self.steps, error=self.provider_error, breaks_after=self.breaks_after)
        self.pipeline = InferencePipeline(
            catalog=shipped_catalog(),
            journal=self.journal,
            guard=Guard(
                FakeDetector(
                    self.steps,
                    spans=self.spans,
                    in_answer=self.in_answer,
                    broken=self.detector_broken,
                    broken_at_answer=self.broken_at_answer,
                )
            ),
            providers=FakeProviders(self.provider),
            clock=SystemClock(),
            baa_url="https://gateway.example/baa",
        )

    async def refused(self, call: Call, kind: type[GatewayError]) -> list[str]:
        """The steps taken until `kind` was raised, the same for a whole answer and a stream."""
        with pytest.raises(kind):
            await self.pipeline.complete(call)
        streamed = replace(self)
        with pytest.raises(kind):
            await streamed.pipeline.stream(call)
        assert streamed.steps == self.steps
        return list(self.steps)


async def test_an_answer_is_given_after_every_gate_and_after_its_record() -> None:
    bench = Bench()

    answer = await bench.pipeline.complete(make_call(access()))

    assert bench.steps == WHOLE_WAY
    assert answer.completion.blocks == (Text(ANSWER),)


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


BLOCKING_ANSWERS = Screening(answers="block")


async def test_what_a_model_itself_wrote_is_recorded_and_the_answer_given() -> None:
    bench = Bench(in_answer=(PERSON,))

    answer = await bench.pipeline.complete(make_call(access()))
    stream = await bench.pipeline.stream(make_call(access()))
    events = [event async for batch in stream.events() for event in batch]

    assert answer.completion.blocks == (Text(ANSWER),)
    assert len(events) == 7
    for outcome in bench.journal.outcomes:
        assert outcome.report is not None
        assert [finding.slot for finding in outcome.report.answer_findings or ()] == ["answer.content[0].text"]
        assert trail.audit_metadata(outcome)["phi_scan"] == {
            "engine": "hasp-phi-scan-v1",
            "mode": "redact",
            "action": "none",
            "redaction_count": 0,
            "categories_detected": [],
            "answer": {"count": 1, "categories_detected": ["PERSON"]},
        }


async def test_an_answer_that_could_not_be_read_is_given_and_recorded_as_unread() -> None:
    bench = Bench(broken_at_answer=True)

    answer = await bench.pipeline.complete(make_call(access()))

    assert answer.completion.blocks == (Text(ANSWER),)
    report = bench.journal.outcomes[0].report
    assert report is not None
    assert report.answer_findings is None


async def test_an_answer_with_phi_is_kept_back_where_answers_are_blocked_and_is_paid_for() -> None:
    bench = Bench(in_answer=(PERSON,))

    with pytest.raises(PhiBlockedError) as refused:
        await bench.pipeline.complete(make_call(access(screening=BLOCKING_ANSWERS)))

    assert refused.value.details == {"entity_types": ["PERSON"]}
    assert refused.value.param == "answer.content[0].text"
    assert bench.steps == ["open", "scan", "provider", "scan", "close:blocked"]
    (outcome,) = bench.journal.outcomes
    assert outcome.charge > 0
    assert outcome.completion is not None
    assert outcome.completion.blocks == ()
    assert [event.type for event in trail.events(outcome)] == ["ai.request.failed", "phi.blocked"]


async def test_a_stream_shows_nothing_of_an_answer_that_is_kept_back() -> None:
    bench = Bench(in_answer=(PERSON,))
    stream = await bench.pipeline.stream(make_call(access(screening=BLOCKING_ANSWERS)))
    seen: list[object] = []

    async def watch() -> None:
        async for batch in stream.events():
            seen.extend(batch)

    with pytest.raises(PhiBlockedError):
        await watch()
    await stream.aclose()

    assert seen == []
    assert [outcome.status for outcome in bench.journal.outcomes] == ["blocked"]
    assert bench.journal.outcomes[0].charge > 0


async def test_a_stream_without_phi_is_shown_whole_where_answers_are_blocked() -> None:
    bench = Bench()
    stream = await bench.pipeline.stream(make_call(access(screening=BLOCKING_ANSWERS)))

    seen = [
        ("close:completed" in bench.steps, type(event).__name__) async for batch in stream.events() for event in batch
    ]

    assert len(seen) == 7
    assert all(recorded for recorded, _ in seen)


async def test_an_answer_that_could_not_be_read_is_kept_back_where_answers_are_blocked() -> None:
    bench = Bench(broken_at_answer=True)

    with pytest.raises(UnavailableError):
        await bench.pipeline.complete(make_call(access(screening=BLOCKING_ANSWERS)))

    (outcome,) = bench.journal.outcomes
    assert outcome.status == "failed"
    assert outcome.charge > 0
