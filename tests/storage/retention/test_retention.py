"""Purges on a real database: what goes and what stays, killed at any line, run at once, and stopped by a hold."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from gateway.conversation import Conversation, Sampling, Text, ToolResult, Turn
from gateway.errors import NotFoundError
from gateway.ids import ConversationId, InferenceId, new_ulid
from gateway.retention import DELAY, PurgeReason
from gateway.tenancy import KeyMode, Principal
from storage import Storage
from storage.holds import expire_lapsed
from storage.migrate import downgrade, upgrade
from storage.onboarding import change_policy, terminate_agreement
from storage.retention import PurgeStep, kept_after, last_purges, purge_step
from tests.activities.conftest import SetClock
from tests.conftest import Database
from tests.storage.past import ACTOR, books_of, left, made_at, opened_at, purged, retaining, usable_days
from tests.storage.retention.conftest import FIRST
from tests.storage.test_proof import found as discrepancies
from tests.tenants import Tenant, failed, make_outcome

DAY = timedelta(days=1)
KEPT_DAYS = 30
DUE = FIRST + (1 + KEPT_DAYS) * DAY
"""The first moment at which the first day is not kept any more."""


def log_of(database: Database, tenant: Tenant) -> list[tuple[str, dict[str, Any]]]:
    """Retention's audit entries, oldest first."""
    with psycopg.connect(database.owner_url) as owner:
        return owner.execute(
            "select action, metadata from audit_entries where org_id = %s and action like 'retention.%%' order by id",
            [tenant.org],
        ).fetchall()


async def counted(storage: Storage, tenant: Tenant) -> list[tuple[str, int, int, bool]]:
    purges = await last_purges(storage.pool, tenant.org, limit=10)
    return [(each.through.isoformat(), each.keys, each.records, each.finished_at is not None) for each in purges]


async def test_a_day_is_kept_whole_until_its_time_is_over_and_then_goes_whole(
    storage: Storage, database: Database
) -> None:
    tenant = await retaining(storage, KEPT_DAYS)
    for at in (FIRST, FIRST + DAY - timedelta(milliseconds=1)):
        await made_at(storage, tenant, at)
    next_day = await made_at(storage, tenant, FIRST + DAY)

    early = await purged(storage, tenant, DUE - timedelta(microseconds=1))
    kept = left(database, tenant)
    steps = await purged(storage, tenant, DUE)

    assert (early, len(kept)) == ([], 3)
    assert steps == [PurgeStep(keys=1), PurgeStep(records=2), PurgeStep(finished=True)]
    assert left(database, tenant) == [next_day.id]
    assert usable_days(database, tenant) == ["2026-03-02"]


async def test_what_was_purged_is_counted_audited_and_told_once(storage: Storage, database: Database) -> None:
    tenant = await retaining(storage, KEPT_DAYS)
    for day in range(5):
        await made_at(storage, tenant, FIRST + day * DAY)

    await purged(storage, tenant, DUE + 2 * DAY)
    again = await purged(storage, tenant, DUE + 2 * DAY)

    assert again == []
    facts = {"reason": "retention", "keys": 3}
    assert log_of(database, tenant) == [
        ("retention.keys_destroyed", facts | {"from": "2026-03-01", "to": "2026-03-03"}),
        ("retention.purged", facts | {"through": "2026-03-03", "records": 3}),
    ]
    assert await counted(storage, tenant) == [("2026-03-03", 3, 3, True)]
    with psycopg.connect(database.owner_url) as owner:
        told = owner.execute("select data from outbox where type = 'retention.purged'").fetchall()
    assert told == [(facts | {"through": "2026-03-03", "records": 3},)]


