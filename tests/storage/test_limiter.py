"""What becomes of one request, and of floods of them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import psycopg
import pytest
import pytest_asyncio

from gateway.conversation import Conversation
from gateway.errors import RateLimitedError
from gateway.ids import ApiKeyId, new_ulid
from gateway.inference.shielding import everything_settled
from gateway.limits.limiter import Limiter, Quota
from gateway.limits.tiers import RateLimits, Tiers
from gateway.tenancy import Access, KeyMode, Policy, Principal
from storage.limits.postgres import PostgresBuckets
from storage.pool import open_pool
from tests.conftest import Database
from tests.storage.rate_buckets import KEY, ORG, Hands
from tests.tenants import make_conversation

TIERS = Tiers(
    {
        "developer": RateLimits(key_rpm=3, key_daily=6, org_rpm=5),
        "tokens": RateLimits(org_tpm=1_000),
        "daily": RateLimits(key_rpm=3, key_daily=3),
        "none": RateLimits(),
    },
    {},
)


def access(tier: str = "developer", *, key: str = KEY, family: str = KEY) -> Access:
    return Access(Principal(ORG, ApiKeyId(key), frozenset(), KeyMode.LIVE, family=ApiKeyId(family)), Policy(tier=tier))


def asking_for(tokens: int) -> Conversation:
    """A prompt of some tokens, and an answer that makes it `tokens` in all."""
    return make_conversation("Hello", max_tokens=tokens - 6)


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest_asyncio.fixture
async def limiter(database: Database, clock: Hands) -> AsyncIterator[Limiter]:
    pool = await open_pool(database.app_url, size=2)
    buckets = PostgresBuckets(pool, clock=clock)
    yield Limiter(TIERS, buckets, clock)
    await buckets.close()
    await pool.close()


async def refused(quota: Quota, conversation: Conversation | None = None) -> RateLimitedError:
    with pytest.raises(RateLimitedError) as raised:
        await quota.admit(conversation)
    return raised.value


async def admitted(limiter: Limiter, caller: Access, times: int) -> None:
    for _ in range(times):
        await limiter.quota(caller).admit()


async def test_the_successor_of_a_key_goes_on_with_its_count(limiter: Limiter) -> None:
    await admitted(limiter, access(), 3)
    successor = limiter.quota(access(key=new_ulid()))

    assert (await refused(successor)).details == {"limit": "key_rpm"}


async def test_all_keys_together_have_the_organisation_s_rate(limiter: Limiter) -> None:
    await admitted(limiter, access(), 3)
    await admitted(limiter, access(family=new_ulid()), 2)

    assert (await refused(limiter.quota(access(family=new_ulid())))).details == {"limit": "org_rpm"}


async def test_the_limit_with_the_longest_wait_is_named(limiter: Limiter) -> None:
    await admitted(limiter, access("daily"), 3)

    refusal = await refused(limiter.quota(access("daily")))

    assert refusal.details == {"limit": "key_daily"}
    assert refusal.retry_after_s == 12 * 3600


async def test_whoever_waits_as_long_as_told_is_admitted(limiter: Limiter, clock: Hands) -> None:
    await admitted(limiter, access(), 3)
    refusal = await refused(limiter.quota(access()))
    assert refusal.retry_after_s == 20

    clock.forward(seconds=refusal.retry_after_s)

    await limiter.quota(access()).admit()


async def test_a_tier_without_limits_asks_nobody(database: Database) -> None:
    pool = await open_pool(database.app_url, size=2)
    buckets = PostgresBuckets(pool)
    await pool.close()

    quota = Limiter(TIERS, buckets, Hands()).quota(access("none"))
    await quota.admit(asking_for(1_000_000))

    assert quota.levels == []
    await buckets.close()


async def test_what_a_call_did_not_take_is_there_for_the_next(limiter: Limiter) -> None:
    first, second = limiter.quota(access("tokens")), limiter.quota(access("tokens"))
    await first.admit(asking_for(900))

    first.settle(100)
    await everything_settled()

    await second.admit(asking_for(900))


async def test_a_call_that_took_more_than_it_reserved_pays_for_it(limiter: Limiter) -> None:
    first = limiter.quota(access("tokens"))
    await first.admit(asking_for(100))

    first.settle(990)
    await everything_settled()

    assert (await refused(limiter.quota(access("tokens")), asking_for(100))).details == {"limit": "org_tpm"}


async def test_settling_twice_gives_back_once(limiter: Limiter) -> None:
    first, second = limiter.quota(access("tokens")), limiter.quota(access("tokens"))
    await first.admit(asking_for(500))
    await second.admit(asking_for(500))

    first.settle(0)
    first.settle(0)
    await everything_settled()

    await refused(limiter.quota(access("tokens")), asking_for(600))


async def test_a_call_larger_than_the_bucket_is_admitted_when_that_is_full(limiter: Limiter) -> None:
    await limiter.quota(access("tokens")).admit(asking_for(50_000))


async def test_a_call_larger_than_the_bucket_waits_until_it_is_full(limiter: Limiter, clock: Hands) -> None:
    await limiter.quota(access("tokens")).admit(asking_for(500))
    refusal = await refused(limiter.quota(access("tokens")), asking_for(50_000))

    clock.forward(seconds=refusal.retry_after_s or 0)

    await limiter.quota(access("tokens")).admit(asking_for(50_000))


async def test_who_was_just_refused_is_refused_again_without_a_query(limiter: Limiter, database: Database) -> None:
    await admitted(limiter, access(), 3)
    await refused(limiter.quota(access()))
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("drop function hasp_draw")

    again = limiter.quota(access())
    with pytest.raises(RateLimitedError) as raised:
        again.require_open()

    assert raised.value.retry_after_s == 20
    assert again.levels[0].remaining == 0


async def test_a_second_later_the_store_is_asked_again(limiter: Limiter, clock: Hands) -> None:
    await admitted(limiter, access(), 3)
    await refused(limiter.quota(access()))

    clock.forward(seconds=1)

    limiter.quota(access()).require_open()


async def test_a_want_of_tokens_is_not_remembered_since_tokens_come_back(limiter: Limiter) -> None:
    await limiter.quota(access("tokens")).admit(asking_for(900))
    await refused(limiter.quota(access("tokens")), asking_for(900))

    limiter.quota(access("tokens")).require_open()


async def test_a_changed_tier_opens_what_the_old_one_had_shut(limiter: Limiter) -> None:
    await admitted(limiter, access(), 3)
    await refused(limiter.quota(access()))

    limiter.quota(replace(access(), policy=Policy(tier="none"))).require_open()


async def test_of_a_flood_of_refusals_one_a_minute_is_worth_an_audit_entry(limiter: Limiter, clock: Hands) -> None:
    await admitted(limiter, access("daily"), 3)
    flood = [await refused(limiter.quota(access("daily"))) for _ in range(5)]
    clock.forward(seconds=60)

    later = await refused(limiter.quota(access("daily")))

    assert [refusal.repeated for refusal in (*flood, later)] == [False, True, True, True, True, False]


async def test_over_any_time_no_more_tokens_pass_than_the_limit_allows(limiter: Limiter, clock: Hands) -> None:
    """From a full bucket on: a bucketful, and the limit for each minute since, however calls end."""
    used, running = 0, list[tuple[Quota, int]]()
    for step in range(200):
        quota, wanted = limiter.quota(access("tokens")), 50 + step * 37 % 800
        try:
            await quota.admit(asking_for(wanted))
        except RateLimitedError:
            pass
        else:
            running.append((quota, wanted * (step % 5) // 4))
        if step % 3 == 0 and running:
            ended, tokens = running.pop(step % len(running))
            ended.settle(tokens)
            used += tokens
            await everything_settled()
        clock.forward(seconds=1)

    assert 0 < used <= 1_000 + 1_000 * 200 / 60


async def test_requests_that_come_at_once_are_all_told_what_is_left(limiter: Limiter) -> None:
    quotas = [limiter.quota(access()) for _ in range(3)]

    await asyncio.gather(*(quota.admit() for quota in quotas))

    assert sorted(quota.levels[0].remaining for quota in quotas) == [0, 1, 2]
