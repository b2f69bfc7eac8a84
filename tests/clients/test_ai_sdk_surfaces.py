"""The Vercel AI SDK at `/v1/openai` and `/v1/anthropic`, as `programs/ai_sdk_surfaces.mjs` uses it."""

import pytest

from tests.clients.conftest import Run
from tests.clients.installing import Interpreter
from tests.clients.outcomes import Outcomes

every_model = pytest.mark.parametrize("model", ["responses", "responses_of_claude", "chat", "messages", "messages_v1"])


@pytest.fixture(scope="module")
def outcomes(run: Run, node: Interpreter) -> Outcomes:
    return run(node, "ai_sdk_surfaces.mjs", "vercel surfaces")


@every_model
def test_a_text_is_generated(outcomes: Outcomes, model: str) -> None:
    said = outcomes.answer(f"{model}_said")

    assert said == {"said": "Echo: Hello there", "finish": "stop", "tokens": [True, 5]}


@every_model
@pytest.mark.parametrize("how", ["tools", "streamed_tools"])
def test_its_own_loop_runs_two_steps_of_tools(outcomes: Outcomes, model: str, how: str) -> None:
    assert outcomes.answer(f"{model}_{how}") == {"said": "Echo: Friday at nine", "steps": 3}


@every_model
def test_a_patient_is_restored_and_never_seen_by_the_provider(outcomes: Outcomes, model: str) -> None:
    outcomes.assert_restored(f"{model}_restored", heard=10)


def test_a_second_turn_refers_to_the_first(outcomes: Outcomes) -> None:
    assert outcomes.answer("second_turn") == "Echo: Two"


def test_a_refusal_is_its_own_error_with_our_words(outcomes: Outcomes) -> None:
    error = outcomes.raised("unknown_key")

    assert (error["status"], "APICallError" in "".join(error["classes"])) == (401, True)
    assert "API key" in error["message"]


def test_a_stream_that_breaks_has_an_error_part(outcomes: Outcomes) -> None:
    assert len(outcomes.answer("broken_stream")) == 1
