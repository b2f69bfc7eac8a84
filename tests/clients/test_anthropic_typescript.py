"""@anthropic-ai/sdk, as `programs/anthropic.mjs` uses it."""

import pytest

from tests.clients.conftest import Run
from tests.clients.installing import Interpreter
from tests.clients.outcomes import Outcomes


@pytest.fixture(scope="module")
def outcomes(run: Run, node: Interpreter) -> Outcomes:
    return run(node, "anthropic.mjs", "anthropic")


def test_a_message_parses(outcomes: Outcomes) -> None:
    assert outcomes.answer("plain") == {"said": "Echo: Hello there", "stop": "end_turn", "tokens": [True, 5]}


def test_a_stream_folds_to_the_message(outcomes: Outcomes) -> None:
    streamed = outcomes.answer("streamed")

    assert len(streamed["pieces"]) > 1
    assert "".join(streamed["pieces"]) == streamed["said"] == "Echo: One two three"
    assert streamed["stop"] == "end_turn"


def test_raw_events_come_in_the_vendors_order(outcomes: Outcomes) -> None:
    events = outcomes.answer("raw_stream")

    assert [events[0], events[-2], events[-1]] == ["message_start", "message_delta", "message_stop"]
    assert set(events[1:-2]) - {"ping"} == {"content_block_start", "content_block_delta", "content_block_stop"}


@pytest.mark.parametrize("scenario", ["tools", "tools_of_gpt"])
def test_two_parallel_tool_calls_make_their_round_trip(outcomes: Outcomes, scenario: str) -> None:
    round_trip = outcomes.answer(scenario)

    assert (round_trip["calls"], round_trip["stop"]) == ([{"day": "Tuesday"}] * 2, "tool_use")
    assert "Tuesday: nine" in round_trip["said"]


def test_the_tool_runner_ends_its_loop_by_itself(outcomes: Outcomes) -> None:
    assert outcomes.answer("tool_runner") == {"ran": [{"day": "Friday", "minutes": 1}], "said": "Echo: Friday at nine"}


def test_thinking_goes_back_with_its_signature(outcomes: Outcomes) -> None:
    assert outcomes.answer("thinking") == {"blocks": ["thinking", "text"], "said": "Echo: And then?"}


def test_a_gpt_model_answers_as_a_message(outcomes: Outcomes) -> None:
    assert outcomes.answer("gpt") == {"said": "Echo: Hello there", "model": "gpt-5.4-mini", "stop": "end_turn"}


def test_a_patient_is_restored_and_never_seen_by_the_provider(outcomes: Outcomes) -> None:
    outcomes.assert_restored()


def test_tokens_are_counted(outcomes: Outcomes) -> None:
    assert outcomes.answer("counted") > 0


def test_models_are_listed_over_several_pages_and_retrieved(outcomes: Outcomes) -> None:
    assert {"claude-haiku-4-5", "gpt-5.4-mini"} <= set(outcomes.answer("models"))
    assert outcomes.answer("model") == "Claude Haiku 4.5"


def test_the_key_may_be_a_bearer_token(outcomes: Outcomes) -> None:
    assert outcomes.answer("bearer") == "Echo: Hello"


@pytest.mark.parametrize(
    ("scenario", "raised", "status"),
    [
        ("unknown_key", "AuthenticationError", 401),
        ("no_agreement", "PaymentRequiredError", 402),
        ("refused_field", "BadRequestError", 400),
        ("vendor_failed", "InternalServerError", 502),
    ],
)
def test_a_refusal_is_the_libraries_own_error(outcomes: Outcomes, scenario: str, raised: str, status: int) -> None:
    error = outcomes.raised(scenario)

    assert (error["classes"][0], error["status"]) == (raised, status)
    assert error["requestID"].startswith("req_")


def test_a_stream_that_breaks_raises(outcomes: Outcomes) -> None:
    assert "APIError" in outcomes.raised("broken_stream")["classes"]
