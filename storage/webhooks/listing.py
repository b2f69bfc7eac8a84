"""Deliveries and tries of one organisation, to be looked at, and one of them to be sent again."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, literal_column, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.errors import NotFoundError, UnavailableError
from gateway.ids import DeliveryId, EndpointId, EventId, OrganizationId, ReplayId
from gateway.paging import Page, cursor_after, read_cursor
from gateway.webhooks.deliveries import (
    FINISHED,
    Attempt,
    Delivery,
    DeliveryFilter,
    DeliveryOnItsWayError,
    DeliveryState,
)
from gateway.webhooks.endpoints import EndpointNotActiveError, EndpointState
from storage.encryption import ContentCipher, SealedValueError
from storage.tables import WebhookAttemptRow, WebhookDeliveryRow, WebhookEndpointRow
from storage.webhooks.settling import head_place

MOST_ATTEMPTS = 200
"""Shown of one delivery, the last ones: each replay of it adds a ladder's worth."""


class DeliveryReader:
    def __init__(self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher) -> None:
        self._session = session
        self._org = org
        self._cipher = cipher

    async def page(self, wanted: DeliveryFilter, *, cursor: str | None, limit: int) -> Page[Delivery]:
        """Deliveries that match, newest event first. Raises `ValidationFailedError` for a foreign cursor."""
        query = (
            select(WebhookDeliveryRow)
            .where(WebhookDeliveryRow.org_id == self._org, *matches(wanted))
            .order_by(WebhookDeliveryRow.id.desc())
            .limit(limit + 1)
        )
        after = read_cursor(cursor)
        if after is not None:
            query = query.where(WebhookDeliveryRow.id < after)
        rows = (await self._session.scalars(query)).all()
        more = len(rows) > limit
        return Page(
            items=tuple(map(_delivery, rows[:limit])),
            next_cursor=cursor_after(rows[limit - 1].id) if more else None,
        )

    async def get(self, delivery_id: DeliveryId) -> Delivery:
        """Raises `NotFoundError`, also for another organisation's."""
        row = await self._session.scalar(
            select(WebhookDeliveryRow).where(
                WebhookDeliveryRow.org_id == self._org, WebhookDeliveryRow.id == delivery_id
            )
        )
        if row is None:
            raise NotFoundError("The delivery does not exist.", param="delivery_id")
        return _delivery(row)

    async def attempts(self, delivery_id: DeliveryId) -> tuple[Attempt, ...]:
        """The last tries, in their order. Raises `UnavailableError` for heads that do not open."""
        rows = (
            await self._session.scalars(
                select(WebhookAttemptRow)
                .where(WebhookAttemptRow.org_id == self._org, WebhookAttemptRow.delivery_id == delivery_id)
                .order_by(WebhookAttemptRow.number.desc())
                .limit(MOST_ATTEMPTS)
            )
        ).all()
        heads = await self._heads(rows)
        return tuple(_attempt(row, heads.get(row.number)) for row in reversed(rows))

    async def _heads(self, rows: Sequence[WebhookAttemptRow]) -> dict[int, str]:
        sealed = {row.number: row for row in rows if row.response_head is not None}
        places = [(head_place(row.delivery_id, row.number), bytes(row.response_head or b"")) for row in sealed.values()]
        try:
            opened = await self._cipher.open_all(self._org, places) if places else []
        except SealedValueError:
            raise UnavailableError("The stored response heads could not be opened.") from None
        return {number: head.decode() for number, head in zip(sealed, opened, strict=True) if head is not None}


class DeliveryStore(DeliveryReader):
    async def replay(self, delivery_id: DeliveryId, replay_id: ReplayId) -> Delivery:
        """Queue a delivery anew, behind the live traffic.

        Raises `NotFoundError`, `DeliveryOnItsWayError`, and `EndpointNotActiveError` where it has nowhere to go.
        """
        row = await self._session.scalar(
            select(WebhookDeliveryRow)
            .where(WebhookDeliveryRow.org_id == self._org, WebhookDeliveryRow.id == delivery_id)
            .with_for_update()
        )
        if row is None:
            raise NotFoundError("The delivery does not exist.", param="delivery_id")
        if row.state not in FINISHED:
            raise DeliveryOnItsWayError
        endpoint = select(WebhookEndpointRow.state).where(WebhookEndpointRow.id == row.endpoint_id)
        if await self._session.scalar(endpoint) not in (EndpointState.ACTIVE, EndpointState.PAUSED):
            raise EndpointNotActiveError("The webhook of this delivery is disabled or deleted.")
        row.state = DeliveryState.PENDING
        row.priority = 1
        row.attempts_before = row.attempts
        row.claimed_until = row.next_attempt_at = None
        row.replay_id = replay_id
        await self._session.flush()
        await self._session.execute(text("select pg_notify('hasp_webhooks', '')"))
        return _delivery(row)


def matches(wanted: DeliveryFilter) -> list[ColumnElement[bool]]:
    equal = {
        WebhookDeliveryRow.endpoint_id: wanted.endpoint_id,
        WebhookDeliveryRow.event_id: wanted.event_id,
    }
    conditions: list[ColumnElement[bool]] = [column == value for column, value in equal.items() if value is not None]
    if wanted.state is not None:
        # Written out, so that the planner can take the index of just these.
        conditions.append(WebhookDeliveryRow.state == literal_column(f"'{wanted.state.value}'"))
    if wanted.event_types is not None:
        conditions.append(WebhookDeliveryRow.event_type.in_(wanted.event_types))
    if wanted.since is not None:
        conditions.append(WebhookDeliveryRow.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(WebhookDeliveryRow.created_at < wanted.until)
    return conditions


def _delivery(row: WebhookDeliveryRow) -> Delivery:
    return Delivery(
        id=DeliveryId(row.id),
        endpoint_id=EndpointId(row.endpoint_id),
        event_id=EventId(row.event_id),
        event_type=row.event_type,
        state=DeliveryState(row.state),
        created_at=row.created_at,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        last_status=row.last_status,
        last_failure=row.last_failure,
        # A replay keeps it: cancelled, it takes the delivery back to what it was.
        finished_at=row.finished_at if row.state in FINISHED else None,
        replay_id=ReplayId(row.replay_id) if row.replay_id else None,
    )


def _attempt(row: WebhookAttemptRow, head: str | None) -> Attempt:
    return Attempt(
        number=row.number,
        at=row.at,
        duration_ms=row.duration_ms,
        status=row.status,
        failure=row.failure,
        replay_id=ReplayId(row.replay_id) if row.replay_id else None,
        response_head=head,
    )
