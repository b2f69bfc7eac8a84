"""The Vercel AI SDK with @ai-sdk/anthropic, as `programs/ai_sdk.mjs` uses it."""

import pytest

from tests.clients.conftest import Run
from tests.clients.installing import Interpreter
from tests.clients.outcomes import Outcomes


@pytest.fixture(scope="module")
def outcomes(run: Run, node: Interpreter) -> Outcomes:
    return run(node, "ai_sdk.mjs", "vercel")


def test_a_text_is_generated(outcomes: Outcomes) -> None:
    assert outcomes.answer("plain") == {"said": "Echo: Hello there", "finish": "stop", "tokens": [True, 5]}


def test_a_text_streams(outcomes: Outcomes) -> None:
    streamed = outcomes.answer("streamed")

    assert len(streamed["pieces"]) > 1
    assert "".join(streamed["pieces"]) == "Echo: One two three"
    assert streamed["finish"] == "stop"


def test_its_own_loop_runs_two_parallel_tool_calls(outcomes: Outcomes) -> None:
    looped = outcomes.answer("tools")

    assert looped["inputs"] == [{"day": "Tuesday", "minutes": 1}] * 2
    assert looped["steps"] == 2
    assert "Tuesday at nine" in looped["said"]


def test_its_own_loop_runs_over_streams(outcomes: Outcomes) -> None:
    assert outcomes.answer("streamed_tools") == {"said": "Echo: Tuesday at nine", "steps": 2}


def test_a_gpt_model_calls_tools(outcomes: Outcomes) -> None:
    assert outcomes.answer("tools_of_gpt") == "Echo: Tuesday at nine"


def test_reasoning_is_read_and_goes_back_with_its_signature(outcomes: Outcomes) -> None:
    thought = outcomes.answer("thinking")

    assert thought["reasoned"].startswith("Considering the request.")
    assert thought["said"] == "Echo: Friday at nine"


def test_structured_output_fits_its_schema(outcomes: Outcomes) -> None:
    assert outcomes.answer("structured") == {"city": "Oslo", "days": 1}


def test_a_gpt_model_answers(outcomes: Outcomes) -> None:
    assert outcomes.answer("gpt") == "Echo: Hello there"


def test_a_patient_is_restored_and_never_seen_by_the_provider(outcomes: Outcomes) -> None:
    outcomes.assert_restored()


@pytest.mark.parametrize(("scenario", "status"), [("unknown_key", 401), ("no_agreement", 402), ("vendor_failed", 502)])
def test_a_refusal_is_its_own_error_with_our_words(outcomes: Outcomes, scenario: str, status: int) -> None:
    error = outcomes.raised(scenario)

    assert ("AI_APICallError" in error["classes"] or "APICallError" in error["classes"], error["status"]) == (
        True,
        status,
    )
    assert error["message"]


def test_a_stream_that_breaks_has_an_error_part(outcomes: Outcomes) -> None:
    assert len(outcomes.answer("broken_stream")) == 1
