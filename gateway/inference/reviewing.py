"""Reading what a model answered, before it counts as answered."""

import asyncio
from dataclasses import replace

from gateway.completion import AnswerBlock, Completion
from gateway.conversation import Text
from gateway.errors import GatewayError, UnavailableError
from gateway.inference.call import Outcome, Status
from gateway.phi.guard import Guard
from gateway.phi.report import PhiReport, ScreenBlockedError
from gateway.tenancy import Access

_PATIENCE_S = 5.0
"""For how long the end of an answer waits to be read, where that is for the record only."""


async def reviewed(upstream: Completion, report: PhiReport, *, guard: Guard, access: Access) -> PhiReport:
    """`report` with the PHI that the model itself wrote in `upstream`, its answer as it came.

    Where the organisation only records, an answer that cannot be read is
    recorded as such. Where it blocks, raises `ScreenBlockedError` for PHI and
    `UnavailableError` for an answer that cannot be read.
    """
    blocks = access.policy.screening.answers == "block"
    try:
        async with asyncio.timeout(None if blocks else _PATIENCE_S):
            found = await guard.review(_written(upstream), access)
    except (GatewayError, TimeoutError) as failure:
        if blocks:
            raise UnavailableError from failure
        return report
    report = replace(report, answer_findings=found)
    if found and blocks:
        raise ScreenBlockedError(report, found)
    return report


def _written(upstream: Completion) -> tuple[AnswerBlock, ...]:
    """All that the model says, why it refused included."""
    details = upstream.stop_details
    said = (Text(details.explanation),) if details and details.explanation else ()
    return (*upstream.blocks, *said)


def withheld_outcome(outcome: Outcome, reason: GatewayError) -> Outcome:
    """`outcome` of an answer that the caller does not get. It was made and is charged; its text is not kept."""
    blocked = isinstance(reason, ScreenBlockedError)
    return replace(
        outcome,
        status=Status.BLOCKED if blocked else Status.FAILED,
        completion=outcome.completion and replace(outcome.completion, blocks=(), stop_sequence=None, stop_details=None),
        report=reason.report if blocked else outcome.report,
        error=reason,
    )
