"""One use of a tool: scanned before anything leaves, paid before it runs, recorded before the model reads of it.

A use is a record like a call of a model is, under the name `tool:<name>`: held
and settled in the same books, sealed with the same keys, read, exported,
erased and purged by the same rules. Its id is derived from the answer that
asked for it, so that one that is made again after a crash is charged once.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway.catalog import Model
from gateway.catalog.provider import Dialect
from gateway.clock import Clock
from gateway.completion import Completion, StopDetails, StopReason, Usage
from gateway.conversation import Conversation, Sampling, Text, ToolResult, ToolUse, Turn
from gateway.errors import GatewayError, InternalError, RetrievalPhiBlockedError
from gateway.harness.addresses import words_of_addresses
from gateway.harness.events import ToolUsed
from gateway.harness.tool import ServerTool, ToolAnswer, ToolFailedError, ToolUseContext
from gateway.ids import FileId, InferenceId
from gateway.inference.call import Call, Outcome, Status, Surface
from gateway.inference.ports import Journal, Refusal
from gateway.inference.shielding import uninterrupted
from gateway.outside.configured_server import ServerFailedError
from gateway.phi.findings import Entity
from gateway.phi.guard import Guard
from gateway.phi.report import PhiReport, ScreenBlockedError
from gateway.tenancy import Access, PhiMode

MOST_CHARACTERS = 50_000
"""Of what a tool says, that a model reads."""

_ADDRESS = f"{Entity.URL.label}_"
"""Of placeholders whose originals are judged by whom they speak of."""
_CUT = "\n\n[The rest was left out.]"
_FAILED = "tool_failed"
_NO_TOOL = "There is no tool of that name."
_TOO_LONG = "The tool took too long."


@dataclass(frozen=True, slots=True)
class Wanted:
    """A use that a model asked for in the answer `answer`. `id` is its record's: the same for the same use."""

    access: Access
    answer: InferenceId
    id: InferenceId
    use: ToolUse
    end_user: str | None
    files: tuple[FileId, ...]
    ip_address: str | None
    known: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Originals by placeholder body: what was masked where the model read it, and is put back in what it writes."""


@dataclass(frozen=True, slots=True)
class Used:
    """`record` is None for a tool that there is not."""

    result: ToolResult
    record: ToolUsed | None


class ToolUses:
    """One instance serves all requests of a process and keeps nothing of any."""

    def __init__(self, *, journal: Journal, guard: Guard, clock: Clock) -> None:
        self._journal = journal
        self._guard = guard
        self._clock = clock

    async def make(self, wanted: Wanted, tool: ServerTool | None, *, within_s: float) -> Used:
        """What the model is to read. A tool that fails is an answer too.

        Raises `CreditsExhaustedError` and whatever else keeps a use from being paid, scanned or recorded, and
        `RetrievalPhiBlockedError` for PHI in the input where the organisation has that end a chat.
        """
        if tool is None:
            return Used(no_tool(wanted.use), None)
        call, model = _call(wanted, tool, at=self._clock.now()), _priced(tool)
        try:
            await self._journal.open(call, model, tool.surcharge)
        except GatewayError as refusal:
            await uninterrupted(self._journal.refuse(_refused(call, refusal, at=self._clock.now())))
            raise
        outcome = Outcome(call, model, Status.FAILED, call.received_at)
        try:
            result, outcome = await self._made(wanted, tool, outcome, within_s)
        except BaseException as failure:
            status = Status.FAILED if isinstance(failure, Exception) else Status.CANCELLED
            error = failure if isinstance(failure, GatewayError) else None
            await uninterrupted(self._journal.close(replace(outcome, status=status, error=error, at=self._clock.now())))
            if isinstance(failure, Exception) and error is None:
                raise InternalError from failure
            raise
        await uninterrupted(self._journal.close(replace(outcome, at=self._clock.now())))
        if outcome.error is not None:
            raise outcome.error
        used = ToolUsed(call.id, tool.name, outcome.status.value, outcome.charge)
        return Used(result, used)

    async def _made(
        self, wanted: Wanted, tool: ServerTool, outcome: Outcome, within_s: float
    ) -> tuple[ToolResult, Outcome]:
        try:
            report = await self._scanned(wanted, outcome.call, tool)
        except ScreenBlockedError as blocked:
            report = blocked.report
            kinds = report.entity_types
            error = retrieval_blocked(kinds) if _ends_chats(wanted.access) else None
            return withheld(wanted.use, kinds), replace(outcome, status=Status.BLOCKED, report=report, error=error)
        answer = await self._ran(wanted, tool, min(tool.timeout_s, within_s))
        completion = Completion(
            model=outcome.model.id,
            blocks=(Text(answer.text),),
            stop_reason=StopReason.END_TURN,
            usage=Usage(),
            stop_details=StopDetails(_FAILED) if answer.is_error else None,
        )
        return _result(wanted.use, answer), replace(
            outcome, status=Status.COMPLETED, report=report, completion=completion, charge=tool.surcharge
        )

    async def _scanned(self, wanted: Wanted, call: Call, tool: ServerTool) -> PhiReport:
        """What there is in the input. Raises `ScreenBlockedError` for what would leave with PHI in it.

        And for what would not leave, where the organisation has no tool be given any.
        """
        mode = PhiMode.BLOCK if tool.leaves or _ends_chats(wanted.access) else PhiMode.ALLOW
        policy = replace(wanted.access.policy, phi_mode=mode)
        report = await self._judged(wanted, call, replace(wanted.access, policy=policy))
        known = [original for body, original in wanted.known.items() if not body.startswith(_ADDRESS)]
        if tool.leaves and known:
            # What was found where it stood among other words is found again where it stands alone.
            terms = (*policy.screening.deny_terms, *known)
            policy = replace(policy, screening=replace(policy.screening, deny_terms=terms))
            await self._judged(wanted, call, replace(wanted.access, policy=policy))
        return report

    async def _judged(self, wanted: Wanted, call: Call, access: Access) -> PhiReport:
        try:
            return (await self._guard.screen(call.conversation, access)).report
        except ScreenBlockedError as blocked:
            # An address alone is the business of tools that read pages: what counts is whom it speaks of.
            addresses = words_of_addresses(wanted.use.input)
            if addresses is None or set(blocked.report.entity_types) != {Entity.URL}:
                raise
        spoken = replace(call.conversation, turns=(Turn("user", (Text(addresses),)),))
        return (await self._guard.screen(spoken, access)).report

    async def _ran(self, wanted: Wanted, tool: ServerTool, timeout_s: float) -> ToolAnswer:
        context = ToolUseContext(wanted.access, wanted.answer, wanted.end_user, wanted.files)
        try:
            async with asyncio.timeout(timeout_s):
                answer = await tool.run(wanted.use.input, context)
        except (ToolFailedError, ServerFailedError) as failed:
            return ToolAnswer(str(failed), is_error=True)
        except TimeoutError:
            return ToolAnswer(_TOO_LONG, is_error=True)
        # Half characters, as some tools make them, can be neither kept nor sent.
        text = answer.text.encode("utf-8", "replace").decode()
        if len(text) > MOST_CHARACTERS:
            text = text[: MOST_CHARACTERS - len(_CUT)] + _CUT
        return replace(answer, text=text)


def _ends_chats(access: Access) -> bool:
    """Whether PHI in the input of a tool does, whichever it is. Otherwise the model is told of what would leave."""
    return access.policy.phi_retrieval_behavior is PhiMode.BLOCK


def retrieval_blocked(kinds: Sequence[str]) -> RetrievalPhiBlockedError:
    return RetrievalPhiBlockedError(details={"entity_types": [*kinds]})


def _call(wanted: Wanted, tool: ServerTool, *, at: datetime) -> Call:
    return Call(
        id=wanted.id,
        access=wanted.access,
        surface=Surface.HARNESS,
        model=f"tool:{tool.name}",
        conversation=Conversation(
            turns=(Turn("assistant", (wanted.use,)),), sampling=Sampling(max_tokens=1), end_user=wanted.end_user
        ),
        received_at=at,
        tool=tool.name,
        ip_address=wanted.ip_address,
    )


def _refused(call: Call, error: GatewayError, *, at: datetime) -> Refusal:
    principal = call.access.principal
    return Refusal(
        org=principal.org,
        id=call.id,
        error=error,
        at=at,
        surface=call.surface,
        actor=principal.actor,
        delegation=principal.delegation,
        ip_address=call.ip_address,
        path=call.surface.route,
        model=call.model,
        end_user=call.conversation.end_user,
    )


def _priced(tool: ServerTool) -> Model:
    """What the books and records know a tool by, where they know calls by their model."""
    return Model(
        id=f"tool:{tool.name}",
        display_name=tool.name,
        provider="gateway",
        dialect=Dialect.ANTHROPIC,
        upstream=f"tool:{tool.name}",
        context_tokens=1,
        max_output_tokens=1,
        abilities=frozenset(),
        covered_by="none" if tool.leaves else "self_hosted",
        ratio_milli=1,
    )


def no_tool(use: ToolUse) -> ToolResult:
    """What a model is told that asked for a tool that there is not."""
    return _result(use, ToolAnswer(_NO_TOOL, is_error=True))


def withheld(use: ToolUse, kinds: Sequence[str]) -> ToolResult:
    """What a model is told whose input would have taken PHI of `kinds` along."""
    told = f"Not done: there is protected health information in the input ({', '.join(kinds)}), which must not leave."
    return _result(use, ToolAnswer(told, is_error=True))


def recorded(use: ToolUse, completion: Completion) -> ToolResult:
    """What a model was told, from the record of the use."""
    text = "".join(block.text for block in completion.blocks if isinstance(block, Text))
    details = completion.stop_details
    return _result(use, ToolAnswer(text, is_error=details is not None and details.category == _FAILED))


def _result(use: ToolUse, answer: ToolAnswer) -> ToolResult:
    return ToolResult(use.id, (Text(answer.text or "(nothing)"),), is_error=answer.is_error, plain=True)