async def test_a_record_that_is_gone_is_not_found_and_its_usage_audit_and_credits_stay(
    storage: Storage, database: Database
) -> None:
    tenant = await retaining(storage, KEPT_DAYS)
    call = await made_at(storage, tenant, FIRST)
    before = books_of(database)

    await purged(storage, tenant, DUE)

    principal = (await storage.access.resolve(tenant.token)).principal
    async with storage.read(principal) as tx:
        with pytest.raises(NotFoundError):
            await tx.inferences.get(InferenceId(call.id))
    assert books_of(database) == before
    assert await discrepancies(storage) == []


async def test_a_conversation_begins_with_what_is_left_of_it_until_nothing_is(
    storage: Storage, database: Database
) -> None:
    tenant = await retaining(storage, KEPT_DAYS)
    thread = ConversationId(new_ulid())
    for day in range(3):
        await made_at(storage, tenant, FIRST + day * DAY, thread=thread)
    access = await storage.access.resolve(tenant.token)

    lengths: list[int] = []
    for day in range(3):
        lengths.append(len((await storage.journal.history(access, thread)).turns))
        await purged(storage, tenant, DUE + day * DAY)

    assert lengths == [6, 4, 2]
    with pytest.raises(NotFoundError):
        await storage.journal.history(access, thread)


async def test_a_conversation_does_not_begin_with_what_a_tool_said_to_a_purged_answer(
    storage: Storage, database: Database
) -> None:
    tenant = await retaining(storage, KEPT_DAYS)
    thread = ConversationId(new_ulid())
    await made_at(storage, tenant, FIRST, thread=thread)
    result = Turn("user", (ToolResult("toolu_1", (Text("42"),)),))
    answering = await opened_at(
        storage, tenant, FIRST + DAY, thread=thread, conversation=Conversation((result,), Sampling(max_tokens=9))
    )
    await storage.journal.close(make_outcome(answering))
    await made_at(storage, tenant, FIRST + DAY + timedelta(hours=1), thread=thread)

    await purged(storage, tenant, DUE)
    history = await storage.journal.history(await storage.access.resolve(tenant.token), thread)

    assert [turn.role for turn in history.turns] == ["user", "assistant"]
    assert history.turns[0].blocks == (Text("Hello"),)


async def test_other_organisations_keep_theirs(storage: Storage, database: Database) -> None:
    tenant, other = await retaining(storage, KEPT_DAYS), await retaining(storage, KEPT_DAYS)
    for each in (tenant, other):
        await made_at(storage, each, FIRST)

    await purged(storage, tenant, DUE)

    assert (len(left(database, tenant)), len(left(database, other))) == (0, 1)
    assert usable_days(database, other) == ["2026-03-01"]


async def test_records_without_content_go_too(storage: Storage, database: Database) -> None:
    tenant = await retaining(storage, KEPT_DAYS)
    await made_at(storage, tenant, FIRST, store=False)
    refused = await opened_at(storage, tenant, FIRST)
    await storage.journal.close(failed(make_outcome(refused)))

    await purged(storage, tenant, DUE)

    assert left(database, tenant) == []


async def test_a_call_that_runs_stays_until_it_is_lost_and_can_then_never_be_settled(
    storage: Storage, database: Database, clock: SetClock
) -> None:
    tenant = await retaining(storage, KEPT_DAYS)
    asleep = await opened_at(storage, tenant, FIRST)

    await purged(storage, tenant, DUE)
    running = left(database, tenant)
    clock.time = DUE
    await expire_lapsed(storage.pool, clock)
    await purged(storage, tenant, DUE)

    assert running == [asleep.id]
    assert left(database, tenant) == []
    with psycopg.connect(database.owner_url) as owner:
        assert owner.execute("select state from credit_holds").fetchall() == [("voided",)]
    assert await discrepancies(storage) == []


CLOSED = FIRST + 40 * DAY
"""Ten days after the first day, and 30 of grace."""
TERMS = ("Jane Doe",)


