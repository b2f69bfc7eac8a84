"""LangChain and LiteLLM at `/v1/openai` and `/v1/anthropic`, as `programs/langchain_surfaces_program.py` uses them."""

import pytest

from tests.clients.conftest import Run
from tests.clients.installing import Interpreter
from tests.clients.outcomes import Outcomes

every_way = pytest.mark.parametrize(
    "way", ["responses", "chat", "anthropic", "litellm_chat", "litellm_bridge", "litellm_anthropic"]
)


@pytest.fixture(scope="module")
def outcomes(run: Run, python: Interpreter) -> Outcomes:
    return run(python, "langchain_surfaces_program.py", "langchain surfaces")


@every_way
def test_a_text_is_answered_plain_and_streamed(outcomes: Outcomes, way: str) -> None:
    said = outcomes.answer(f"{way}_said")

    assert said == {"said": "Echo: Hello there", "streamed": "Echo: One two three", "usage": [5, 5]}


@every_way
def test_two_steps_of_tools_make_their_round_trips(outcomes: Outcomes, way: str) -> None:
    assert outcomes.answer(f"{way}_tools") == {"inputs": ["Tuesday", "Friday"], "said": "Echo: nine"}


@every_way
def test_a_patient_is_restored_and_never_seen_by_the_provider(outcomes: Outcomes, way: str) -> None:
    outcomes.assert_restored(f"{way}_restored", heard=12)


def test_litellm_loops_over_responses(outcomes: Outcomes) -> None:
    looped = outcomes.answer("litellm_responses_tools")

    assert looped == {"inputs": ["Tuesday", "Friday"], "said": "Echo: nine"}


def test_a_refusal_is_openais_own_error(outcomes: Outcomes) -> None:
    error = outcomes.raised("unknown_key")

    assert ("AuthenticationError" in error["classes"], error["status"]) == (True, 401)
