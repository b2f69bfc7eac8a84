"""LangChain's ChatAnthropic, as `programs/langchain_program.py` uses it."""

import pytest

from tests.clients.conftest import Run
from tests.clients.installing import Interpreter
from tests.clients.outcomes import Outcomes


@pytest.fixture(scope="module")
def outcomes(run: Run, python: Interpreter) -> Outcomes:
    return run(python, "langchain_program.py", "langchain")


def test_a_message_parses_with_its_usage(outcomes: Outcomes) -> None:
    plain = outcomes.answer("plain")

    assert (plain["said"], plain["stop"]) == ("Echo: Hello there", "end_turn")
    assert plain["usage"]["input_tokens"] > 0
    assert plain["usage"]["output_tokens"] == 5


def test_a_stream_folds_with_its_usage(outcomes: Outcomes) -> None:
    streamed = outcomes.answer("streamed")

    assert len(streamed["pieces"]) > 1
    assert "".join(streamed["pieces"]) == "Echo: One two three"
    assert streamed["usage"]["input_tokens"] > 0
    assert streamed["usage"]["output_tokens"] == 5


@pytest.mark.parametrize("scenario", ["tools", "tools_of_gpt"])
def test_two_parallel_tool_calls_make_their_round_trip(outcomes: Outcomes, scenario: str) -> None:
    round_trip = outcomes.answer(scenario)

    assert round_trip["inputs"] == [{"day": "Tuesday"}] * 2
    assert "Tuesday: nine" in round_trip["said"]


def test_thinking_goes_back_with_its_signature(outcomes: Outcomes) -> None:
    assert outcomes.answer("thinking") == {"blocks": ["thinking", "text"], "said": "Echo: And then?"}


def test_structured_output_fits_its_schema(outcomes: Outcomes) -> None:
    assert outcomes.answer("structured") == {"day": "Friday"}


def test_tokens_are_counted(outcomes: Outcomes) -> None:
    assert outcomes.answer("counted") > 0


def test_a_gpt_model_answers(outcomes: Outcomes) -> None:
    assert outcomes.answer("gpt") == "Echo: Hello there"


def test_a_patient_is_restored_and_never_seen_by_the_provider(outcomes: Outcomes) -> None:
    outcomes.assert_restored()


@pytest.mark.parametrize(
    ("scenario", "raised", "status"),
    [
        ("unknown_key", "AuthenticationError", 401),
        ("no_agreement", "APIStatusError", 402),
        ("vendor_failed", "InternalServerError", 502),
    ],
)
def test_a_refusal_is_anthropics_own_error(outcomes: Outcomes, scenario: str, raised: str, status: int) -> None:
    error = outcomes.raised(scenario)

    assert raised in error["classes"]
    assert error["status"] == status


def test_a_stream_that_breaks_raises(outcomes: Outcomes) -> None:
    assert "APIError" in outcomes.raised("broken_stream")["classes"]