async def ended(
    storage: Storage,
    clock: SetClock,
    *,
    how: str = "terminated",
    notice: timedelta = 10 * DAY,
    terms: tuple[str, ...] = (),
) -> Tenant:
    """Its agreement was in force for ten days, in which two calls were made."""
    tenant = await retaining(storage, 2555)
    await change_policy(storage, tenant.org, {"phi_deny_terms": terms})
    for day in (0, 9):
        await made_at(storage, tenant, FIRST + day * DAY)
    clock.time = FIRST + 10 * DAY - notice
    if how == "terminated":
        await terminate_agreement(storage, tenant.org, notice=notice, grace_days=30)
    else:
        column = "expires_at = %s" if how == "expired" else "ends_as = 'superseded', ends_at = %s"
        async with storage.pool.connection() as connection:
            await connection.execute(
                f"update baa_acceptances set {column} where org_id = %s".encode(), [FIRST + 10 * DAY, tenant.org]
            )
    return tenant


async def terms_of(storage: Storage, tenant: Tenant) -> tuple[str, ...]:
    async with storage.read(Principal(tenant.org, None, frozenset(), KeyMode.LIVE)) as tx:
        return (await tx.organization.policy()).phi_deny_terms


async def accepted_anew(storage: Storage, tenant: Tenant, status: str) -> None:
    async with storage.pool.connection() as connection:
        await connection.execute(
            "insert into baa_acceptances (id, org_id, template_version, template_sha256, covers, signer_name,"
            " signer_title, signer_email, accepted_at, effective_at, status)"
            " values (%s, %s, 'test', %s, '{}', 'A', 'B', 'C', %s, %s, %s)",
            [new_ulid(), tenant.org, "1" * 64, FIRST, FIRST, status],
        )


@pytest.mark.parametrize("notice", [timedelta(), 10 * DAY], ids=["at once", "with notice"])
async def test_a_terminated_agreement_leaves_no_content_once_its_grace_is_over(
    storage: Storage, database: Database, clock: SetClock, notice: timedelta
) -> None:
    tenant = await ended(storage, clock, notice=notice)
    books = books_of(database)

    early = await purged(storage, tenant, CLOSED - timedelta(seconds=1))
    await purged(storage, tenant, CLOSED)

    assert early == []
    assert (left(database, tenant), usable_days(database, tenant)) == ([], [])
    (purge,) = await last_purges(storage.pool, tenant.org, limit=5)
    assert (purge.reason, purge.through.isoformat(), purge.records) == (PurgeReason.TERMINATION, "2026-04-09", 2)
    assert books_of(database) == books
    with psycopg.connect(database.owner_url) as owner:
        agreements = owner.execute("select ends_as from baa_acceptances where org_id = %s", [tenant.org]).fetchall()
    assert agreements == [("terminated",)]
    assert await discrepancies(storage) == []


async def test_a_terminated_organisations_own_terms_go_with_its_content_since_they_may_name_patients(
    storage: Storage, database: Database, clock: SetClock
) -> None:
    tenant = await ended(storage, clock, terms=TERMS)

    await purged(storage, tenant, CLOSED - timedelta(seconds=1))
    before = await terms_of(storage, tenant)
    await purged(storage, tenant, CLOSED)
    again = await purged(storage, tenant, CLOSED)

    assert (before, await terms_of(storage, tenant), again) == (TERMS, (), [])
    assert log_of(database, tenant)[-1][1]["terms_emptied"] is True


@pytest.mark.parametrize("status", ["active", "pending"])
async def test_terms_stay_when_an_agreement_was_accepted_after_the_terminated_one(
    storage: Storage, clock: SetClock, status: str
) -> None:
    tenant = await ended(storage, clock, notice=timedelta(), terms=TERMS)
    await purge_step(storage.pool, tenant.org, now=CLOSED, actor=ACTOR)
    await accepted_anew(storage, tenant, status)

    await purged(storage, tenant, CLOSED + 100 * DAY)

    assert await terms_of(storage, tenant) == TERMS


