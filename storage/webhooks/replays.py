"""Replays of one organisation: planned, looked at, held and ended. `storage.webhooks.replaying` carries them out."""

from collections.abc import Sequence
from math import ceil

from pydantic import JsonValue
from sqlalchemy import ColumnElement, exists, func, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.clock import Clock
from gateway.errors import NotFoundError
from gateway.ids import DeliveryId, OrganizationId, ReplayId
from gateway.paging import Page, cursor_after, read_cursor
from gateway.webhooks.deliveries import FINISHED, DeliveryFilter
from gateway.webhooks.endpoints import EndpointState
from gateway.webhooks.replays import (
    MOST_DELIVERIES,
    MOST_RUNNING,
    USUAL_PER_MINUTE,
    Estimate,
    Progress,
    Replay,
    ReplayOverError,
    ReplayState,
    ReplayTooLargeError,
    SkipReason,
    TooManyReplaysError,
)
from storage.tables import (
    WebhookDeliveryRow,
    WebhookEndpointRow,
    WebhookReplayItemRow,
    WebhookReplayRow,
)
from storage.webhooks.listing import matches

Chosen = DeliveryFilter | Sequence[DeliveryId]
"""What a replay sends: whatever matches, or these."""

_GOES_SOMEWHERE = (EndpointState.ACTIVE, EndpointState.PAUSED)
_UNFINISHED = (ReplayState.RUNNING, ReplayState.PAUSED)


class NothingToFinishError(Exception):
    """Not a failure: the replay is not done, or its end was noted before."""


class ReplayReader:
    def __init__(self, session: AsyncSession, org: OrganizationId) -> None:
        self._session = session
        self._org = org

    async def get(self, replay_id: ReplayId) -> Replay:
        """Raises `NotFoundError`, also for another organisation's."""
        return _replay(await self._row(replay_id, lock=False))

    async def progress(self, replay_id: ReplayId) -> Progress:
        counted = await self._session.execute(
            select(WebhookReplayItemRow.state, func.count())
            .where(WebhookReplayItemRow.org_id == self._org, WebhookReplayItemRow.replay_id == replay_id)
            .group_by(WebhookReplayItemRow.state)
        )
        counts: dict[str, int] = dict(counted.all())
        return Progress(
            matched=sum(counts.values()),
            **{name: counts.get(name, 0) for name in ("planned", "queued", "delivered", "failed", "skipped")},
        )

    async def page(self, *, cursor: str | None, limit: int) -> Page[Replay]:
        """Replays, newest first. Raises `ValidationFailedError` for a foreign cursor."""
        query = (
            select(WebhookReplayRow)
            .where(WebhookReplayRow.org_id == self._org)
            .order_by(WebhookReplayRow.id.desc())
            .limit(limit + 1)
        )
        after = read_cursor(cursor)
        if after is not None:
            query = query.where(WebhookReplayRow.id < after)
        rows = (await self._session.scalars(query)).all()
        more = len(rows) > limit
        return Page(
            items=tuple(map(_replay, rows[:limit])),
            next_cursor=cursor_after(rows[limit - 1].id) if more else None,
        )

    async def estimate(self, chosen: Chosen, *, rate_per_minute: int | None) -> Estimate:
        """What a replay of `chosen` would send now, and how long it would take."""
        found = await self._session.execute(
            select(func.count(), func.min(WebhookDeliveryRow.created_at), WebhookEndpointRow.rate_per_minute)
            .where(*self._sendable(chosen))
            .group_by(WebhookEndpointRow.id)
        )
        rows = found.all()
        matched = sum(count for count, _, _ in rows)
        minutes = [count / (rate or USUAL_PER_MINUTE) for count, _, rate in rows]
        if rate_per_minute is not None:
            minutes.append(matched / rate_per_minute)
        return Estimate(
            matched=matched,
            oldest=min((oldest for _, oldest, _ in rows), default=None),
            seconds=ceil(60 * max(minutes, default=0)),
        )

    async def unsendable(self, ids: Sequence[DeliveryId]) -> dict[DeliveryId, SkipReason]:
        """Which of these a replay asked for now would leave out, and why."""
        known = await self._session.execute(
            select(WebhookDeliveryRow.id, WebhookDeliveryRow.state, WebhookEndpointRow.state)
            .join(WebhookEndpointRow, WebhookEndpointRow.id == WebhookDeliveryRow.endpoint_id)
            .where(WebhookDeliveryRow.org_id == self._org, WebhookDeliveryRow.id.in_(ids))
        )
        states = {delivery_id: (state, endpoint) for delivery_id, state, endpoint in known}
        reasons = {each: _reason(*states.get(each, (None, None))) for each in ids}
        return {each: reason for each, reason in reasons.items() if reason is not None}

    def _sendable(self, chosen: Chosen) -> list[ColumnElement[bool]]:
        """Conditions on deliveries and, joined by them, their endpoints."""
        return [
            WebhookDeliveryRow.org_id == self._org,
            WebhookDeliveryRow.state.in_(FINISHED),
            WebhookEndpointRow.id == WebhookDeliveryRow.endpoint_id,
            WebhookEndpointRow.state.in_(_GOES_SOMEWHERE),
            *(matches(chosen) if isinstance(chosen, DeliveryFilter) else [WebhookDeliveryRow.id.in_(chosen)]),
        ]

    async def _row(self, replay_id: ReplayId, *, lock: bool) -> WebhookReplayRow:
        query = select(WebhookReplayRow).where(WebhookReplayRow.org_id == self._org, WebhookReplayRow.id == replay_id)
        row = await self._session.scalar(query.with_for_update() if lock else query)
        if row is None:
            raise NotFoundError("The replay does not exist.", param="replay_id")
        return row


