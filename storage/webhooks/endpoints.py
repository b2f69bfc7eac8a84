"""Webhook endpoints of one organisation."""

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.clock import Clock
from gateway.errors import NotFoundError, PreconditionFailedError
from gateway.events import EventType
from gateway.ids import AppId, DeliveryId, EndpointId, OrganizationId, new_ulid
from gateway.paging import Page, cursor_after, read_cursor
from gateway.webhooks.endpoints import (
    MOST_ENDPOINTS,
    DisabledBecause,
    Endpoint,
    EndpointChanges,
    EndpointNotActiveError,
    EndpointState,
    TooManyEndpointsError,
)
from gateway.webhooks.events import CATALOGUE, TEST_EXAMPLE
from gateway.webhooks.signing import SecretKind, SigningSecret
from storage.encryption import ContentCipher
from storage.tables import OrganizationRow, OutboxRow, WebhookDeliveryRow, WebhookEndpointRow, WebhookHealthRow
from storage.webhooks.secrets import SecretStore


@dataclass(frozen=True, slots=True)
class Rotated:
    """`secrets` are the new ones; those before them are signed with until `overlap_ends_at` at the latest."""

    endpoint: Endpoint
    secrets: tuple[SigningSecret, ...]
    overlap_ends_at: datetime


class EndpointReader:
    def __init__(self, session: AsyncSession, org: OrganizationId) -> None:
        self._session = session
        self._org = org

    async def page(self, *, cursor: str | None, limit: int) -> Page[Endpoint]:
        """Endpoints that are not deleted, newest first. Raises `ValidationFailedError` for a foreign cursor."""
        kept = (WebhookEndpointRow.org_id == self._org, WebhookEndpointRow.state != EndpointState.DELETED)
        query = select(WebhookEndpointRow).where(*kept).order_by(WebhookEndpointRow.id.desc()).limit(limit + 1)
        after = read_cursor(cursor)
        if after is not None:
            query = query.where(WebhookEndpointRow.id < after)
        rows = (await self._session.scalars(query)).all()
        more = len(rows) > limit
        return Page(
            items=tuple(map(_endpoint, rows[:limit])),
            next_cursor=cursor_after(rows[limit - 1].id) if more else None,
        )

    async def get(self, endpoint_id: EndpointId) -> Endpoint:
        """Raises `NotFoundError` for an endpoint that is unknown, another organisation's, or deleted."""
        return _endpoint(await self._row(endpoint_id, lock=False))

    async def _row(self, endpoint_id: EndpointId, *, lock: bool) -> WebhookEndpointRow:
        query = select(WebhookEndpointRow).where(
            WebhookEndpointRow.id == endpoint_id,
            WebhookEndpointRow.org_id == self._org,
            WebhookEndpointRow.state != EndpointState.DELETED,
        )
        # Deliveries may be added meanwhile.
        row = await self._session.scalar(query.with_for_update(key_share=True) if lock else query)
        if row is None:
            raise NotFoundError("The webhook does not exist.", param="webhook_id")
        return row


