"""Replays as kept: what is planned is all that is ever sent, once, and what is held goes back to what it was."""

import asyncio
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from gateway.audit import AuditAction
from gateway.ids import DeliveryId, OrganizationId, ReplayId
from gateway.webhooks.replays import (
    Progress,
    ReplayState,
)
from storage import Storage
from storage.pool import fetch
from storage.webhooks import claims, replaying
from storage.webhooks.replay_acts import replay_delivery
from storage.webhooks.replays import NothingToFinishError
from tests.receivers import make_endpoint, make_org, publish
from tests.replaying import (
    LAST,
    begin,
    progress,
    put_deliveries,
    queue,
    settle,
    state_of,
    states,
    turn,
)


@pytest_asyncio.fixture
async def org(storage: Storage) -> OrganizationId:
    return await make_org(storage)


async def take_back(storage: Storage, replay: ReplayId) -> int:
    return await replaying.take_back(storage.pool, replay, limit=1000)


async def finish(storage: Storage, org: OrganizationId, replay: ReplayId) -> None:
    async with storage.as_operator(org, command="test") as tx:
        await tx.webhook_replays.finish(replay)
        tx.audit(AuditAction.WEBHOOK_REPLAY_COMPLETED, entity_type="webhook_replay", entity_id=replay)


async def replay_by_hand(storage: Storage, org: OrganizationId, delivery: DeliveryId) -> None:
    async with storage.as_operator(org, command="test") as tx:
        await replay_delivery(tx, delivery)


async def rows(storage: Storage, deliveries: list[DeliveryId]) -> list[tuple[object, ...]]:
    return await fetch(
        storage.pool,
        "select id, state, priority, replay_id, attempts, claimed_until, next_attempt_at, finished_at"
        " from webhook_deliveries where id = any(%s) order by id",
        [deliveries],
    )


async def test_a_queued_delivery_begins_a_new_chain_behind_live_traffic(storage: Storage, org: OrganizationId) -> None:
    (delivery,) = await put_deliveries(storage, org, 1)
    replay = await begin(storage, org)

    await queue(storage, replay.id)

    found = await fetch(
        storage.pool,
        "select state, priority, replay_id, attempts, attempts_before, claimed_until from webhook_deliveries"
        " where id = %s",
        [delivery],
    )
    assert found == [("pending", 1, replay.id, 11, 11, None)]


async def test_live_traffic_is_claimed_before_replays(storage: Storage, org: OrganizationId) -> None:
    endpoint = await make_endpoint(storage, org, "https://93.184.215.14/")
    old = await put_deliveries(storage, org, 3, endpoint=endpoint, at=datetime(2026, 1, 1, tzinfo=UTC))
    await queue(storage, (await begin(storage, org)).id)
    await publish(storage, org, 2)
    now = datetime.now(UTC)

    (waiting,) = await claims.waiting(storage.pool, after="")
    claimed = await claims.claim(storage.pool, storage.cipher, [(waiting, 4)], now=now)

    live = [due.id for due in claimed if due.id not in old]
    assert [due.id for due in claimed] == [*live, *old[:2]]
    assert len(live) == 2


async def test_what_is_on_its_way_when_its_turn_comes_is_skipped(storage: Storage, org: OrganizationId) -> None:
    first, second = await put_deliveries(storage, org, 2)
    replay = await begin(storage, org)
    await replay_by_hand(storage, org, first)

    await queue(storage, replay.id)

    assert await progress(storage, org, replay.id) == Progress(2, 0, 1, 0, 0, 1)
    assert [row[3] == replay.id for row in await rows(storage, [first, second])] == [False, True]


async def test_what_was_delivered_since_it_was_planned_is_skipped(storage: Storage, org: OrganizationId) -> None:
    deliveries = await put_deliveries(storage, org, 2)
    replay = await begin(storage, org)
    await settle(storage, deliveries[:1], "delivered")

    await queue(storage, replay.id)

    assert await states(storage, deliveries) == ["delivered", "pending"]
    assert (await progress(storage, org, replay.id)).skipped == 1


