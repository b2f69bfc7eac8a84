"""One call's way from an authenticated caller to a recorded answer.

The order is the compliance argument: nothing leaves for a provider until the
agreement, the model policy, the credits and the PHI guard have each agreed,
and no answer is given that could not be recorded. No transaction is open
while a provider works: a hold spans the gap (decision 0002).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.agents.scope import require_tools
from gateway.audit.compliance import ComplianceEvent
from gateway.catalog import Catalog, Model
from gateway.clock import Clock
from gateway.completion import Completion
from gateway.conversation import Conversation
from gateway.credits import pricing
from gateway.errors import (
    CreditsExhaustedError,
    FeatureNotEligibleError,
    GatewayError,
    InternalError,
    PhiBlockedError,
    PhiInToolSchemaError,
    RateLimitedError,
    UnavailableError,
    ValidationFailedError,
)
from gateway.inference import trail
from gateway.inference.admission import needs_opt_in, require_agreement, require_model, require_readable, route_for
from gateway.inference.call import Answer, Call, Outcome, Status
from gateway.inference.explaining import explained, placed
from gateway.inference.ports import Journal, Refusal
from gateway.inference.reviewing import reviewed, settle
from gateway.inference.seals import seals_in
from gateway.inference.shielding import let_outlast, uninterrupted, unstoppable
from gateway.inference.streaming import AnswerStream
from gateway.phi.guard import Guard, Screened
from gateway.phi.report import PhiReport, ScreenBlockedError
from gateway.routing.dispatch import Dispatcher
from gateway.routing.route import Delivery, Route, Sender
from gateway.tenancy import Access, PhiMode, Policy

_REFUSED_BY_GUARD = (PhiBlockedError, PhiInToolSchemaError, FeatureNotEligibleError, ValidationFailedError)


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A call with every gate behind it: only now may anything leave."""

    call: Call
    route: Route
    screened: Screened
    sender: Sender

    @property
    def undelivered(self) -> Delivery:
        """Who was tried in vain."""
        return Delivery(self.route.asked, self.route.asked, tuple(self.sender.sent_to))


@dataclass(frozen=True, slots=True)
class _Answered:
    """A provider's answer, as it came and as its caller sees it."""

    delivery: Delivery
    upstream: Completion
    completion: Completion
    charge: int


