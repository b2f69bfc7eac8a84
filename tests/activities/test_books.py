"""The proof as a worker runs it, page by page, on books that somebody has changed."""

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from structlog.testing import capture_logs
from temporalio.testing import ActivityEnvironment

from activities.books import BooksActivities, ProofPage, ProvenPage
from gateway.ids import PLATFORM
from storage import Storage
from tests.conftest import Database
from tests.tenants import HAIKU, Tenant, make_call, make_outcome, make_tenant


def page(*, everything: bool = True) -> ProofPage:
    return ProofPage(at=datetime.now(UTC).isoformat(), everything=everything)


async def spending(storage: Storage, *, at: datetime | None = None) -> Tenant:
    tenant = await make_tenant(storage)
    call = make_call(await storage.access.resolve(tenant.token), at=at)
    await storage.journal.open(call, HAIKU, 100)
    await storage.journal.close(make_outcome(call, charge=60))
    return tenant


def changed(database: Database) -> None:
    """Somebody takes five credits off every organisation's account."""
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("update credit_accounts set posted = posted - 5 where holder = 'organization'")


def alarms(database: Database) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.owner_url) as owner:
        return owner.execute(
            "select org_id, data ->> 'organization_id', data ->> 'check' from outbox where type = 'books.discrepancy'"
        ).fetchall()


async def prove(storage: Storage, asked: ProofPage, environment: ActivityEnvironment | None = None) -> ProvenPage:
    return await (environment or ActivityEnvironment()).run(BooksActivities(storage.pool).prove_page, asked)


async def test_sound_books_raise_no_alarm(storage: Storage, database: Database) -> None:
    for _ in range(3):
        await spending(storage)

    proven = await prove(storage, page())

    assert (proven.periods, proven.discrepancies, proven.accused, proven.is_last) == (3, 0, [], True)
    assert alarms(database) == []


async def test_a_discrepancy_is_told_logged_and_named_once_however_often_the_proof_runs(
    storage: Storage, database: Database
) -> None:
    tenant, asked = await spending(storage), page()
    changed(database)

    with capture_logs() as lines:
        first = await prove(storage, asked)
        again = await prove(storage, asked)

    checks = {"posted_and_charges", "posted_and_entries", "posted_and_usage"}
    assert set(first.accused) == set(again.accused) == {f"{check} {tenant.org}" for check in checks}
    assert set(alarms(database)) == {(PLATFORM, tenant.org, check) for check in checks}
    assert len(alarms(database)) == len(checks)
    logged = [line for line in lines if line["event"] == "books_discrepancy"]
    assert sorted((line["log_level"], line["org_id"], line["check"]) for line in logged) == [
        ("error", tenant.org, check) for check in sorted(checks)
    ]


async def test_a_page_goes_on_from_its_last_heartbeat(storage: Storage) -> None:
    first, second = sorted([(await spending(storage)).org for _ in range(2)])
    environment = ActivityEnvironment()
    beats: list[ProvenPage] = []
    environment.on_heartbeat = lambda *details: beats.append(ProvenPage(**details[0]))
    died = ProvenPage(first, "9999-01-01T00:00:00+00:00", periods=1)
    environment.info = replace(environment.info, heartbeat_details=[asdict(died)])

    proven = await prove(storage, page(), environment)

    assert proven.periods == 2
    assert proven.after_org == second
    assert beats[0] == died


async def test_a_worker_that_stops_hands_on_what_is_left(storage: Storage) -> None:
    await spending(storage)
    environment = ActivityEnvironment()
    environment.worker_shutdown()

    proven = await prove(storage, asked := page(), environment)

    assert (proven.after_org, proven.periods, proven.is_last) == (asked.after_org, 0, False)


async def test_a_period_long_past_and_closed_is_left_to_the_weekly_proof(storage: Storage, database: Database) -> None:
    await spending(storage, at=datetime.now(UTC) - timedelta(days=120))
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("update credit_accounts set closed_at = now()")

    assert (await prove(storage, page(everything=False))).periods == 0
    assert (await prove(storage, page())).periods == 1
