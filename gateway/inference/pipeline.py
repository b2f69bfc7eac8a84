"""One call's way from an authenticated caller to a recorded answer.

The order is the compliance argument: nothing leaves for a provider until the
agreement, the model policy, the credits and the PHI guard have each agreed,
and no answer is given that could not be recorded. No transaction is open
while a provider works: a hold spans the gap (decision 0002).
"""

import asyncio
from dataclasses import dataclass, replace

from gateway.catalog import Catalog, Model
from gateway.clock import Clock
from gateway.completion import Completion
from gateway.credits import pricing
from gateway.errors import (
    FeatureNotEligibleError,
    GatewayError,
    InternalError,
    PhiBlockedError,
    PhiInToolSchemaError,
    ValidationFailedError,
)
from gateway.inference import trail
from gateway.inference.admission import require_agreement, require_model, require_within_limits
from gateway.inference.call import Answer, Call, Outcome, Status
from gateway.inference.explaining import explained, placed
from gateway.inference.ports import Journal, Providers, Refusal
from gateway.inference.reviewing import reviewed, withheld_outcome
from gateway.inference.seals import seals_in
from gateway.inference.shielding import uninterrupted, unstoppable
from gateway.inference.streaming import AnswerStream
from gateway.phi.guard import Guard, Screened
from gateway.phi.report import PhiReport, ScreenBlockedError
from gateway.providers.provider import Provider
from gateway.tenancy import PhiMode, Policy