class InferencePipeline:
    """Takes calls through the gates; one instance serves all requests of a process and keeps no state of any."""

    def __init__(
        self, *, catalog: Catalog, journal: Journal, guard: Guard, dispatcher: Dispatcher, clock: Clock, baa_url: str
    ) -> None:
        self._catalog = catalog
        self._journal = journal
        self._guard = guard
        self._dispatcher = dispatcher
        self._clock = clock
        self._baa_url = baa_url

    def require_agreement(self, policy: Policy) -> None:
        """Raises `BaaRequiredError` unless an agreement is in force: the gate before a body is even parsed."""
        require_agreement(policy, now=self._clock.now(), baa_url=self._baa_url)

    def require_scope(self, access: Access, conversation: Conversation) -> None:
        """An agent's gate in place of `require_agreement`: its tools come first, and those are in the body.

        Raises `ToolNotInScopeError` and `BaaRequiredError`.
        """
        require_tools(conversation, access.principal.delegation)
        self.require_agreement(access.policy)

    def require_model(self, name: str, access: Access) -> Model:
        """The model of that name, which the caller may call by now. Raises what keeps them from it."""
        self.require_agreement(access.policy)
        model = self._catalog.get(name, now=self._clock.now())
        require_model(model, access, baa_url=self._baa_url)
        return model

    def require_readable(self, policy: Policy) -> None:
        """Raises `BaaRequiredError` unless an agreement is in force, or has ended so lately that it lets one read."""
        require_readable(policy, now=self._clock.now(), baa_url=self._baa_url)

    async def complete(self, call: Call) -> Answer:
        """The whole answer, recorded and charged. Raises `GatewayError`; every one is audited by then."""
        admitted = await self._admit(call)
        asking = unstoppable(self._ask(admitted))
        try:
            answered = await call.running.unless_ended(lambda: asyncio.shield(asking))
        except BaseException as failure:
            if isinstance(failure, asyncio.CancelledError) or failure is call.running.ended:
                admitted.sender.left.set()
                let_outlast(asking)
                unstoppable(self._outlast(asking, admitted))
                raise
            raise await uninterrupted(self._abandon(admitted, failure)) from failure
        # From here on the provider bills: whoever hangs up now pays for an answer.
        report = await uninterrupted(self._settle(admitted, answered, Status.COMPLETED))
        return Answer(
            call=admitted.call,
            delivery=answered.delivery,
            completion=answered.completion,
            report=report,
            charge=answered.charge,
            sandboxed=self._is_sandboxed(admitted),
            placeholders=admitted.screened.placeholders,
        )

    async def stream(self, call: Call) -> AnswerStream:
        """The answer as a stream, once the provider has begun to answer. Raises as `complete` does.

        The caller must `aclose()` what it gets: that is what settles a call whose client hung up.
        """
        admitted = await self._admit(call)
        context = self._dispatcher.stream(admitted.screened.conversation, admitted.route, admitted.sender)
        try:
            flow = await call.running.unless_ended(context.__aenter__)
        except BaseException as failure:
            raise await uninterrupted(self._abandon(admitted, failure)) from failure
        return AnswerStream(
            call=admitted.call,
            delivery=flow.delivery,
            screened=admitted.screened,
            sandboxed=self._is_sandboxed(admitted),
            upstream=context,
            batches=flow,
            close=self._close,
            review=lambda completion: reviewed(
                completion, admitted.screened.report, guard=self._guard, access=call.access
            ),
            explain=self._explain,
            clock=self._clock,
        )

    async def _admit(self, call: Call) -> _Admitted:
        passed: list[ComplianceEvent] = []
        try:
            self.require_scope(call.access, call.conversation)
            passed.append(ComplianceEvent.BAA_VERIFIED)
            call = await self._resumed(call)
            passed += trail.recalled(call)
            await call.quota.admit(call.conversation)
            if call.quota.limits:
                passed.append(ComplianceEvent.RATE_ADMITTED)
            model = self._catalog.get(call.model, now=call.received_at)
            route = self._route(call, model)
            if needs_opt_in(model):
                passed.append(ComplianceEvent.MODEL_OPT_IN_VERIFIED)
            self._dispatcher.require(model, call.access.principal.mode)
            self._require_timely(call)
            call = replace(call, passed=tuple(passed))
            route = await self._open(call, route)
        except GatewayError as refusal:
            await self._refuse(call, passed, placed(refusal, call))
            raise
        except Exception as failure:
            await self._refuse(call, passed, InternalError())
            raise InternalError from failure
        try:
            screened = await call.running.unless_ended(
                lambda: self._guard.screen(call.conversation, call.access, call.known)
            )
        except BaseException as failure:
            raise await uninterrupted(self._turn_away(call, model, failure)) from failure
        principal = call.access.principal
        return _Admitted(call, route, screened, Sender(principal.mode, principal.org, call.patience_s))

    def _require_timely(self, call: Call) -> None:
        if call.open_by is not None and self._clock.now() >= call.open_by:
            raise UnavailableError("The call was not opened in time. Send it again.")

    def _route(self, call: Call, model: Model) -> Route:
        return route_for(
            model,
            call.conversation,
            call.access,
            catalog=self._catalog,
            now=call.received_at,
            baa_url=self._baa_url,
        )

    async def _open(self, call: Call, route: Route) -> Route:
        """Hold credits for the dearest that may answer, and write the shell; returns who may answer within the hold.

        Where that does not fit, equivalents dearer than the model that was asked for stay out.
        """
        tokens = pricing.worst_case(call.conversation)
        ceilings = {model.id: pricing.ceiling_of_tokens(model, tokens) for model in route.models}
        asked = ceilings[route.asked.id]
        try:
            await self._hold(call, route.asked, max(ceilings.values()))
        except CreditsExhaustedError:
            if asked == max(ceilings.values()):
                raise
            await self._hold(call, route.asked, asked)
            return replace(route, others=tuple(each for each in route.others if ceilings[each.id] <= asked))
        return route

    async def _hold(self, call: Call, model: Model, ceiling: int) -> None:
        """A caller who hangs up meanwhile leaves neither hold nor shell open."""
        opening = unstoppable(self._journal.open(call, model, ceiling))
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            await uninterrupted(self._close_opened(opening, call, model))
            raise

    async def _close_opened(self, opening: asyncio.Task[None], call: Call, model: Model) -> None:
        try:
            await opening
        except GatewayError:
            call.quota.settle(0)
            return
        await self._close(Outcome(call, model, Status.CANCELLED, self._clock.now()))

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
        if call.known or call.access.policy.phi_mode is not PhiMode.REDACT:
            return call
        if not (seals := seals_in(call.conversation)):
            return call
        return replace(call, known=await self._journal.placeholders(call.access, seals))

    async def _close(self, outcome: Outcome) -> None:
        """Record how a call ended; what it had reserved of its organisation's rate beyond its tokens is given back."""
        try:
            await self._journal.close(outcome)
        finally:
            outcome.call.quota.settle(outcome.tokens)

    async def _refuse(self, call: Call, passed: Sequence[ComplianceEvent], error: GatewayError) -> None:
        call.quota.settle(0)
        if isinstance(error, RateLimitedError) and error.repeated:
            return
        model = self._catalog.find(call.model)
        await uninterrupted(
            self._journal.refuse(
                Refusal(
                    org=call.access.principal.org,
                    id=call.id,
                    error=error,
                    at=self._clock.now(),
                    surface=call.surface,
                    actor=call.access.principal.actor,
                    delegation=call.access.principal.delegation,
                    ip_address=call.ip_address,
                    path=call.surface.route,
                    model=model.id if model else None,
                    passed=tuple(passed),
                    history_turns=call.history_turns,
                    end_user=call.conversation.end_user,
                )
            )
        )

    async def _turn_away(self, call: Call, model: Model, failure: BaseException) -> BaseException:
        """Void a call that the guard stopped, or that could not be screened; returns what to raise."""
        report = failure.report if isinstance(failure, ScreenBlockedError) else None
        status = Status.BLOCKED if isinstance(failure, _REFUSED_BY_GUARD) else _ended(failure, call)
        return await self._void(Outcome(call, model, status, self._clock.now(), report=report), failure)

    async def _ask(self, admitted: _Admitted) -> _Answered:
        delivery, upstream = await self._dispatcher.complete(
            admitted.screened.conversation, admitted.route, admitted.sender
        )
        completion = admitted.screened.restorer.completion(upstream)
        return _Answered(delivery, upstream, completion, pricing.charge(delivery.model, completion.usage))

    async def _outlast(self, asking: asyncio.Task[_Answered], admitted: _Admitted) -> None:
        """See a call to its end whose caller has left: what its provider answers all the same is billed."""
        try:
            answered = await asking
        except (Exception, asyncio.CancelledError):  # noqa: BLE001 - nobody is there to be told which
            await self._abandon(admitted, asyncio.CancelledError())
        else:
            await self._settle(admitted, answered, Status.CANCELLED)

    async def _abandon(self, admitted: _Admitted, failure: BaseException) -> BaseException:
        """Void a call whose provider gave no answer; returns what to raise."""
        outcome = Outcome(
            admitted.call,
            admitted.route.asked,
            _ended(failure, admitted.call),
            self._clock.now(),
            report=admitted.screened.report,
            delivery=admitted.undelivered,
        )
        return await self._void(outcome, failure)

    async def _void(self, outcome: Outcome, failure: BaseException) -> BaseException:
        if not isinstance(failure, Exception):  # the caller hung up: nobody to explain it to
            await self._close(outcome)
            return failure
        error = placed(await self._explain(failure), outcome.call)
        await self._close(replace(outcome, error=error))
        return error

    async def _explain(self, failure: BaseException) -> GatewayError:
        return await explained(failure, self._guard)

    async def _settle(self, admitted: _Admitted, answered: _Answered, status: Status) -> PhiReport:
        """Review, record and charge an answer. Raises when policy keeps it from the caller, who pays all the same."""
        screened = admitted.screened
        outcome = Outcome(
            call=admitted.call,
            model=answered.delivery.model,
            status=status,
            at=self._clock.now(),
            delivery=answered.delivery,
            completion=answered.completion,
            report=screened.report,
            placeholders=screened.placeholders,
            charge=answered.charge,
        )
        return await settle(
            outcome,
            lambda: reviewed(answered.upstream, screened.report, guard=self._guard, access=admitted.call.access),
            self._close,
        )

    def _is_sandboxed(self, admitted: _Admitted) -> bool:
        return self._dispatcher.is_sandboxed(admitted.route.asked, admitted.call.access.principal.mode)


def _ended(failure: BaseException, call: Call) -> Status:
    failed = isinstance(failure, Exception) and failure is not call.running.ended
    return Status.FAILED if failed else Status.CANCELLED
