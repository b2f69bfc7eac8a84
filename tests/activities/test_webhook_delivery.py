"""Further tries of deliveries that failed once."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
import pytest_asyncio
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.webhook_delivery import Tried, Try, WebhookDeliveryActivities
from activities.webhook_tries import Tries
from gateway.ids import DeliveryId, EndpointId, OrganizationId
from gateway.webhooks.attempts import Failure, Outcome, Outgoing
from gateway.webhooks.ladder import Wish
from storage import Storage
from storage.pool import fetch
from storage.webhooks import claims, retries, settling
from storage.webhooks.settling import head_place
from tests.activities.conftest import SetClock
from tests.receivers import make_endpoint, make_org, publish

FAILED = Outcome(Failure.REFUSED, 3, 500)
WELL = Outcome(None, 3, 200)
WAITS = [10.0, 60.0]


@dataclass(slots=True)
class Scripted:
    """A sender with given outcomes, one after the other; the last one for ever."""

    outcomes: list[Outcome]
    sent: list[Outgoing] = field(default_factory=list[Outgoing])

    async def send(self, outgoing: Outgoing) -> Outcome:
        self.sent.append(outgoing)
        return self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]


@dataclass(slots=True)
class Failed:
    """A delivery after its first try, which failed."""

    storage: Storage
    clock: SetClock
    org: OrganizationId
    endpoint: EndpointId
    id: DeliveryId = field(init=False)

    async def attempt(self, number: int, sender: Scripted, *, at_once: bool = False) -> Tried:
        tries = Tries(sender, self.storage.cipher, self.clock)
        activities = WebhookDeliveryActivities(self.storage.pool, self.storage.cipher, self.clock, tries)
        asked = Try(self.org, self.id, number, WAITS, at_once)
        return await ActivityEnvironment().run(activities.attempt, asked)

    async def row(self) -> tuple[str, int, datetime | None]:
        rows = await fetch(
            self.storage.pool,
            "select state, attempts, next_attempt_at from webhook_deliveries where id = %s",
            [self.id],
        )
        return rows[0]

    async def put_endpoint_into(self, state: str) -> None:
        because = "gone" if state == "disabled" else None
        statement = "update webhook_endpoints set state = %s, disabled_because = %s"
        await fetch(self.storage.pool, statement, [state, because])

    async def fail_once(self) -> None:
        (endpoint,) = await claims.waiting(self.storage.pool, after="")
        (due,) = await claims.claim(self.storage.pool, self.storage.cipher, [(endpoint, 1)], now=self.clock.now())
        self.id = due.id
        made = await Tries(Scripted([FAILED]), self.storage.cipher, self.clock).make(due, WAITS)
        await settling.settle(self.storage.pool, [made])


@pytest_asyncio.fixture
async def failed(storage: Storage, clock: SetClock) -> AsyncIterator[Failed]:
    org = await make_org(storage)
    endpoint = await make_endpoint(storage, org, "https://receiver.example/hook")
    await publish(storage, org, at=clock.now())
    delivery = Failed(storage, clock, org, endpoint)
    await delivery.fail_once()
    yield delivery


async def test_a_further_try_delivers(failed: Failed) -> None:
    sender = Scripted([WELL])

    tried = await failed.attempt(2, sender)

    assert (tried.state, tried.tried) == ("delivered", 2)
    assert await failed.row() == ("delivered", 2, None)
    assert [outgoing.delivery_id for outgoing in sender.sent] == [failed.id]


async def test_a_try_that_is_settled_is_not_made_again(failed: Failed) -> None:
    sender = Scripted([replace(FAILED, retry_after_s=7.0)])
    first = await failed.attempt(2, sender)
    again = await failed.attempt(2, sender)

    assert (first.state, first.tried, first.wish) == ("retrying", 2, Wish(7.0))
    assert (again.state, again.tried) == ("retrying", 2)
    assert len(sender.sent) == 1


async def test_a_delivery_is_failed_after_its_last_try(failed: Failed) -> None:
    sender = Scripted([FAILED])

    states = [(await failed.attempt(number, sender)).state for number in (2, 3)]

    assert states == ["retrying", "failed"]
    assert await failed.row() == ("failed", 3, None)


async def test_a_chain_that_a_replay_began_has_its_whole_ladder(failed: Failed) -> None:
    await fetch(failed.storage.pool, "update webhook_deliveries set attempts = 7, attempts_before = 6")

    tried = await failed.attempt(8, Scripted([FAILED]))

    assert (tried.state, tried.tried, tried.before) == ("retrying", 8, 6)
    _, _, next_at = await failed.row()
    assert next_at is not None
    assert timedelta(seconds=48) <= next_at - failed.clock.now() <= timedelta(seconds=73)


@pytest.mark.parametrize(("endpoint", "left"), [("paused", "pending"), ("disabled", "skipped"), ("deleted", "skipped")])
async def test_nothing_is_sent_to_an_endpoint_that_is_not_active(failed: Failed, endpoint: str, left: str) -> None:
    await failed.put_endpoint_into(endpoint)
    sender = Scripted([WELL])

    tried = await failed.attempt(2, sender)

    assert (tried.state, tried.tried) == (left, 1)
    assert await failed.row() == (left, 1, None)
    assert sender.sent == []


async def test_a_try_that_cannot_be_signed_is_asked_for_again(failed: Failed) -> None:
    await fetch(failed.storage.pool, "update webhook_secrets set secret = %s", [bytes(60)])
    sender = Scripted([WELL])

    with pytest.raises(ApplicationError) as raised:
        await failed.attempt(2, sender)

    assert not raised.value.non_retryable
    assert sender.sent == []
    assert (await failed.row())[:2] == ("retrying", 1)


async def test_a_try_is_put_off_once_while_its_endpoint_rests(failed: Failed) -> None:
    until = failed.clock.now() + timedelta(minutes=5)
    await fetch(failed.storage.pool, "update webhook_health set rests = 1, rests_until = %s", [until])
    sender = Scripted([WELL])

    put_off = await failed.attempt(2, sender)
    assert (put_off.state, put_off.put_off_s, sender.sent) == ("retrying", 300.0, [])
    assert await failed.row() == ("retrying", 1, until)

    tried = await failed.attempt(2, sender, at_once=True)
    assert tried.state == "delivered"
    assert await fetch(failed.storage.pool, "select failures, rests, rests_until from webhook_health") == [(0, 0, None)]


async def test_a_further_try_takes_its_turn_in_the_endpoints_rate(failed: Failed) -> None:
    await fetch(failed.storage.pool, "update webhook_endpoints set rate_per_minute = 6")
    now = failed.clock.now()
    turns = [await retries.reserve(failed.storage.pool, failed.org, failed.endpoint, 6, now=now) for _ in range(3)]
    assert [(turn - now).total_seconds() for turn in turns] == [0, 10, 20]

    put_off = await failed.attempt(2, Scripted([WELL]))

    assert put_off.put_off_s == 30.0


async def test_a_receiver_that_asks_for_time_is_left_alone_for_it(failed: Failed) -> None:
    asking = Outcome(Failure.THROTTLED, 0, 429, retry_after_s=100.0)

    tried = await failed.attempt(2, Scripted([asking]))

    assert tried.wish == Wish(100.0, is_slow=True)
    _, _, next_at = await failed.row()
    assert next_at is not None
    assert timedelta(seconds=96) <= next_at - failed.clock.now() <= timedelta(seconds=100)
    ((rests_until,),) = await fetch(failed.storage.pool, "select rests_until from webhook_health")
    assert rests_until == failed.clock.now() + timedelta(seconds=100)


async def test_a_delivery_that_is_another_organisations_is_not_found(failed: Failed) -> None:
    sender = Scripted([WELL])
    failed.org = OrganizationId("01K0B6W4M7RT2V9YQ3X5ZC8D1E")

    assert (await failed.attempt(2, sender)).state == "skipped"
    assert sender.sent == []


async def test_the_head_of_an_answer_is_kept_sealed(failed: Failed) -> None:
    await failed.attempt(2, Scripted([replace(FAILED, head="database is down")]))

    ((sealed,),) = await fetch(failed.storage.pool, "select response_head from webhook_attempts where number = 2")
    assert b"database" not in sealed
    opened = await failed.storage.cipher.open(failed.org, head_place(failed.id, 2), sealed)
    assert opened == b"database is down"
