"""What becomes of an answer in which the model itself wrote PHI."""

from dataclasses import replace

import orjson
import pytest

from gateway.completion import Completion, StopDetails, StopReason, Usage
from gateway.conversation import Text
from gateway.errors import PhiBlockedError, UnavailableError
from gateway.inference import trail
from gateway.inference.reviewing import reviewed, withheld_outcome
from gateway.phi.guard import Guard
from gateway.phi.inline import RuleDetector
from gateway.phi.report import PhiReport
from gateway.phi.screening import Screening
from gateway.tenancy import PhiMode
from tests.tenants import make_call, make_outcome
from tests.unit.inference.bench import PERSON, Bench, access
from tests.unit.inference.ports import ANSWER

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


async def test_why_a_model_refused_is_read_as_the_answer_is() -> None:
    details = StopDetails("bio", "It asks about Maria Lopez, SSN 917-44-8123.")
    refused = Completion("m", (Text("No."),), StopReason.REFUSAL, Usage(), stop_details=details)
    caller = access(screening=BLOCKING_ANSWERS)
    report = PhiReport.of(PhiMode.REDACT, "none", ())

    with pytest.raises(PhiBlockedError) as blocked:
        await reviewed(refused, report, guard=Guard(RuleDetector()), access=caller)

    assert "US_SSN" in orjson.dumps(blocked.value.details).decode()


def test_why_a_model_refused_is_kept_back_with_its_answer() -> None:
    details = StopDetails("bio", "It asks about Maria Lopez.")
    outcome = make_outcome(make_call(access()))
    assert outcome.completion is not None
    outcome = replace(outcome, completion=replace(outcome.completion, stop_details=details))

    kept = withheld_outcome(outcome, UnavailableError()).completion

    assert kept is not None
    assert kept.stop_details is None


async def test_an_answer_that_nobody_got_was_not_reidentified() -> None:
    bench = Bench(spans=(PERSON,), in_answer=(PERSON,))

    with pytest.raises(PhiBlockedError):
        await bench.pipeline.complete(make_call(access(screening=BLOCKING_ANSWERS)))

    (outcome,) = bench.journal.outcomes
    assert trail.disposition(outcome) == "redacted_at_delivery"


async def test_an_answer_that_is_kept_back_is_told_of_where_prompts_may_leave_too() -> None:
    bench = Bench(spans=(PERSON,), in_answer=(PERSON,))

    with pytest.raises(PhiBlockedError):
        await bench.pipeline.complete(make_call(access(phi_mode=PhiMode.ALLOW, screening=BLOCKING_ANSWERS)))

    (outcome,) = bench.journal.outcomes
    assert [event.type for event in trail.events(outcome)] == ["ai.request.failed", "phi.blocked"]
