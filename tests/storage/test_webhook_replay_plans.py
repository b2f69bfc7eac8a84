"""What a replay is planned to send: by whom, how much, and nothing that comes later."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from gateway.errors import NotFoundError
from gateway.ids import DeliveryId, OrganizationId, ReplayId, new_ulid
from gateway.webhooks.deliveries import DeliveryFilter, DeliveryOnItsWayError, DeliveryState
from gateway.webhooks.endpoints import EndpointNotActiveError
from gateway.webhooks.replays import (
    MOST_RUNNING,
    ReplayOverError,
    ReplayState,
    ReplayTooLargeError,
    SkipReason,
    TooManyReplaysError,
)
from storage import Storage
from storage.pool import fetch
from storage.webhooks import replaying, replays
from storage.webhooks.replay_acts import replay_delivery
from tests.receivers import make_endpoint, make_org
from tests.replaying import (
    FAILED,
    begin,
    put_deliveries,
    queue,
    reading,
    states,
    turn,
)


@pytest_asyncio.fixture
async def org(storage: Storage) -> OrganizationId:
    return await make_org(storage)


async def replay_by_hand(storage: Storage, org: OrganizationId, delivery: DeliveryId) -> None:
    async with storage.as_operator(org, command="test") as tx:
        await replay_delivery(tx, delivery)


async def test_what_fails_after_a_replay_was_asked_for_is_not_in_it(storage: Storage, org: OrganizationId) -> None:
    planned = await put_deliveries(storage, org, 3)
    replay = await begin(storage, org)
    later = await put_deliveries(storage, org, 2)

    await queue(storage, replay.id)

    assert replay.matched == 3
    assert await states(storage, planned) == ["pending"] * 3
    assert await states(storage, later) == ["failed"] * 2


async def test_a_filter_matches_by_webhook_type_outcome_and_time(storage: Storage, org: OrganizationId) -> None:
    then = datetime(2026, 5, 1, tzinfo=UTC)
    endpoint = await make_endpoint(storage, org, "https://93.184.215.14/", events=("audit.checkpoint", "phi.blocked"))
    wanted = await put_deliveries(storage, org, 2, endpoint=endpoint, state="skipped", at=then)
    await put_deliveries(storage, org, 1, endpoint=endpoint, state="failed", at=then)
    await put_deliveries(storage, org, 1, endpoint=endpoint, state="skipped", at=then, kind="phi.blocked")
    await put_deliveries(storage, org, 1, endpoint=endpoint, state="skipped", at=then + timedelta(days=1))
    await put_deliveries(storage, org, 1, state="skipped", at=then)

    chosen = DeliveryFilter(
        endpoint_id=endpoint,
        event_types=("audit.checkpoint",),
        state=DeliveryState.SKIPPED,
        since=then,
        until=then + timedelta(days=1),
    )
    replay = await begin(storage, org, chosen)
    await queue(storage, replay.id)

    assert replay.matched == 2
    assert await states(storage, wanted) == ["pending"] * 2


async def test_turning_a_replay_twice_is_turning_it_once(storage: Storage, org: OrganizationId) -> None:
    await put_deliveries(storage, org, 1)
    replay = await begin(storage, org)

    for to in (ReplayState.RUNNING, ReplayState.PAUSED, ReplayState.CANCELLED):
        once, twice = await turn(storage, org, replay.id, to), await turn(storage, org, replay.id, to)
        assert once == twice
        assert once.state is to


async def test_a_cancelled_replay_does_not_go_on(storage: Storage, org: OrganizationId) -> None:
    await put_deliveries(storage, org, 1)
    replay = await begin(storage, org)
    await turn(storage, org, replay.id, ReplayState.CANCELLED)

    for to in (ReplayState.RUNNING, ReplayState.PAUSED):
        with pytest.raises(ReplayOverError):
            await turn(storage, org, replay.id, to)


async def test_a_replay_of_nothing_is_done_at_once(storage: Storage, org: OrganizationId) -> None:
    replay = await begin(storage, org)

    assert (replay.matched, replay.state) == (0, ReplayState.DONE)


async def test_an_organisation_has_so_many_replays_at_most(storage: Storage, org: OrganizationId) -> None:
    await put_deliveries(storage, org, 1)
    begun = [await begin(storage, org) for _ in range(MOST_RUNNING)]
    await turn(storage, org, begun[1].id, ReplayState.PAUSED)

    with pytest.raises(TooManyReplaysError):
        await begin(storage, org)
    await turn(storage, org, begun[0].id, ReplayState.CANCELLED)
    await begin(storage, org)


async def test_replays_asked_for_at_once_are_counted_one_by_one(storage: Storage, org: OrganizationId) -> None:
    await put_deliveries(storage, org, 1)

    asked = await asyncio.gather(*(begin(storage, org) for _ in range(MOST_RUNNING + 3)), return_exceptions=True)

    assert sum(isinstance(each, TooManyReplaysError) for each in asked) == 3


async def test_a_replay_has_so_many_deliveries_at_most(
    storage: Storage, org: OrganizationId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "MOST_DELIVERIES", 3)
    await put_deliveries(storage, org, 3)
    await begin(storage, org)
    await put_deliveries(storage, org, 1)

    with pytest.raises(ReplayTooLargeError):
        await begin(storage, org)


async def test_another_organisations_deliveries_are_not_sent(storage: Storage, org: OrganizationId) -> None:
    other = await make_org(storage)
    theirs = await put_deliveries(storage, other, 2)
    unknown = DeliveryId(new_ulid())

    replay = await begin(storage, org, [*theirs, unknown])
    async with reading(storage, org) as tx:
        reasons = await tx.webhook_replays.unsendable([*theirs, unknown])
        estimate = await tx.webhook_replays.estimate(FAILED, rate_per_minute=None)
    with pytest.raises(NotFoundError):
        await replay_by_hand(storage, org, theirs[0])

    assert reasons == dict.fromkeys([*theirs, unknown], SkipReason.NOT_FOUND)
    assert (replay.matched, estimate.matched) == (0, 0)


async def test_a_delivery_that_is_on_its_way_or_has_nowhere_to_go_is_not_replayed_by_hand(
    storage: Storage, org: OrganizationId
) -> None:
    first, second = await put_deliveries(storage, org, 2)
    await replay_by_hand(storage, org, first)
    with pytest.raises(DeliveryOnItsWayError):
        await replay_by_hand(storage, org, first)
    await fetch(storage.pool, "update webhook_endpoints set state = 'deleted'")

    with pytest.raises(EndpointNotActiveError):
        await replay_by_hand(storage, org, second)
    async with reading(storage, org) as tx:
        reasons = await tx.webhook_replays.unsendable([first, second])

    assert reasons == dict.fromkeys([first, second], SkipReason.WEBHOOK_NOT_ACTIVE)


async def test_an_estimate_goes_by_the_slowest_webhook(storage: Storage, org: OrganizationId) -> None:
    slow = await make_endpoint(storage, org, "https://93.184.215.14/", rate_per_minute=2, events=("audit.checkpoint",))
    oldest = datetime(2026, 2, 1, tzinfo=UTC)
    await put_deliveries(storage, org, 5, endpoint=slow, at=oldest)
    await put_deliveries(storage, org, 10)

    async with reading(storage, org) as tx:
        free = await tx.webhook_replays.estimate(FAILED, rate_per_minute=None)
        held = await tx.webhook_replays.estimate(FAILED, rate_per_minute=1)

    assert (free.matched, free.oldest, free.seconds, held.seconds) == (15, oldest, 150, 900)


async def test_pages_go_through_what_is_planned_and_keep_to_the_rate(storage: Storage, org: OrganizationId) -> None:
    deliveries = await put_deliveries(storage, org, 5)
    replay = await begin(storage, org, rate_per_minute=12)
    after, ends, waits = "", list[str](), list[float]()

    while (page := await replaying.next_page(storage.pool, replay.id, after=after, limit=200)) and page.upto:
        ends, waits, after = [*ends, page.upto], [*waits, page.wait_s], page.upto

    assert ends == [deliveries[1], deliveries[3], deliveries[4]]
    assert waits == [10, 10, 5]
    assert await replaying.next_page(storage.pool, ReplayId(new_ulid()), after="", limit=200) is None
