"""Replays of webhook deliveries: started and woken by what is decided about them, carried out page by page."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from temporalio import activity

from activities.starting import Start
from activities.surface import surfaced
from gateway.audit import AuditAction
from gateway.errors import NotFoundError
from gateway.ids import OrganizationId, ReplayId
from gateway.webhooks.replays import ReplayState
from storage import Storage
from storage.webhooks import replaying
from storage.webhooks.replaying import Span
from storage.webhooks.replays import NothingToFinishError

_TAKEN_BACK_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Replayed:
    """A replay: ids only."""

    org: str
    id: str


@dataclass(frozen=True, slots=True)
class PageWanted:
    replay: Replayed
    after: str
    limit: int


@dataclass(frozen=True, slots=True)
class ReplaySpan:
    """Deliveries of a replay, `after` one id and up to another."""

    replay: Replayed
    after: str
    upto: str


@dataclass(frozen=True, slots=True)
class Step:
    """What a replay is to do next: `upto` ends its next page, if there is one."""

    state: str
    upto: str | None = None
    wait_s: float = 0
    is_waiting: bool = False


@dataclass(frozen=True, slots=True)
class Counted:
    deliveries: int


class ReplayWorkflows(Protocol):
    """Where replays are carried out."""

    async def wake(self, replay: Replayed) -> None:
        """Have the replay carried out, or look again at what was decided about it. Safe to repeat."""
        ...


def wakes_replay(workflows: ReplayWorkflows) -> Start:
    """Of `webhook_replay.changed`."""
    return lambda event: workflows.wake(Replayed(event.org, str(event.data["replay_id"])))


class WebhookReplayActivities:
    """Each is safe to run twice, also at once."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    @activity.defn(name="webhook.replay_step")
    @surfaced
    async def step(self, wanted: PageWanted) -> Step:
        """How the replay stands, and its next page."""
        page = await replaying.next_page(
            self._storage.pool, ReplayId(wanted.replay.id), after=wanted.after, limit=wanted.limit
        )
        if page is None:
            return Step(ReplayState.DONE)
        return Step(page.state, page.upto, page.wait_s, page.is_waiting)

    @activity.defn(name="webhook.replay_queue")
    @surfaced
    async def queue(self, span: ReplaySpan) -> None:
        """Queue a page, behind the live traffic."""
        await replaying.queue(self._storage.pool, _span(span))

    @activity.defn(name="webhook.replay_untried")
    @surfaced
    async def untried(self, span: ReplaySpan) -> Counted:
        """How much of a page waits for its first try."""
        return Counted(await replaying.untried(self._storage.pool, _span(span)))

    @activity.defn(name="webhook.replay_take_back")
    @surfaced
    async def take_back(self, replay: Replayed) -> None:
        """Take back what a replay that does not run has queued and nobody tried."""
        while await replaying.take_back(self._storage.pool, ReplayId(replay.id), limit=_TAKEN_BACK_AT_ONCE):
            activity.heartbeat()

    @activity.defn(name="webhook.replay_finish")
    @surfaced
    async def finish(self, replay: Replayed) -> None:
        """Note that a replay is done, unless something is left of it."""
        with suppress(NothingToFinishError, NotFoundError):
            async with self._storage.as_operator(OrganizationId(replay.org), command="webhook_replay") as tx:
                done = await tx.webhook_replays.finish(ReplayId(replay.id))
                tx.audit(
                    AuditAction.WEBHOOK_REPLAY_COMPLETED,
                    entity_type="webhook_replay",
                    entity_id=done.id,
                    metadata={"matched": done.matched},
                )


def _span(span: ReplaySpan) -> Span:
    return Span(ReplayId(span.replay.id), span.after, span.upto)
