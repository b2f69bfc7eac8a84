"""openai, as `programs/openai.mjs` uses it: against the sandbox, which must speak as OpenAI does."""

import pytest

from tests.clients.conftest import Run
from tests.clients.installing import Interpreter
from tests.clients.outcomes import Outcomes


@pytest.fixture(scope="module")
def outcomes(run: Run, node: Interpreter) -> Outcomes:
    return run(node, "openai.mjs", "openai")


def test_a_response_parses(outcomes: Outcomes) -> None:
    assert outcomes.answer("response") == {"said": "Echo: Hello there", "status": "completed", "tokens": 5}


def test_a_streamed_response_takes_the_nine_steps(outcomes: Outcomes) -> None:
    assert outcomes.answer("streamed_response") == {
        "events": [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ],
        "said": "Echo: One two three",
    }


def test_tools_and_reasoning_make_their_round_trip(outcomes: Outcomes) -> None:
    round_trip = outcomes.answer("response_tools")

    assert round_trip["kinds"] == ["reasoning", "function_call", "function_call"]
    assert "Tuesday: nine" in round_trip["said"]


def test_a_response_that_fails_says_so_in_its_stream(outcomes: Outcomes) -> None:
    assert outcomes.answer("failed_response") == "response.failed"


def test_a_chat_completion_parses(outcomes: Outcomes) -> None:
    assert outcomes.answer("chat") == {"said": "Echo: Hello there", "finish": "stop", "tokens": 5}


def test_a_streamed_chat_completion_ends_with_its_usage(outcomes: Outcomes) -> None:
    assert outcomes.answer("streamed_chat") == {"said": "Echo: One two three", "tokens": 5}


def test_tools_of_a_chat_completion_make_their_round_trip(outcomes: Outcomes) -> None:
    round_trip = outcomes.answer("chat_tools")

    assert round_trip["finish"] == "tool_calls"
    assert "Tuesday: nine" in round_trip["said"]


def test_models_are_listed(outcomes: Outcomes) -> None:
    assert "gpt-5.4" in outcomes.answer("models")


def test_the_gateways_own_list_of_models_parses(outcomes: Outcomes) -> None:
    assert {"claude-haiku-4-5", "gpt-5.4-mini"} <= set(outcomes.answer("models_of_the_gateway")["ids"])


@pytest.mark.parametrize(
    ("scenario", "raised", "status"),
    [
        ("bad_request", "BadRequestError", 400),
        ("unauthorized", "AuthenticationError", 401),
        ("rate_limited", "RateLimitError", 429),
        ("server_error", "InternalServerError", 500),
    ],
)
def test_an_error_is_the_libraries_own(outcomes: Outcomes, scenario: str, raised: str, status: int) -> None:
    error = outcomes.raised(scenario)

    assert (error["classes"][0], error["status"]) == (raised, status)
