"""openai for TypeScript through `/v1/openai`, as `programs/openai_gateway.mjs` uses it."""

import pytest

from tests.clients.conftest import Run
from tests.clients.installing import Interpreter
from tests.clients.outcomes import Outcomes


@pytest.fixture(scope="module")
def outcomes(run: Run, node: Interpreter) -> Outcomes:
    return run(node, "openai_gateway.mjs", "openai-node")


def test_a_response_parses(outcomes: Outcomes) -> None:
    assert outcomes.answer("response") == {"said": "Echo: Hello there", "status": "completed", "tokens": 5}


def test_the_stream_helper_takes_the_nine_steps(outcomes: Outcomes) -> None:
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


@pytest.mark.parametrize("scenario", ["tools", "tools_of_claude"])
def test_two_rounds_of_tools_of_a_response(outcomes: Outcomes, scenario: str) -> None:
    looped = outcomes.answer(scenario)

    assert looped["inputs"][:2] == ["Tuesday"] * 2
    assert set(looped["inputs"][2:]) == {"Friday"}
    assert "nine" in looped["said"]


@pytest.mark.parametrize("scenario", ["chat_tools", "chat_tools_of_claude"])
def test_two_rounds_of_tools_of_a_chat_completion(outcomes: Outcomes, scenario: str) -> None:
    assert outcomes.answer(scenario) == {"inputs": ["Tuesday", "Friday"], "said": "Echo: nine"}


def test_an_item_can_be_referred_to(outcomes: Outcomes) -> None:
    assert outcomes.answer("referred") == "Echo: Two"


def test_a_response_that_fails_says_so_in_its_stream(outcomes: Outcomes) -> None:
    assert outcomes.answer("failed") == "response.failed"


def test_a_chat_completion_parses(outcomes: Outcomes) -> None:
    assert outcomes.answer("chat") == {"said": "Echo: Hello there", "finish": "stop", "tokens": 5}


def test_a_streamed_chat_completion_ends_with_its_usage(outcomes: Outcomes) -> None:
    assert outcomes.answer("streamed_chat") == {"said": "Echo: One two three", "tokens": 5}


def test_a_chat_completion_that_breaks_raises(outcomes: Outcomes) -> None:
    assert "APIError" in outcomes.raised("broken_chat")["classes"]


@pytest.mark.parametrize("scenario", ["restored", "chat_restored"])
def test_a_patient_is_restored_and_never_seen_by_the_provider(outcomes: Outcomes, scenario: str) -> None:
    outcomes.assert_restored(scenario, heard=4)


def test_models_are_listed(outcomes: Outcomes) -> None:
    assert {"gpt-5.4-mini", "claude-haiku-4-5"} <= set(outcomes.answer("models"))


@pytest.mark.parametrize(
    ("scenario", "raised", "status", "code"),
    [
        ("unknown_key", "AuthenticationError", 401, "invalid_api_key"),
        ("no_agreement", "APIError", 402, "BAA_REQUIRED"),
        ("unknown_model", "NotFoundError", 404, "model_not_found"),
        ("vendor_failed", "InternalServerError", 502, "INFERENCE_UPSTREAM_FAILURE"),
    ],
)
def test_an_error_is_the_librarys_own(outcomes: Outcomes, scenario: str, raised: str, status: int, code: str) -> None:
    error = outcomes.raised(scenario)

    assert raised in error["classes"]
    assert (error["status"], error["code"]) == (status, code)
    assert error["requestID"].startswith("req_")