class EndpointStore(EndpointReader):
    def __init__(self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher, clock: Clock) -> None:
        super().__init__(session, org)
        self._secrets = SecretStore(session, org, cipher)
        self._clock = clock

    async def add(
        self,
        *,
        url: str,
        events: tuple[str, ...],
        app_id: AppId | None = None,
        description: str | None = None,
        is_ordered: bool = False,
        rate_per_minute: int | None = None,
        signs_asymmetrically: bool = False,
    ) -> tuple[Endpoint, tuple[SigningSecret, ...]]:
        """A new endpoint with its secrets, which are never shown again. Raises `TooManyEndpointsError`."""
        await self._require_room()
        now = self._clock.now()
        row = WebhookEndpointRow(
            id=new_ulid(),
            org_id=self._org,
            app_id=app_id,
            url=url,
            description=description,
            events=[*events],
            state=EndpointState.ACTIVE,
            disabled_because=None,
            is_ordered=is_ordered,
            rate_per_minute=rate_per_minute,
            signs_asymmetrically=signs_asymmetrically,
            version=1,
            created_at=now,
            updated_at=now,
        )
        self._session.add(row)
        await self._session.flush()
        secrets = await self._secrets.add(EndpointId(row.id), _kinds(row), now=now)
        return _endpoint(row), secrets

    async def change(
        self, endpoint_id: EndpointId, changes: EndpointChanges, *, only_versions: Container[int] | None = None
    ) -> tuple[Endpoint, Endpoint]:
        """The endpoint before and after `changes`. One that is activated, or leads elsewhere, starts in good health.

        Raises `NotFoundError`, and `PreconditionFailedError` when its version is none of `only_versions`.
        """
        row = await self._row(endpoint_id, lock=True)
        before = _endpoint(row)
        if only_versions is not None and before.version not in only_versions:
            raise PreconditionFailedError("The webhook has changed since it was read.")
        _apply(row, changes)
        if _endpoint(row) != before:
            row.version += 1
            row.updated_at = self._clock.now()
        await self._session.flush()
        after = _endpoint(row)
        is_revived = after.state is EndpointState.ACTIVE and before.state is not EndpointState.ACTIVE
        if is_revived or after.url != before.url:
            await self._session.execute(delete(WebhookHealthRow).where(WebhookHealthRow.endpoint_id == endpoint_id))
            await self._notify()
        return before, after

    async def remove(self, endpoint_id: EndpointId) -> Endpoint:
        """Delete an endpoint, and its secrets for good. Nothing is sent there any more. Raises `NotFoundError`."""
        row = await self._row(endpoint_id, lock=True)
        row.state, row.disabled_because = EndpointState.DELETED, None
        row.updated_at = self._clock.now()
        await self._session.flush()
        await self._secrets.destroy(endpoint_id)
        return _endpoint(row)

    async def rotate(
        self, endpoint_id: EndpointId, *, overlap_hours: int, signs_asymmetrically: bool | None = None
    ) -> Rotated:
        """New secrets, beside which the ones before are signed with for so long; None leaves the kinds as they are.

        Raises `NotFoundError` and `TooManySecretsError`.
        """
        row = await self._row(endpoint_id, lock=True)
        now = self._clock.now()
        overlap_ends_at = now + timedelta(hours=overlap_hours)
        await self._secrets.retire(endpoint_id, at=overlap_ends_at, now=now)
        if signs_asymmetrically is not None:
            row.signs_asymmetrically = signs_asymmetrically
        row.version += 1
        row.updated_at = now
        await self._session.flush()
        secrets = await self._secrets.add(endpoint_id, _kinds(row), now=now)
        return Rotated(_endpoint(row), secrets, overlap_ends_at)

    async def send_test(self, endpoint_id: EndpointId, kind: str) -> DeliveryId:
        """Have an example of an event delivered to this endpoint alone, whatever it asked for.

        Raises `NotFoundError`, and `EndpointNotActiveError`.
        """
        row = await self._row(endpoint_id, lock=True)
        if row.state != EndpointState.ACTIVE:
            raise EndpointNotActiveError
        now, event_id, delivery_id = self._clock.now(), new_ulid(), DeliveryId(new_ulid())
        known = CATALOGUE.get(kind)
        self._session.add(
            OutboxRow(
                id=event_id,
                org_id=self._org,
                # Not as `kind`, which goes to all who asked for it.
                type=EventType.WEBHOOK_ENDPOINT_TEST,
                data=dict(known.example if known else TEST_EXAMPLE),
                created_at=now,
            )
        )
        self._session.add(
            WebhookDeliveryRow(
                id=delivery_id,
                org_id=self._org,
                endpoint_id=endpoint_id,
                event_id=event_id,
                event_type=kind,
                state="pending",
                priority=0,
                created_at=now,
                attempts=0,
            )
        )
        await self._session.flush()
        await self._notify()
        return delivery_id

    async def _require_room(self) -> None:
        # One request of an organisation at a time, or each would count without the others; calls are not held up.
        organization = select(OrganizationRow.id).where(OrganizationRow.id == self._org)
        await self._session.execute(organization.with_for_update(key_share=True))
        kept = select(func.count()).where(
            WebhookEndpointRow.org_id == self._org, WebhookEndpointRow.state != EndpointState.DELETED
        )
        if (await self._session.scalar(kept) or 0) >= MOST_ENDPOINTS:
            raise TooManyEndpointsError

    async def _notify(self) -> None:
        """There is something to send, or somewhere to send it to."""
        await self._session.execute(text("select pg_notify('hasp_webhooks', '')"))


def _apply(row: WebhookEndpointRow, changes: EndpointChanges) -> None:
    if "url" in changes:
        row.url = changes["url"]
    if "description" in changes:
        row.description = changes["description"]
    if "events" in changes:
        row.events = [*changes["events"]]
    if "is_ordered" in changes:
        row.is_ordered = changes["is_ordered"]
    if "rate_per_minute" in changes:
        row.rate_per_minute = changes["rate_per_minute"]
    if changes.get("is_active") is True:
        row.state, row.disabled_because = EndpointState.ACTIVE, None
    elif changes.get("is_active") is False and row.state == EndpointState.ACTIVE:
        row.state = EndpointState.PAUSED


def _kinds(row: WebhookEndpointRow) -> tuple[SecretKind, ...]:
    return (SecretKind.HMAC, SecretKind.ED25519) if row.signs_asymmetrically else (SecretKind.HMAC,)


def _endpoint(row: WebhookEndpointRow) -> Endpoint:
    return Endpoint(
        id=EndpointId(row.id),
        app_id=AppId(row.app_id) if row.app_id else None,
        url=row.url,
        description=row.description,
        events=tuple(row.events),
        state=EndpointState(row.state),
        disabled_because=DisabledBecause(row.disabled_because) if row.disabled_because else None,
        is_ordered=row.is_ordered,
        rate_per_minute=row.rate_per_minute,
        signs_asymmetrically=row.signs_asymmetrically,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
