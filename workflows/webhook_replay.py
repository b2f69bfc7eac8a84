"""`webhook.replay`: what was planned is sent again, a page after the other, beside the live traffic.

The replay's row says what was decided about it: the workflow asks it before each page, and is only woken. Pages are
children, a few at a time, each as long as its deliveries wait for their first try: so what is queued stays little, and
what a receiver fails to take goes its own way, up to three days, without holding the others up.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ChildWorkflowError

with workflow.unsafe.imports_passed_through():
    from activities.webhook_replay import PageWanted, Replayed, ReplaySpan, Step, WebhookReplayActivities
    from gateway.ids import OrganizationId
    from gateway.webhooks.replays import ReplayState
    from workflows import search_attributes
    from workflows.options import QUICK_WRITE, REPLAY_CLEARING
    from workflows.queues import TaskQueue
    from workflows.search_attributes import State

_SHORTEST_WAIT = timedelta(seconds=1)
_LONGEST_WAIT = timedelta(minutes=5)
_LONGEST_LOOK = timedelta(seconds=10)
_LONGEST_HELD = timedelta(hours=1)
_PATIENCE = timedelta(seconds=30)
"""After that a page that still waits, as for a webhook that rests, is left to wait by itself."""


@dataclass(frozen=True, slots=True)
class ReplayRun:
    """A replay, from `after` on. The rest are limits: deliveries of a page, pages at a time and of one history."""

    replay: Replayed
    after: str = ""
    page: int = 200
    window: int = 5
    pages: int = 150


@workflow.defn(name="webhook.replay_page")
class ReplayPage:
    """Ends when what it queued was tried, or the replay was held."""

    @workflow.run
    async def run(self, span: ReplaySpan) -> None:
        search_attributes.declare(OrganizationId(span.replay.org))
        await workflow.execute_activity_method(WebhookReplayActivities.queue, span, **QUICK_WRITE)
        wait, until = _SHORTEST_WAIT, workflow.now() + _PATIENCE
        while workflow.now() < until:
            left = await workflow.execute_activity_method(WebhookReplayActivities.untried, span, **QUICK_WRITE)
            if not left.deliveries:
                break
            await workflow.sleep(wait)
            wait = min(2 * wait, _LONGEST_LOOK)
        search_attributes.enter(State.DONE)


@workflow.defn(name="webhook.replay")
class ReplayWebhooks:
    """Ends when the replay is done or cancelled."""

    @workflow.init
    def __init__(self, run: ReplayRun) -> None:
        self._limits = run
        self._replay = run.replay
        self._after = run.after
        self._is_woken = False
        self._shown = State.RUNNING
        self._wait = _SHORTEST_WAIT
        self._pages: set[asyncio.Task[None]] = set()
        self._begun = 0

    @workflow.run
    async def run(self, run: ReplayRun) -> None:
        search_attributes.declare(OrganizationId(run.replay.org))
        while not await self._go_on():
            if self._begun >= run.pages or workflow.info().is_continue_as_new_suggested():
                await self._pages_ended()
                workflow.continue_as_new(
                    ReplayRun(run.replay, self._after, page=run.page, window=run.window, pages=run.pages)
                )

    @workflow.signal
    def wake(self) -> None:
        """Something was decided about the replay."""
        self._is_woken = True

    async def _go_on(self) -> bool:
        """One step; whether it was the last."""
        self._is_woken = False
        wanted = PageWanted(self._replay, self._after, self._limits.page)
        step = await workflow.execute_activity_method(WebhookReplayActivities.step, wanted, **QUICK_WRITE)
        match step.state:
            case ReplayState.RUNNING:
                await self._run(step)
                return False
            case ReplayState.PAUSED:
                await self._hold()
                self._show(State.PAUSED)
                await self._rest(_LONGEST_HELD)
                return False
            case ReplayState.CANCELLED:
                await self._hold()
                self._show(State.CANCELLED)
                return True
            case _:
                self._show(State.DONE)
                return True

    async def _run(self, step: Step) -> None:
        if step.upto is not None:
            self._show(State.RUNNING)
            await self._begin_page(ReplaySpan(self._replay, self._after, step.upto))
            self._after = step.upto
            if step.wait_s:
                await workflow.sleep(step.wait_s)
        elif self._pages or self._after:
            # From the start once more: what a page that was terminated left is still planned.
            await self._pages_ended()
            self._after = ""
        elif step.is_waiting:
            self._show(State.WAITING_FOR_DELIVERIES)
            await self._rest(self._wait)
            self._wait = min(2 * self._wait, _LONGEST_WAIT)
        else:
            await workflow.execute_activity_method(WebhookReplayActivities.finish, self._replay, **QUICK_WRITE)

    async def _begin_page(self, span: ReplaySpan) -> None:
        """As soon as there is room for it."""
        await workflow.wait_condition(lambda: len(self._pages) < self._limits.window)
        self._begun += 1
        page = asyncio.create_task(self._page(span, f"{workflow.info().run_id}/{self._begun}"))
        self._pages.add(page)
        page.add_done_callback(self._pages.discard)

    async def _page(self, span: ReplaySpan, name: str) -> None:
        try:
            await workflow.execute_child_workflow(ReplayPage.run, span, id=f"{_workflow_id(self._replay)}/{name}")
        except ChildWorkflowError:
            # An operator ended it: what it left is found when all the others are through.
            return

    async def _pages_ended(self) -> None:
        await workflow.wait_condition(lambda: not self._pages)

    async def _hold(self) -> None:
        """Take back what was queued and not tried; then no page has anything to wait for."""
        await workflow.execute_activity_method(WebhookReplayActivities.take_back, self._replay, **REPLAY_CLEARING)
        await self._pages_ended()
        self._after, self._wait = "", _SHORTEST_WAIT

    def _show(self, state: State) -> None:
        if state is not self._shown:
            search_attributes.enter(state)
            self._shown = state

    async def _rest(self, at_most: timedelta) -> None:
        try:
            await workflow.wait_condition(lambda: self._is_woken, timeout=at_most)
        except TimeoutError:
            return


class WebhookReplays:
    """Implements `activities.webhook_replay.ReplayWorkflows` on Temporal."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def wake(self, replay: Replayed) -> None:
        """Raises `RPCError` when Temporal is not there. One that ended is started anew: it finds what is done."""
        await self._client.start_workflow(
            ReplayWebhooks.run,
            ReplayRun(replay),
            id=_workflow_id(replay),
            task_queue=TaskQueue.UPKEEP,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            start_signal="wake",
        )


def _workflow_id(replay: Replayed) -> str:
    return f"webhook-replay/{replay.id}"
