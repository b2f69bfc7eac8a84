from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from structlog.testing import capture_logs
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.surface import surfaced
from gateway.errors import GatewayError, NotFoundError, UnavailableError

CANARY = "Zebulon Quackenbush"


def _raising(error: Exception) -> Callable[[], Awaitable[None]]:
    @activity.defn(name="test.raise")
    @surfaced
    async def step() -> None:
        raise error

    return step


@pytest.mark.parametrize(
    ("error", "code", "final"),
    [(UnavailableError(), "INFERENCE_UNAVAILABLE", False), (NotFoundError(), "RESOURCE_NOT_FOUND", True)],
)
async def test_a_gateway_error_keeps_its_code_and_verdict(error: GatewayError, code: str, final: bool) -> None:
    raised = await _raised(error)

    assert (raised.type, raised.non_retryable, raised.message) == (code, final, error.text)


async def test_a_wait_that_is_known_is_kept() -> None:
    raised = await _raised(UnavailableError(retry_after_s=7))

    assert raised.next_retry_delay == timedelta(seconds=7)


async def test_a_fault_is_retried_and_its_text_goes_nowhere() -> None:
    with capture_logs() as logs:
        raised = await _raised(KeyError(CANARY))

    assert (raised.type, raised.non_retryable) == ("KeyError", False)
    assert raised.__suppress_context__
    assert CANARY not in repr(raised) + repr(logs)
    (line,) = logs
    assert line["event"] == "activity_failed"
    assert "test_surface.py" in line["raised_at"]


async def test_an_application_error_passes_as_it_is() -> None:
    error = ApplicationError("said so", type="SAID", non_retryable=True)

    assert await _raised(error) is error


async def _raised(error: Exception) -> ApplicationError:
    with pytest.raises(ApplicationError) as raised:
        await ActivityEnvironment().run(_raising(error))
    return raised.value
