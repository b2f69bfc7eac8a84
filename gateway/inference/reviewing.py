"""Reading what a model answered, before it counts as answered."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from gateway.agents.scope import require_used
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
    `UnavailableError` for an answer that cannot be read. An agent's answer
    that uses a tool outside its grants raises `ToolNotInScopeError` in any case.
    """
    require_used(upstream.blocks, access.principal.delegation)
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


async def settle(
    outcome: Outcome,
    review: Callable[[], Awaitable[PhiReport]],
    close: Callable[[Outcome], Awaitable[None]],
) -> PhiReport:
    """Review the answer of `outcome` and record it by `close`, once, whatever the review says.

    Raises when the caller does not get the answer: by policy, or because the call was ended while it was read.
    """
    running = outcome.call.running
    whole = outcome.status is Status.COMPLETED
    try:
        report = await (running.unless_ended(review) if whole else review())
    except GatewayError as reason:
        await close(_cut_short(outcome) if whole and reason is running.ended else withheld_outcome(outcome, reason))
        raise
    await close(replace(outcome, report=report))
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
        completion=_without_text(outcome),
        report=reason.report if blocked else outcome.report,
        error=reason,
    )


def _cut_short(outcome: Outcome) -> Outcome:
    """`outcome` of an answer whose call was ended before it was read: where that matters, its text is not kept."""
    blocks = outcome.call.access.policy.screening.answers == "block"
    completion = _without_text(outcome) if blocks else outcome.completion
    return replace(outcome, status=Status.CANCELLED, completion=completion)


def _without_text(outcome: Outcome) -> Completion | None:
    return outcome.completion and replace(outcome.completion, blocks=(), stop_sequence=None, stop_details=None)