class ReplayStore(ReplayReader):
    def __init__(self, session: AsyncSession, org: OrganizationId, clock: Clock) -> None:
        super().__init__(session, org)
        self._clock = clock

    async def add(
        self,
        replay_id: ReplayId,
        chosen: Chosen,
        *,
        wanted: dict[str, JsonValue],
        rate_per_minute: int | None,
        by: str | None,
    ) -> Replay:
        """A replay of what can be sent now of `chosen`: what is planned here is all that it will ever send.

        One of nothing is done at once. Raises `TooManyReplaysError`, `ReplayTooLargeError`.
        """
        await self._require_room()
        now = self._clock.now()
        row = WebhookReplayRow(
            id=replay_id,
            org_id=self._org,
            state=ReplayState.RUNNING,
            wanted=wanted,
            rate_per_minute=rate_per_minute,
            matched=0,
            requested_by=by,
            created_at=now,
        )
        self._session.add(row)
        await self._session.flush()
        row.matched = await self._plan(replay_id, chosen)
        if row.matched == 0:
            row.state, row.finished_at = ReplayState.DONE, now
        await self._session.flush()
        return _replay(row)

    async def turn(self, replay_id: ReplayId, to: ReplayState) -> tuple[ReplayState, Replay]:
        """What it was, and the replay as it is now: running, paused or cancelled. Safe to repeat.

        Raises `NotFoundError`, and `ReplayOverError` for one that is done, or was cancelled and is to go on.
        """
        row = await self._row(replay_id, lock=True)
        before = ReplayState(row.state)
        if before.is_over and before is not to:
            raise ReplayOverError
        row.state = to
        if to is ReplayState.CANCELLED and row.finished_at is None:
            row.finished_at = self._clock.now()
        await self._session.flush()
        return before, _replay(row)

    async def finish(self, replay_id: ReplayId) -> Replay:
        """The replay, done just now.

        Raises `NothingToFinishError` while anything is left of it, or when it was over or held already.
        """
        row = await self._row(replay_id, lock=True)
        left = exists().where(
            WebhookReplayItemRow.replay_id == replay_id, WebhookReplayItemRow.state.in_(("planned", "queued"))
        )
        if row.state != ReplayState.RUNNING or await self._session.scalar(select(left)):
            raise NothingToFinishError
        row.state, row.finished_at = ReplayState.DONE, self._clock.now()
        await self._session.flush()
        return _replay(row)

    async def _plan(self, replay_id: ReplayId, chosen: Chosen) -> int:
        found = (
            select(literal(replay_id), WebhookDeliveryRow.id, WebhookDeliveryRow.org_id)
            .where(*self._sendable(chosen))
            .limit(MOST_DELIVERIES + 1)
        )
        await self._session.execute(
            insert(WebhookReplayItemRow).from_select(["replay_id", "delivery_id", "org_id"], found)
        )
        items = select(func.count()).where(WebhookReplayItemRow.replay_id == replay_id)
        planned = await self._session.scalar(items) or 0
        if planned > MOST_DELIVERIES:
            raise ReplayTooLargeError
        return planned

    async def _require_room(self) -> None:
        # One request of an organisation at a time, or each would count without the others. Not by a lock on its row:
        # planning takes seconds, and a call that opens a billing period would wait for it.
        await self._session.execute(
            select(func.pg_advisory_xact_lock(func.hashtextextended(f"replays/{self._org}", 0)))
        )
        running = select(func.count()).where(
            WebhookReplayRow.org_id == self._org, WebhookReplayRow.state.in_(_UNFINISHED)
        )
        if (await self._session.scalar(running) or 0) >= MOST_RUNNING:
            raise TooManyReplaysError


def _reason(state: str | None, endpoint: str | None) -> SkipReason | None:
    if state is None:
        return SkipReason.NOT_FOUND
    if endpoint not in _GOES_SOMEWHERE:
        return SkipReason.WEBHOOK_NOT_ACTIVE
    return None if state in FINISHED else SkipReason.ON_ITS_WAY


def _replay(row: WebhookReplayRow) -> Replay:
    return Replay(
        id=ReplayId(row.id),
        state=ReplayState(row.state),
        wanted=row.wanted,
        rate_per_minute=row.rate_per_minute,
        matched=row.matched,
        requested_by=row.requested_by,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )
