from datetime import timedelta

from temporalio.testing import ActivityEnvironment

from activities.holds import ExpiredPage, HoldActivities
from storage import Storage
from tests.activities.conftest import SetClock, hold_states, pending_credits, put_holds


async def test_lapsed_holds_give_their_credits_back_once(storage: Storage, clock: SetClock) -> None:
    await put_holds(storage, 3, expires_at=clock.now() - timedelta(minutes=1))
    await put_holds(storage, 1, expires_at=clock.now() + timedelta(minutes=1))
    holds = HoldActivities(storage.pool, clock)

    first = await ActivityEnvironment().run(holds.expire_page)
    again = await ActivityEnvironment().run(holds.expire_page)

    assert (first, again) == (ExpiredPage(3), ExpiredPage(0))
    assert sorted(await hold_states(storage)) == ["expired", "expired", "expired", "open"]
    assert await pending_credits(storage) == 10


async def test_more_than_a_page_takes_more_than_one_run(storage: Storage, clock: SetClock) -> None:
    await put_holds(storage, 201, expires_at=clock.now() - timedelta(minutes=1))
    holds = HoldActivities(storage.pool, clock)

    pages = [await ActivityEnvironment().run(holds.expire_page) for _ in range(3)]

    assert pages == [ExpiredPage(200), ExpiredPage(1), ExpiredPage(0)]
    assert await pending_credits(storage) == 0
