"""What of webhooks is deleted when its time is over, and what is not."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.ids import new_ulid
from storage import Storage
from storage.outbox import forget_relayed
from storage.pool import fetch
from storage.webhooks.forgetting import destroy_retired_secrets, forget_deliveries, forget_replay
from tests.storage.webhooks import deliveries, put_endpoint, put_event, set_state
from tests.tenants import Tenant, make_tenant

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=31)
BEFORE = NOW - timedelta(days=30)


@pytest.mark.parametrize(
    ("endpoint", "delivery", "goes"),
    [
        ("active", "delivered", True),
        ("active", "failed", True),
        ("disabled", "skipped", True),
        ("active", "pending", False),
        ("active", "retrying", False),
        ("disabled", "retrying", False),
        ("paused", "pending", True),
        ("paused", "retrying", False),
        ("deleted", "pending", True),
    ],
)
async def test_what_is_done_goes_and_what_still_waits_stays(
    storage: Storage, endpoint: str, delivery: str, goes: bool
) -> None:
    tenant = await make_tenant(storage)
    id_ = await put_endpoint(storage, tenant)
    event = await put_event(storage, tenant, "phi.blocked", at=LONG_AGO)
    await set_state(storage, event, delivery)
    why = "gone" if endpoint == "disabled" else None
    change = "update webhook_endpoints set state = %s, disabled_because = %s where id = %s returning id"
    await fetch(storage.pool, change, [endpoint, why, id_])

    assert await forget_deliveries(storage.pool, before=BEFORE, limit=10) == int(goes)
    assert await forget_relayed(storage.pool, before=BEFORE, limit=10) == int(goes)
    assert bool(await fetch(storage.pool, "select 1 from outbox where id = %s", [event])) is not goes


async def test_a_delivery_goes_with_its_attempts_and_leaves_recent_ones(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    await put_endpoint(storage, tenant)
    old = await put_event(storage, tenant, "phi.blocked", at=LONG_AGO)
    recent = await put_event(storage, tenant, "phi.blocked")
    for event in (old, recent):
        await put_attempt(storage, tenant, await set_state(storage, event, "delivered"))

    assert await forget_deliveries(storage.pool, before=BEFORE, limit=10) == 1
    assert [event for _, event, _, _ in await deliveries(storage, tenant)] == [recent]
    assert len(await fetch(storage.pool, "select 1 from webhook_attempts")) == 1


async def test_a_backlog_goes_page_by_page_the_oldest_first(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    await put_endpoint(storage, tenant)
    events = [
        await put_event(storage, tenant, "phi.blocked", at=LONG_AGO + timedelta(seconds=second)) for second in range(3)
    ]
    for event in events:
        await set_state(storage, event, "delivered")

    assert await forget_deliveries(storage.pool, before=BEFORE, limit=2) == 2
    assert [event for _, event, _, _ in await deliveries(storage, tenant)] == events[2:]
    assert await forget_deliveries(storage.pool, before=BEFORE, limit=2) == 1


async def test_an_event_stays_as_long_as_there_are_deliveries_of_it(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    await put_endpoint(storage, tenant)
    event = await put_event(storage, tenant, "phi.blocked", at=LONG_AGO)

    assert await forget_relayed(storage.pool, before=BEFORE, limit=10) == 0
    assert await fetch(storage.pool, "select id from outbox where id = %s", [event]) == [(event,)]


async def test_a_replay_that_still_runs_learns_that_a_delivery_is_gone(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    await put_endpoint(storage, tenant)
    delivery = await set_state(storage, await put_event(storage, tenant, "phi.blocked", at=LONG_AGO), "failed")
    running = await put_replay(storage, tenant, delivery, finished_at=None)

    await forget_deliveries(storage.pool, before=BEFORE, limit=10)

    items = await fetch(storage.pool, "select replay_id, state from webhook_replay_items")
    assert items == [(running, "skipped")]
    assert await forget_replay(storage.pool, before=BEFORE) is False


async def test_a_replay_that_ended_goes_with_its_items(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    await put_replay(storage, tenant, new_ulid(), finished_at=LONG_AGO)
    recent = await put_replay(storage, tenant, new_ulid(), finished_at=NOW)

    assert [await forget_replay(storage.pool, before=BEFORE) for _ in range(2)] == [True, False]
    assert await fetch(storage.pool, "select replay_id from webhook_replay_items") == [(recent,)]
    assert await fetch(storage.pool, "select id from webhook_replays") == [(recent,)]


async def test_a_secret_is_destroyed_when_its_overlap_is_over(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    endpoint = await put_endpoint(storage, tenant)
    for retires_at in (None, NOW - timedelta(seconds=1), NOW + timedelta(hours=1)):
        await fetch(
            storage.pool,
            "insert into webhook_secrets (id, endpoint_id, org_id, kind, secret, created_at, retires_at)"
            " values (%s, %s, %s, 'hmac', '', %s, %s) returning id",
            [new_ulid(), endpoint, tenant.org, NOW, retires_at],
        )

    await destroy_retired_secrets(storage.pool, now=NOW)

    left = await fetch(storage.pool, "select retires_at from webhook_secrets order by retires_at")
    assert left == [(NOW + timedelta(hours=1),), (None,)]


async def put_attempt(storage: Storage, tenant: Tenant, delivery: str) -> None:
    await fetch(
        storage.pool,
        "insert into webhook_attempts (delivery_id, number, org_id, at, duration_ms) values (%s, 1, %s, %s, 1)"
        " returning number",
        [delivery, tenant.org, NOW],
    )


async def put_replay(storage: Storage, tenant: Tenant, delivery: str, *, finished_at: datetime | None) -> str:
    replay = new_ulid()
    state = "done" if finished_at else "running"
    await fetch(
        storage.pool,
        "insert into webhook_replays (id, org_id, state, wanted, matched, created_at, finished_at)"
        " values (%s, %s, %s, '{}', 1, %s, %s) returning id",
        [replay, tenant.org, state, LONG_AGO, finished_at],
    )
    item = "insert into webhook_replay_items (replay_id, delivery_id, org_id) values (%s, %s, %s) returning replay_id"
    await fetch(storage.pool, item, [replay, delivery, tenant.org])
    return replay