@pytest.mark.parametrize("how", ["expired", "superseded"])
async def test_an_agreement_that_merely_ended_leaves_content_to_its_retention(
    storage: Storage, database: Database, clock: SetClock, how: str
) -> None:
    tenant = await ended(storage, clock, how=how)

    await purged(storage, tenant, CLOSED + 100 * DAY)

    assert len(left(database, tenant)) == 2


@pytest.mark.parametrize("status", ["active", "pending"])
async def test_content_stays_when_an_agreement_was_accepted_after_the_terminated_one(
    storage: Storage, database: Database, clock: SetClock, status: str
) -> None:
    tenant = await ended(storage, clock, notice=timedelta())
    await accepted_anew(storage, tenant, status)

    await purged(storage, tenant, CLOSED + 100 * DAY)

    assert len(left(database, tenant)) == 2


async def test_a_purge_for_a_termination_that_was_taken_back_leaves_later_ones_to_their_own_reason(
    storage: Storage, database: Database, clock: SetClock
) -> None:
    tenant = await ended(storage, clock, notice=timedelta())
    await purge_step(storage.pool, tenant.org, now=CLOSED, actor=ACTOR)
    await accepted_anew(storage, tenant, "active")
    waiting = await purged(storage, tenant, CLOSED)

    over = FIRST + (1 + 2555) * DAY
    first = await purged(storage, tenant, over, batch=1)
    rest = await purged(storage, tenant, over + 100 * DAY, batch=1)

    assert waiting == []
    assert first == [PurgeStep(records=1), PurgeStep(finished=True)]
    assert rest == [PurgeStep(records=1), PurgeStep(finished=True)]
    told = [
        (facts["reason"], facts["records"]) for action, facts in log_of(database, tenant) if action[10:] == "purged"
    ]
    assert told == [("retention", 1), ("termination", 1)]


async def test_a_hold_keeps_the_content_of_a_terminated_organisation(
    storage: Storage, database: Database, clock: SetClock
) -> None:
    tenant = await ended(storage, clock)
    await change_policy(storage, tenant.org, {"legal_hold": True})

    await purged(storage, tenant, CLOSED + 100 * DAY)

    assert len(left(database, tenant)) == 2


async def test_who_has_something_due_is_known_without_touching_it(storage: Storage) -> None:
    due, young, empty = [await retaining(storage, KEPT_DAYS) for _ in range(3)]
    await made_at(storage, due, FIRST)
    await made_at(storage, young, FIRST + DAY)

    kept = await kept_after(storage.pool, "", now=DUE, limit=10)

    named = {each.org for each in kept}
    assert {due.org, young.org, empty.org} <= named
    assert [each.org for each in kept if each.work_at(DUE)] == [due.org]


async def test_a_record_that_is_deleted_by_hand_is_noticed_unless_a_purge_has_come_to_its_day(
    storage: Storage, database: Database
) -> None:
    tenant = await retaining(storage, KEPT_DAYS)
    for day in range(2):
        await made_at(storage, tenant, FIRST + day * DAY)
    await purged(storage, tenant, DUE)
    honest = await discrepancies(storage)

    with psycopg.connect(database.owner_url) as owner:
        owner.execute("delete from inferences where org_id = %s", [tenant.org])

    assert honest == []
    assert [(each.check, each.count) for each in await discrepancies(storage)] == [("call_without_record", 1)]


async def test_an_organisation_from_before_there_were_purges_keeps_everything_for_a_week(
    storage: Storage, database: Database
) -> None:
    tenant = await retaining(storage, 1)

    downgrade(database.owner_url, "0012")
    upgrade(database.owner_url)

    (kept,) = await kept_after(storage.pool, "", now=DUE, limit=1, only=tenant.org)
    upgraded = datetime.now(UTC)
    assert kept.due_at(upgraded + DELAY - timedelta(minutes=5)) is None
    assert kept.due_at(upgraded + DELAY) is not None
