"""Deliveries that are over, and replays of them, for every ring that replays."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

from gateway.ids import DeliveryId, EndpointId, OrganizationId, ReplayId
from gateway.tenancy import KeyMode, Principal
from gateway.webhooks.deliveries import DeliveryFilter, DeliveryState
from gateway.webhooks.replays import Progress, Replay, ReplayState
from storage import Storage
from storage.pool import fetch
from storage.transaction import ReadTransaction
from storage.webhooks import replaying
from storage.webhooks.replay_acts import begin_replay, turn_replay
from storage.webhooks.replaying import Span
from tests.receivers import make_endpoint, publish

FAILED = DeliveryFilter(state=DeliveryState.FAILED)
LAST = "7" + "Z" * 25


async def put_deliveries(
    storage: Storage,
    org: OrganizationId,
    count: int,
    *,
    endpoint: EndpointId | None = None,
    state: str = "failed",
    url: str = "https://93.184.215.14/hook",
    at: datetime | None = None,
    kind: str = "audit.checkpoint",
) -> list[DeliveryId]:
    """Deliveries that ended so long ago, of an endpoint of their own unless one is given; in order."""
    endpoint = endpoint or await make_endpoint(storage, org, url, events=(kind,))
    events = await publish(storage, org, count, at=at, kind=kind)
    rows = await fetch(
        storage.pool,
        "update webhook_deliveries set state = %s, attempts = 11, finished_at = %s"
        " where endpoint_id = %s and event_id = any(%s) returning id",
        [state, datetime(2026, 1, 1, tzinfo=UTC), endpoint, events],
    )
    return sorted(DeliveryId(row[0]) for row in rows)


async def begin(
    storage: Storage,
    org: OrganizationId,
    chosen: DeliveryFilter | Sequence[DeliveryId] = FAILED,
    *,
    rate_per_minute: int | None = None,
) -> Replay:
    async with storage.as_operator(org, command="test") as tx:
        return await begin_replay(tx, chosen, rate_per_minute=rate_per_minute, by="system:test")


async def turn(storage: Storage, org: OrganizationId, replay: ReplayId, to: ReplayState) -> Replay:
    async with storage.as_operator(org, command="test") as tx:
        return await turn_replay(tx, replay, to)


def reading(storage: Storage, org: OrganizationId) -> AbstractAsyncContextManager[ReadTransaction]:
    return storage.read(Principal(org, None, frozenset(), KeyMode.LIVE))


async def progress(storage: Storage, org: OrganizationId, replay: ReplayId) -> Progress:
    async with reading(storage, org) as tx:
        return await tx.webhook_replays.progress(replay)


async def state_of(storage: Storage, org: OrganizationId, replay: ReplayId) -> ReplayState:
    async with reading(storage, org) as tx:
        return (await tx.webhook_replays.get(replay)).state


async def queue(storage: Storage, replay: ReplayId, *, after: str = "", upto: str = LAST) -> None:
    await replaying.queue(storage.pool, Span(replay, after, upto))


async def states(storage: Storage, deliveries: Sequence[DeliveryId]) -> list[str]:
    rows = await fetch(
        storage.pool, "select state from webhook_deliveries where id = any(%s) order by id", [list(deliveries)]
    )
    return [row[0] for row in rows]


async def settle(storage: Storage, deliveries: Sequence[DeliveryId], state: str) -> None:
    """As if they had been tried once, with this result."""
    await fetch(
        storage.pool,
        "update webhook_deliveries set state = %(state)s, attempts = attempts + 1, claimed_until = null,"
        " finished_at = case when %(state)s <> 'retrying' then now() end where id = any(%(ids)s)",
        {"state": state, "ids": list(deliveries)},
    )
