import asyncio
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from pyhanko.pdf_utils.reader import PdfFileReader
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.baa import Accepted, SeenPage, starts_acceptance
from activities.cursor import Cursor
from activities.starting import Starting
from gateway.baa.acceptance import AcceptanceStatus
from gateway.baa.pades import FIELD
from gateway.baa.template import templates
from gateway.ids import OrganizationId
from gateway.settings import Settings
from storage import Storage
from storage.agreement_queues import PAGE
from storage.onboarding import terminate_agreement
from storage.outbox import OutboxEvent, claim
from tests.activities.agreements import (
    KeptWorkflows,
    accept,
    activities_of,
    audited,
    document,
    found,
    make_organization,
    make_seal,
    put_in_force,
    told,
)
from tests.activities.conftest import SetClock

DAY = timedelta(days=1)
START = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> SetClock:
    return SetClock(START)


@pytest_asyncio.fixture
async def clocked(settings: Settings, clock: SetClock) -> AsyncIterator[Storage]:
    """A store that goes by the test's clock."""
    opened = await Storage.open(settings, clock=clock)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def org(clocked: Storage) -> OrganizationId:
    return await make_organization(clocked)


async def run(activity: object, *arguments: object) -> object:
    return await ActivityEnvironment().run(activity, *arguments)  # pyright: ignore[reportArgumentType, reportCallIssue, reportUnknownVariableType]


async def test_a_document_is_made_signed_and_kept_sealed(
    clocked: Storage, settings: Settings, org: OrganizationId
) -> None:
    make_seal(settings, START)
    accepted = await accept(clocked, org)

    await run(activities_of(clocked, settings).make_document, Accepted(org, accepted.id))

    signed = await document(clocked, org, accepted.id)
    (signature,) = PdfFileReader(io.BytesIO(signed)).embedded_signatures
    kept = (await found(clocked, org, accepted.id)).document
    assert signature.field_name == FIELD
    assert kept is not None
    assert kept.size == len(signed)
    async with clocked.pool.connection() as connection:
        rows = await (await connection.execute("select content from baa_documents")).fetchall()
    assert all(b"%PDF" not in bytes(content) for (content,) in rows)


async def test_two_that_make_a_document_at_once_keep_one(
    clocked: Storage, settings: Settings, org: OrganizationId
) -> None:
    make_seal(settings, START)
    accepted = await accept(clocked, org)
    activities, task = activities_of(clocked, settings), Accepted(org, accepted.id)

    await asyncio.gather(*(run(activities.make_document, task) for _ in range(3)))
    first = await document(clocked, org, accepted.id)
    await run(activities.make_document, task)

    assert await document(clocked, org, accepted.id) == first
    assert (await audited(clocked, org)).count("baa.signed") == 1


async def test_without_a_seal_the_acceptance_waits_and_nothing_of_it_is_told(
    clocked: Storage, settings: Settings, org: OrganizationId
) -> None:
    accepted = await accept(clocked, org)

    with pytest.raises(ApplicationError) as raised:
        await run(activities_of(clocked, settings).make_document, Accepted(org, accepted.id))

    assert not raised.value.non_retryable
    assert raised.value.type == "INFERENCE_UNAVAILABLE"
    assert (await found(clocked, org, accepted.id)).status is AcceptanceStatus.PENDING


async def test_activating_twice_at_once_happens_once(clocked: Storage, settings: Settings, org: OrganizationId) -> None:
    before = await put_in_force(clocked, org, template=templates()[0])
    accepted = await accept(clocked, org)
    activities = activities_of(clocked, settings)

    await asyncio.gather(*(run(activities.activate, Accepted(org, accepted.id)) for _ in range(5)))

    assert (await found(clocked, org, accepted.id)).status is AcceptanceStatus.ACTIVE
    assert (await found(clocked, org, before)).status is AcceptanceStatus.SUPERSEDED
    assert (await audited(clocked, org)).count("baa.activated") == 2


async def test_an_acceptance_that_comes_late_does_not_replace_a_later_one(
    clocked: Storage, settings: Settings, org: OrganizationId, clock: SetClock
) -> None:
    earlier = await accept(clocked, org, template=templates()[0])
    clock.advance(DAY)
    later = await accept(clocked, org)
    activities = activities_of(clocked, settings)

    await run(activities.activate, Accepted(org, later.id))
    await run(activities.activate, Accepted(org, earlier.id))

    assert (await found(clocked, org, later.id)).status is AcceptanceStatus.ACTIVE
    assert (await found(clocked, org, earlier.id)).status is AcceptanceStatus.SUPERSEDED


