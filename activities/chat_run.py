"""Chats in the background: the steps of `chat.run`. Only ids and places come and go; what is said stays where it is."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from temporalio import activity

from activities.heartbeat import beating
from activities.starting import Start
from activities.surface import surfaced
from gateway.conversation import Conversation, ToolChoice, ToolResult, ToolUse
from gateway.errors import PhiBlockedError, TriesUsedUpError, UpstreamFailureError
from gateway.events import EventType
from gateway.harness.background import Made, RunState, gone_on
from gateway.harness.run import uses_of
from gateway.harness.tool import ServerTool
from gateway.harness.toolbox import Toolbox
from gateway.harness.tries import round_tries, use_tries
from gateway.harness.using import Wanted, no_tool, recorded, retrieval_blocked, withheld
from gateway.ids import InferenceId, OrganizationId, RunId
from gateway.inference.call import Call, Surface
from gateway.inference.composing import Inference
from gateway.limits.limiter import Limiter
from gateway.tenancy import Access
from storage import Storage
from storage.harness.running import OpenRun, RunningChats, Try
from storage.outbox import OutboxEvent


@dataclass(frozen=True, slots=True)
class ChatRun:
    org: str
    id: str


@dataclass(frozen=True, slots=True)
class RunRound:
    """`is_last`: the model may use no more tools."""

    run: ChatRun
    number: int
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class RoundMade:
    """`uses` of tools were asked for; None: the run has ended meanwhile."""

    uses: int | None


@dataclass(frozen=True, slots=True)
class RunUse:
    run: ChatRun
    round: int
    number: int


@dataclass(frozen=True, slots=True)
class RunEnding:
    """`code` and `message` are a `GatewayError`'s."""

    run: ChatRun
    state: str
    code: str | None = None
    message: str | None = None


class ChatRuns(Protocol):
    """What runs chats."""

    async def start(self, run: ChatRun) -> None:
        """Have it run. Asked twice, it is run once."""
        ...

    async def cancel(self, run: ChatRun) -> None:
        """Have what runs of it ended. May be asked for at any time, and again."""
        ...


def chat_run_starts(runs: ChatRuns) -> dict[str, Start]:
    """By the types of the events that tell of runs."""
    return {
        EventType.CHAT_RUN_REQUESTED: lambda event: runs.start(_told_of(event)),
        EventType.CHAT_RUN_CANCELLED: lambda event: runs.cancel(_told_of(event)),
    }


def _told_of(event: OutboxEvent) -> ChatRun:
    return ChatRun(event.org, str(event.data["run_id"]))


@dataclass(frozen=True, slots=True)
class _Place:
    """A run as far as it has come before a round."""

    opened: OpenRun
    access: Access
    conversation: Conversation
    tools: Mapping[str, ServerTool]
    """Those of the asked for that its caller may use by now."""
    last: Made | None