async def test_what_was_delivered_before_is_sent_again_if_it_is_asked_for(
    storage: Storage, org: OrganizationId
) -> None:
    deliveries = await put_deliveries(storage, org, 2, state="delivered")
    replay = await begin(storage, org, deliveries)

    await queue(storage, replay.id)

    assert await states(storage, deliveries) == ["pending"] * 2


@pytest.mark.parametrize("state", ["disabled", "deleted"])
async def test_what_has_nowhere_to_go_any_more_is_skipped(storage: Storage, org: OrganizationId, state: str) -> None:
    deliveries = await put_deliveries(storage, org, 2)
    replay = await begin(storage, org)
    await fetch(
        storage.pool,
        "update webhook_endpoints set state = %s, disabled_because = %s",
        [state, "gone" if state == "disabled" else None],
    )

    await queue(storage, replay.id)

    assert await states(storage, deliveries) == ["failed"] * 2
    assert (await progress(storage, org, replay.id)).skipped == 2


async def test_what_was_forgotten_since_is_skipped(storage: Storage, org: OrganizationId) -> None:
    first, _ = await put_deliveries(storage, org, 2)
    replay = await begin(storage, org)
    await fetch(storage.pool, "delete from webhook_deliveries where id = %s", [first])

    await queue(storage, replay.id)

    assert await progress(storage, org, replay.id) == Progress(2, 0, 1, 0, 0, 1)


async def test_of_two_replays_of_a_delivery_one_sends_it(storage: Storage, org: OrganizationId) -> None:
    deliveries = await put_deliveries(storage, org, 50)
    one, other = await begin(storage, org), await begin(storage, org, deliveries)

    await asyncio.gather(queue(storage, one.id), queue(storage, other.id))

    found = [await progress(storage, org, each.id) for each in (one, other)]
    assert sum(each.queued for each in found) == 50
    assert sum(each.skipped for each in found) == 50


async def test_a_page_that_is_queued_twice_is_queued_once(storage: Storage, org: OrganizationId) -> None:
    deliveries = await put_deliveries(storage, org, 20)
    replay = await begin(storage, org)

    await asyncio.gather(*(queue(storage, replay.id) for _ in range(4)))
    await settle(storage, deliveries, "delivered")
    await queue(storage, replay.id)

    assert await progress(storage, org, replay.id) == Progress(20, 0, 0, 20, 0, 0)


@pytest.mark.parametrize("state", ["delivered", "failed", "skipped"])
async def test_whatever_settles_a_delivery_settles_its_item(storage: Storage, org: OrganizationId, state: str) -> None:
    deliveries = await put_deliveries(storage, org, 3)
    replay = await begin(storage, org)
    await queue(storage, replay.id)

    await settle(storage, deliveries[:1], "retrying")
    between = await progress(storage, org, replay.id)
    await settle(storage, deliveries[:2], state)

    assert between.queued == 3
    found = await progress(storage, org, replay.id)
    assert (found.queued, getattr(found, state)) == (1, 2)


async def test_a_replay_by_hand_leaves_what_an_earlier_replay_came_to(storage: Storage, org: OrganizationId) -> None:
    (delivery,) = await put_deliveries(storage, org, 1)
    replay = await begin(storage, org)
    await queue(storage, replay.id)
    await settle(storage, [delivery], "failed")

    await replay_by_hand(storage, org, delivery)
    await settle(storage, [delivery], "delivered")

    assert (await progress(storage, org, replay.id)).failed == 1


@pytest.mark.parametrize("to", [ReplayState.PAUSED, ReplayState.CANCELLED])
async def test_what_was_not_tried_becomes_what_it_was(storage: Storage, org: OrganizationId, to: ReplayState) -> None:
    failed = await put_deliveries(storage, org, 2)
    delivered = await put_deliveries(storage, org, 2, state="delivered")
    before = await rows(storage, [*failed, *delivered])
    replay = await begin(storage, org, [*failed, *delivered])
    await queue(storage, replay.id)

    await turn(storage, org, replay.id, to)
    taken = await take_back(storage, replay.id)

    assert (taken, await rows(storage, [*failed, *delivered])) == (4, before)
    assert await progress(storage, org, replay.id) == Progress(4, 4, 0, 0, 0, 0)