async def test_what_was_terminated_while_it_was_signed_does_not_take_effect(
    clocked: Storage, settings: Settings, org: OrganizationId
) -> None:
    make_seal(settings, START)
    accepted = await accept(clocked, org)
    await terminate_agreement(clocked, org, notice=30 * DAY, grace_days=30)
    activities, task = activities_of(clocked, settings), Accepted(org, accepted.id)

    await run(activities.make_document, task)
    await run(activities.activate, task)

    ended = await found(clocked, org, accepted.id)
    assert (ended.status, ended.document) == (AcceptanceStatus.TERMINATED, None)


async def test_what_nobody_works_on_is_started_whatever_state_it_is_in(
    clocked: Storage, settings: Settings, org: OrganizationId
) -> None:
    make_seal(settings, START)
    workflows = KeptWorkflows()
    activities = activities_of(clocked, settings, workflows)
    accepted = await accept(clocked, org)
    task = Accepted(org, accepted.id)

    await run(activities.start_page, Cursor())
    await run(activities.make_document, task)
    await run(activities.start_page, Cursor())
    await run(activities.activate, task)
    await run(activities.start_page, Cursor())

    assert workflows.started == [accepted.id] * 2


async def test_more_than_a_page_takes_more_than_one_run(clocked: Storage, settings: Settings) -> None:
    workflows = KeptWorkflows()
    activities = activities_of(clocked, settings, workflows)
    org = await make_organization(clocked)
    async with clocked.pool.connection() as connection, connection.cursor() as cursor:
        await cursor.executemany(
            "insert into baa_acceptances (id, org_id, template_version, template_sha256, covers, affirmation,"
            " accepted_at, effective_at, status, awaits_document)"
            " values (%s, %s, '1', %s, '{}', '', %s, %s, 'pending', true)",
            [(f"01{number:024}", org, f"{number:064}", START, START) for number in range(PAGE + 3)],
        )

    first = await run(activities.start_page, Cursor())
    assert isinstance(first, SeenPage)
    second = await run(activities.start_page, first.next)

    assert (first.seen, second) == (PAGE, SeenPage(3))
    assert len(set(workflows.started)) == PAGE + 3


async def test_an_accepted_event_starts_its_work_before_it_is_handed_on(
    clocked: Storage, org: OrganizationId, clock: SetClock
) -> None:
    accepted = await accept(clocked, org)
    workflows, seen = KeptWorkflows(), Seen()

    sink = Starting({"baa.accepted": starts_acceptance(workflows)}, then=seen)
    for event in await claim(clocked.pool, now=clock.now(), lease=DAY, limit=10):
        await sink.receive(event)

    assert workflows.started == [accepted.id]
    assert "baa.accepted" in seen.types


async def test_a_year_tells_of_its_end_three_times_and_then_that_it_has_come(
    clocked: Storage, settings: Settings, org: OrganizationId, clock: SetClock
) -> None:
    acceptance = await put_in_force(clocked, org, expires_at=START + 365 * DAY)

    await pass_days(clocked, settings, clock, 400)

    ends_at = (START + 365 * DAY).isoformat()
    expiring = {"ends_at": ends_at, "reason": "expired"}
    assert (await told(clocked, org))[2:] == [
        ("baa.expiring", expiring | {"days": 90}),
        ("baa.expiring", expiring | {"days": 30}),
        ("baa.expiring", expiring | {"days": 7}),
        ("baa.expired", expiring),
    ]
    assert (await found(clocked, org, acceptance)).status is AcceptanceStatus.EXPIRED


async def test_after_an_outage_only_what_is_true_then_is_told(
    clocked: Storage, settings: Settings, org: OrganizationId, clock: SetClock
) -> None:
    await put_in_force(clocked, org, expires_at=START + 365 * DAY)
    clock.advance(360 * DAY)

    await pass_days(clocked, settings, clock, 10)

    assert [(event, data.get("days")) for event, data in await told(clocked, org)][2:] == [
        ("baa.expiring", 7),
        ("baa.expired", None),
    ]