class ChatRunActivities:
    """Each is safe to run twice, also at once: calls and uses have ids of their own, and each is billed once."""

    def __init__(
        self,
        storage: Storage,
        limiter: Limiter,
        inference: Callable[[], Awaitable[Inference]],
        toolbox: Callable[[], Awaitable[Toolbox]],
    ) -> None:
        self._storage = storage
        self._runs = RunningChats(storage.pool, storage.cipher, storage.clock)
        self._limiter = limiter
        self._inference = inference
        self._toolbox = toolbox

    @activity.defn(name="chat.begin")
    @surfaced
    async def begin(self, run: ChatRun) -> bool:
        """Whether there is anything to run."""
        return await self._runs.begin(OrganizationId(run.org), RunId(run.id))

    @activity.defn(name="chat.round")
    @surfaced
    async def round(self, step: RunRound) -> RoundMade:
        """One answer of the model's, to what was said and what tools answered. Nothing happens once the run ended."""
        async with beating():
            place = await self._place(step.run, step.number)
            if place is None:
                return RoundMade(None)
            tried = await self._tried(place, round_tries(step.run.id, step.number))
            if tried.made is not None:
                return RoundMade(len(uses_of(tried.made.completion)))
            return RoundMade(await self._asked(place, tried.id, is_last=step.is_last))

    @activity.defn(name="chat.tool")
    @surfaced
    async def tool(self, step: RunUse) -> None:
        """One use of a tool that the model asked for in a round."""
        async with beating():
            place = await self._place(step.run, step.round + 1, without_results=True)
            if place is None or place.last is None:
                return
            use = uses_of(place.last.completion)[step.number]
            tried = await self._tried(place, use_tries(place.last.id, step.number))
            if tried.made is None and tried.blocked_for is None:
                await self._used(place, place.last.id, tried.id, use)

    @activity.defn(name="chat.finish")
    @surfaced
    async def finish(self, ending: RunEnding) -> None:
        """Write down how it ended, unless it is written down."""
        org, run = OrganizationId(ending.run.org), RunId(ending.run.id)
        await self._runs.finish(org, run, RunState(ending.state), code=ending.code, message=ending.message)

    async def _place(self, run: ChatRun, number: int, *, without_results: bool = False) -> _Place | None:
        """Where the run is before round `number`; `without_results`: of the tools of the one before nothing is read."""
        org = OrganizationId(run.org)
        opened = await self._runs.look(org, RunId(run.id))
        if opened is None:
            return None
        access = await self._storage.standing.access_of(opened.caller)
        allowed = (await self._toolbox()).allowed(access)
        tools = {tool.name: tool for tool in allowed if tool.name in opened.request.tools}
        place = _Place(opened, access, opened.request.conversation([*tools.values()]), tools, None)
        for before in range(number):
            tried = await self._tried(place, round_tries(run.id, before))
            if tried.made is None:
                raise UpstreamFailureError
            place = replace(place, last=tried.made)
            if before < number - 1 or not without_results:
                place = replace(place, conversation=await self._gone_on(place, tried.made))
        return place

    async def _gone_on(self, place: _Place, made: Made) -> Conversation:
        results = [await self._result(place, made, number, use) for number, use in enumerate(uses_of(made.completion))]
        return gone_on(place.conversation, made.completion, results)

    async def _result(self, place: _Place, made: Made, number: int, use: ToolUse) -> ToolResult:
        if use.name not in place.opened.request.tools:
            return no_tool(use)
        tried = await self._tried(place, use_tries(made.id, number))
        if tried.blocked_for is not None:
            return withheld(use, tried.blocked_for)
        return no_tool(use) if tried.made is None else recorded(use, tried.made.completion)

    async def _tried(self, place: _Place, tries: tuple[InferenceId, ...]) -> Try:
        """Raises `UpstreamFailureError` when no try is left, `PhiBlockedError` for an answer that was withheld.

        And `RetrievalPhiBlockedError` for a use that was the end of the run: its worker may have died over telling.
        """
        tried = await self._runs.next_try(place.opened.caller.org, tries)
        if tried is None:
            raise TriesUsedUpError
        if tried.is_withheld:
            raise PhiBlockedError
        if tried.blocked_for is not None and tried.ends_run:
            raise retrieval_blocked(tried.blocked_for)
        return tried

    async def _asked(self, place: _Place, call: InferenceId, *, is_last: bool) -> int:
        """How many tools the model wants. Raises what keeps it from being asked; that is audited by then."""
        request, conversation = place.opened.request, place.conversation
        if is_last and conversation.tools:
            conversation = replace(conversation, tool_choice=ToolChoice("none"))
        answer = await (await self._inference()).pipeline.complete(
            Call(
                id=call,
                access=place.access,
                surface=Surface.HARNESS,
                model=request.model,
                conversation=conversation,
                received_at=self._storage.clock.now(),
                known=place.last.placeholders if place.last else {},
                ip_address=request.ip_address,
                quota=self._limiter.quota(place.access),
            )
        )
        return len(uses_of(answer.completion))

    async def _used(self, place: _Place, answer: InferenceId, record: InferenceId, use: ToolUse) -> None:
        tool = place.tools.get(use.name)
        if tool is None:
            # The model invented it, or whoever asked may not use it any more: it is told that there is none.
            return
        request = place.opened.request
        known = place.last.placeholders if place.last is not None else dict[str, str]()
        wanted = Wanted(place.access, answer, record, use, request.end_user, request.files, request.ip_address, known)
        await (await self._inference()).tool_uses.make(wanted, tool, within_s=tool.timeout_s)