_REFUSED_BY_GUARD = (PhiBlockedError, PhiInToolSchemaError, FeatureNotEligibleError, ValidationFailedError)


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A call with every gate behind it: only now may anything leave."""

    call: Call
    model: Model
    screened: Screened
    provider: Provider


class InferencePipeline:
    """Takes calls through the gates; one instance serves all requests of a process and keeps no state of any."""

    def __init__(
        self, *, catalog: Catalog, journal: Journal, guard: Guard, providers: Providers, clock: Clock, baa_url: str
    ) -> None:
        self._catalog = catalog
        self._journal = journal
        self._guard = guard
        self._providers = providers
        self._clock = clock
        self._baa_url = baa_url

    def require_agreement(self, policy: Policy) -> None:
        """Raises `BaaRequiredError` unless an agreement is in force: the gate before a body is even parsed."""
        require_agreement(policy, now=self._clock.now(), baa_url=self._baa_url)

    async def complete(self, call: Call) -> Answer:
        """The whole answer, recorded and charged. Raises `GatewayError`; every one is audited by then."""
        admitted = await self._admit(call)
        try:
            upstream = await admitted.provider.complete(admitted.screened.conversation, admitted.model)
            completion = admitted.screened.restorer.completion(upstream)
            charge = pricing.charge(admitted.model, completion.usage)
        except BaseException as failure:
            raise await uninterrupted(self._abandon(admitted, failure)) from failure
        # From here on the provider bills: whoever hangs up now pays for an answer.
        report = await uninterrupted(self._settle(admitted, upstream, completion, charge))
        return Answer(
            call=admitted.call,
            model=admitted.model,
            completion=completion,
            report=report,
            charge=charge,
            sandboxed=self._is_sandboxed(admitted),
        )

    async def stream(self, call: Call) -> AnswerStream:
        """The answer as a stream, once the provider has begun to answer. Raises as `complete` does.

        The caller must `aclose()` what it gets: that is what settles a call whose client hung up.
        """
        admitted = await self._admit(call)
        context = admitted.provider.stream(admitted.screened.conversation, admitted.model)
        try:
            batches = await context.__aenter__()
        except BaseException as failure:
            raise await uninterrupted(self._abandon(admitted, failure)) from failure
        return AnswerStream(
            call=admitted.call,
            model=admitted.model,
            screened=admitted.screened,
            sandboxed=self._is_sandboxed(admitted),
            upstream=context,
            batches=batches,
            close=self._journal.close,
            review=lambda completion: reviewed(
                completion, admitted.screened.report, guard=self._guard, access=call.access
            ),
            explain=self._explain,
            clock=self._clock,
        )

    async def _admit(self, call: Call) -> _Admitted:
        model: Model | None = None
        try:
            self.require_agreement(call.access.policy)
            call = await self._resumed(call)
            model = self._catalog.get(call.model, now=call.received_at)
            require_model(model, call.access.policy, baa_url=self._baa_url)
            require_within_limits(call.conversation, model)
            provider = self._providers.provider_for(model, call.access.principal.mode)
            await self._open(call, model)
        except GatewayError as refusal:
            await self._refuse(call, model, refusal)
            raise
        except Exception as failure:
            await self._refuse(call, model, InternalError())
            raise InternalError from failure
        try:
            screened = await self._guard.screen(call.conversation, call.access, call.known)
        except BaseException as failure:
            raise await uninterrupted(self._turn_away(call, model, failure)) from failure
        return _Admitted(call, model, screened, provider)

    async def _open(self, call: Call, model: Model) -> None:
        """Hold credits and write the shell; a caller who hangs up meanwhile leaves neither open."""
        opening = unstoppable(self._journal.open(call, model, pricing.ceiling(model, call.conversation)))
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            await uninterrupted(self._close_opened(opening, call, model))
            raise

    async def _close_opened(self, opening: asyncio.Task[None], call: Call, model: Model) -> None:
        try:
            await opening
        except GatewayError:
            return
        await self._journal.close(Outcome(call, model, Status.CANCELLED, self._clock.now()))

    async def _resumed(self, call: Call) -> Call:
        if call.thread is None or not call.continues:
            return await self._recognized(call)
        history = await self._journal.history(call.access, call.thread)
        turns = (*history.turns, *call.conversation.turns)
        return replace(
            call,
            conversation=replace(call.conversation, turns=turns),
            own_turns=len(call.conversation.turns),
            known=history.placeholders,
        )

    async def _recognized(self, call: Call) -> Call:
        """With the numbers that the reasoning a client sends back was written in."""
        if call.access.policy.phi_mode is not PhiMode.REDACT or not (seals := seals_in(call.conversation)):
            return call
        return replace(call, known=await self._journal.placeholders(call.access, seals))

    async def _refuse(self, call: Call, model: Model | None, error: GatewayError) -> None:
        await uninterrupted(
            self._journal.refuse(
                Refusal(
                    org=call.access.principal.org,
                    id=call.id,
                    error=error,
                    at=self._clock.now(),
                    surface=call.surface,
                    actor=trail.actor(call.access.principal.key),
                    ip_address=call.ip_address,
                    model=model.id if model else None,
                )
            )
        )

    async def _turn_away(self, call: Call, model: Model, failure: BaseException) -> BaseException:
        """Void a call that the guard stopped, or that could not be screened; returns what to raise."""
        report = failure.report if isinstance(failure, ScreenBlockedError) else None
        status = Status.BLOCKED if isinstance(failure, _REFUSED_BY_GUARD) else _ended(failure)
        return await self._void(Outcome(call, model, status, self._clock.now(), report=report), failure)

    async def _abandon(self, admitted: _Admitted, failure: BaseException) -> BaseException:
        """Void a call whose provider gave no answer; returns what to raise."""
        outcome = Outcome(
            admitted.call, admitted.model, _ended(failure), self._clock.now(), report=admitted.screened.report
        )
        return await self._void(outcome, failure)

    async def _void(self, outcome: Outcome, failure: BaseException) -> BaseException:
        if not isinstance(failure, Exception):  # the caller hung up: nobody to explain it to
            await self._journal.close(outcome)
            return failure
        error = placed(await self._explain(failure), outcome.call)
        await self._journal.close(replace(outcome, error=error))
        return error

    async def _explain(self, failure: BaseException) -> GatewayError:
        return await explained(failure, self._guard)

    async def _settle(
        self, admitted: _Admitted, upstream: Completion, completion: Completion, charge: int
    ) -> PhiReport:
        """Review, record and charge an answer. Raises when policy keeps it from the caller, who pays all the same."""
        outcome = Outcome(
            call=admitted.call,
            model=admitted.model,
            status=Status.COMPLETED,
            at=self._clock.now(),
            completion=completion,
            report=admitted.screened.report,
            placeholders=admitted.screened.placeholders,
            charge=charge,
        )
        try:
            report = await reviewed(upstream, admitted.screened.report, guard=self._guard, access=admitted.call.access)
        except GatewayError as withheld:
            await self._journal.close(withheld_outcome(outcome, withheld))
            raise
        await self._journal.close(replace(outcome, report=report))
        return report

    def _is_sandboxed(self, admitted: _Admitted) -> bool:
        return self._providers.is_sandboxed(admitted.model, admitted.call.access.principal.mode)


def _ended(failure: BaseException) -> Status:
    return Status.FAILED if isinstance(failure, Exception) else Status.CANCELLED
