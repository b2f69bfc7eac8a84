"""Webhook endpoints, events and deliveries, put straight into the tables."""

from collections.abc import Iterable
from datetime import UTC, datetime

from psycopg.types.json import Jsonb
from ulid import ULID

from gateway.ids import new_ulid
from storage import Storage
from storage.pool import fetch
from tests.tenants import Tenant


async def put_endpoint(
    storage: Storage, tenant: Tenant, events: Iterable[str] = ("*",), *, state: str = "active"
) -> str:
    endpoint, now = new_ulid(), datetime.now(UTC)
    await fetch(
        storage.pool,
        "insert into webhook_endpoints (id, org_id, url, events, state, disabled_because, created_at, updated_at)"
        " values (%s, %s, 'https://hooks.example/', %s, %s, %s, %s, %s) returning id",
        [endpoint, tenant.org, [*events], state, "gone" if state == "disabled" else None, now, now],
    )
    return endpoint


async def put_event(storage: Storage, tenant: Tenant, kind: str, *, at: datetime | None = None) -> str:
    at = at or datetime.now(UTC)
    event = str(ULID.from_datetime(at))
    await fetch(
        storage.pool,
        "insert into outbox (id, org_id, type, data, created_at, relayed_at) values (%s, %s, %s, %s, %s, %s)"
        " returning id",
        [event, tenant.org, kind, Jsonb({}), at, at],
    )
    return event


async def deliveries(storage: Storage, tenant: Tenant) -> list[tuple[str, str, str, str]]:
    """Endpoint, event, type and state of each, in their order."""
    return await fetch(
        storage.pool,
        "select endpoint_id, event_id, event_type, state from webhook_deliveries where org_id = %s order by id",
        [tenant.org],
    )


async def set_state(storage: Storage, event: str, state: str) -> str:
    """The delivery of `event`, put into `state`."""
    update = "update webhook_deliveries set state = %s where event_id = %s returning id"
    ((delivery,),) = await fetch(storage.pool, update, [state, event])
    return delivery