async def test_workers_that_look_at_once_tell_once(
    clocked: Storage, settings: Settings, org: OrganizationId, clock: SetClock
) -> None:
    await put_in_force(clocked, org, expires_at=START + 365 * DAY)
    clock.advance(300 * DAY)
    activities = activities_of(clocked, settings)

    await asyncio.gather(*(run(activities.keep_page, Cursor()) for _ in range(4)))

    assert len(await told(clocked, org)) == 3


async def test_an_older_text_stays_in_force_until_its_deadline(
    clocked: Storage, settings: Settings, org: OrganizationId, clock: SetClock
) -> None:
    acceptance = await put_in_force(clocked, org, template=templates()[0])

    await pass_days(clocked, settings, clock, 89)
    still = (await found(clocked, org, acceptance)).status_at(clock.now())
    await pass_days(clocked, settings, clock, 3)

    assert still is AcceptanceStatus.ACTIVE
    assert (await found(clocked, org, acceptance)).status is AcceptanceStatus.SUPERSEDED
    assert [(event, data.get("days")) for event, data in await told(clocked, org)][2:] == [
        ("baa.reacceptance_required", None),
        ("baa.expiring", 90),
        ("baa.expiring", 30),
        ("baa.expiring", 7),
        ("baa.expired", None),
    ]


async def test_accepting_the_new_text_ends_the_deadline(
    clocked: Storage, settings: Settings, org: OrganizationId, clock: SetClock
) -> None:
    await put_in_force(clocked, org, template=templates()[0])
    await pass_days(clocked, settings, clock, 80)
    renewed = await put_in_force(clocked, org)

    await pass_days(clocked, settings, clock, 100)

    assert (await found(clocked, org, renewed)).status_at(clock.now()) is AcceptanceStatus.ACTIVE
    assert "baa.expired" not in [event for event, _ in await told(clocked, org)]


async def test_a_text_of_a_later_version_gets_no_deadline_of_an_earlier_worker(
    clocked: Storage, settings: Settings, org: OrganizationId, clock: SetClock
) -> None:
    acceptance = await put_in_force(clocked, org)
    async with clocked.pool.connection() as connection:
        await connection.execute("update baa_acceptances set template_sha256 = %s", ["f" * 64])

    await pass_days(clocked, settings, clock, 2)

    assert (await found(clocked, org, acceptance)).until is None


async def test_a_termination_with_notice_is_told_of_and_comes(
    clocked: Storage, settings: Settings, org: OrganizationId, clock: SetClock
) -> None:
    acceptance = await put_in_force(clocked, org)

    await terminate_agreement(clocked, org, notice=30 * DAY, grace_days=10)
    await pass_days(clocked, settings, clock, 31)

    ended = await found(clocked, org, acceptance)
    assert (ended.status, ended.readable_until) == (AcceptanceStatus.TERMINATED, START + 40 * DAY)
    assert [(event, data.get("days"), data.get("reason")) for event, data in await told(clocked, org)][2:] == [
        ("baa.terminated", None, None),
        ("baa.expiring", 30, "terminated"),
        ("baa.expiring", 7, "terminated"),
        ("baa.expired", None, "terminated"),
    ]


async def test_personal_data_is_nowhere_outside_its_seal(
    clocked: Storage, settings: Settings, org: OrganizationId, tmp_path: Path
) -> None:
    make_seal(settings, START)
    accepted = await accept(clocked, org)
    activities, task = activities_of(clocked, settings), Accepted(org, accepted.id)
    await run(activities.make_document, task)
    await run(activities.activate, task)

    async with clocked.pool.connection() as connection:
        tables = await (
            await connection.execute("select table_name from information_schema.tables where table_schema = 'public'")
        ).fetchall()
        rows: list[str] = []
        for (table,) in tables:
            query = f'select t::text from "{table}" t'
            rows += [row[0] for row in await (await connection.execute(query.encode())).fetchall()]

    kept = "\n".join(rows)
    assert "privacy@hospital.example" not in kept
    assert "A. Signer" not in kept
    assert b"privacy@hospital.example".hex() not in kept


class Seen:
    def __init__(self) -> None:
        self.types: list[str] = []

    async def receive(self, event: OutboxEvent) -> None:
        self.types.append(event.type)


async def pass_days(storage: Storage, settings: Settings, clock: SetClock, days: int) -> None:
    """With an upkeep every day."""
    activities = activities_of(storage, settings)
    for _ in range(days):
        await run(activities.renew_page, Cursor())
        await run(activities.keep_page, Cursor())
        clock.advance(DAY)
    await run(activities.keep_page, Cursor())