async def test_what_was_claimed_or_tried_is_not_taken_back(storage: Storage, org: OrganizationId) -> None:
    endpoint = await make_endpoint(storage, org, "https://93.184.215.14/")
    claimed, tried, waits, untried = await put_deliveries(storage, org, 4, endpoint=endpoint)
    replay = await begin(storage, org)
    await queue(storage, replay.id)
    (waiting,) = await claims.waiting(storage.pool, after="")
    await claims.claim(storage.pool, storage.cipher, [(waiting, 1)], now=datetime.now(UTC))
    await settle(storage, [tried], "retrying")
    # As when its webhook is paused between two tries.
    await settle(storage, [waits], "pending")

    await turn(storage, org, replay.id, ReplayState.CANCELLED)
    await take_back(storage, replay.id)

    assert await states(storage, [claimed, tried, waits, untried]) == ["pending", "retrying", "pending", "failed"]
    assert await progress(storage, org, replay.id) == Progress(4, 1, 3, 0, 0, 0)


async def test_nothing_is_queued_once_a_replay_is_held(storage: Storage, org: OrganizationId) -> None:
    deliveries = await put_deliveries(storage, org, 200)
    replay = await begin(storage, org)

    await asyncio.gather(
        *(queue(storage, replay.id, after=deliveries[i], upto=deliveries[i + 9]) for i in range(0, 190, 10)),
        turn(storage, org, replay.id, ReplayState.PAUSED),
    )
    await take_back(storage, replay.id)

    assert await states(storage, deliveries) == ["failed"] * 200
    assert (await progress(storage, org, replay.id)).planned == 200


async def test_a_resumed_replay_sends_what_was_taken_back(storage: Storage, org: OrganizationId) -> None:
    deliveries = await put_deliveries(storage, org, 3)
    replay = await begin(storage, org)
    await queue(storage, replay.id)
    await settle(storage, deliveries[:1], "delivered")
    await turn(storage, org, replay.id, ReplayState.PAUSED)
    await take_back(storage, replay.id)

    await turn(storage, org, replay.id, ReplayState.RUNNING)
    await queue(storage, replay.id)

    assert await states(storage, deliveries) == ["delivered", "pending", "pending"]


async def test_a_running_replay_has_nothing_taken_back(storage: Storage, org: OrganizationId) -> None:
    deliveries = await put_deliveries(storage, org, 3)
    replay = await begin(storage, org)
    await queue(storage, replay.id)

    assert await take_back(storage, replay.id) == 0
    assert await states(storage, deliveries) == ["pending"] * 3


async def test_a_replay_is_done_when_all_of_it_is_settled(storage: Storage, org: OrganizationId) -> None:
    deliveries = await put_deliveries(storage, org, 2)
    replay = await begin(storage, org)
    with pytest.raises(NothingToFinishError):
        await finish(storage, org, replay.id)
    await queue(storage, replay.id)
    await settle(storage, deliveries[:1], "delivered")
    with pytest.raises(NothingToFinishError):
        await finish(storage, org, replay.id)
    await settle(storage, deliveries[1:], "failed")

    await finish(storage, org, replay.id)

    assert await state_of(storage, org, replay.id) is ReplayState.DONE
    with pytest.raises(NothingToFinishError):
        await finish(storage, org, replay.id)


async def test_untried_are_those_that_wait_for_their_first_try(storage: Storage, org: OrganizationId) -> None:
    deliveries = await put_deliveries(storage, org, 4)
    replay = await begin(storage, org)
    span = replaying.Span(replay.id, deliveries[0], LAST)
    await queue(storage, replay.id)
    await settle(storage, deliveries[1:2], "retrying")

    before = await replaying.untried(storage.pool, span)
    await turn(storage, org, replay.id, ReplayState.PAUSED)

    assert (before, await replaying.untried(storage.pool, span)) == (2, 0)
