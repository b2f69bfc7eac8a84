"""Where an activity's errors become Temporal's: a code that is safe to read, and a verdict on retrying."""

from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, FailureError

from gateway.errors import GatewayError
from gateway.logs import raised_at

log = structlog.get_logger()

P = ParamSpec("P")
R = TypeVar("R")


def surfaced(step: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Raise `ApplicationError` for whatever `step` raises.

    A `GatewayError` keeps its code as the error's type and is retried if it says so. Anything else is a fault of
    ours: it is retried, and its text, which may quote a row, goes nowhere.
    """

    @wraps(step)
    async def surface(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await step(*args, **kwargs)
        except GatewayError as error:
            raise _application_error(error) from None
        except FailureError:
            raise
        except Exception as error:  # noqa: BLE001 - any fault, so that none takes its text along
            raise _fault(error) from None

    return surface


def _application_error(error: GatewayError) -> ApplicationError:
    wait = None if error.retry_after_s is None else timedelta(seconds=error.retry_after_s)
    return ApplicationError(error.text, type=error.code, non_retryable=not error.retryable, next_retry_delay=wait)


def _fault(error: Exception) -> ApplicationError:
    kind = type(error).__name__
    info = activity.info()
    log.error(
        "activity_failed",
        error_type=kind,
        raised_at=raised_at(error.__traceback__),
        attempt=info.attempt,
        workflow_id=info.workflow_id,
    )
    return ApplicationError("an activity failed; its worker's log says where", type=kind)
