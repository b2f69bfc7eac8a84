"""What webhooks are told is what their catalogue says: each type of event is made to happen, and compared with it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio.testing import ActivityEnvironment

from activities.audit_checkpoint import AuditCheckpointActivities, CheckpointPage
from activities.key_notices import KeyNoticeActivities
from gateway.agents.agent import NewAgent, RevocationPolicy
from gateway.agents.grants import ToolInvoke
from gateway.agents.issuing import Wish
from gateway.events import EventType
from gateway.ids import EndpointId, EventId, OrganizationId
from gateway.inference.call import Status
from gateway.phi.findings import Entity, Finding
from gateway.phi.report import PhiReport
from gateway.settings import Settings
from gateway.tenancy import KeyMode, PhiMode, Scope
from gateway.webhooks.events import CATALOGUE, VERSION, body
from gateway.webhooks.health import Tried
from storage import Storage, agreements
from storage.agents.issue import issue_credential, rotate_credential
from storage.agents.lifecycles import remind
from storage.agents.registration import change_agent, reactivate_agent, register_agent
from storage.agents.revocation import archive, revoke
from storage.audit_keys import signing_key
from storage.end_users import erasing
from storage.end_users.erasures import Certified
from storage.end_users.exports.writing import EndUserExportWriting
from storage.holds import expire_lapsed
from storage.key_issue import change_key, issue_key, revoke_key, rotate_key
from storage.onboarding import change_policy
from storage.periods import GRACE, close_oldest
from storage.pool import durable, fetch
from storage.sequencer import Sequencer
from storage.webhooks.health import judge
from tests import end_user_exports as exports
from tests import erasures
from tests.activities.agreements import put_in_force
from tests.activities.conftest import SetClock
from tests.activities.test_audit_export import request, write
from tests.storage.past import made_at, opened_at, purged
from tests.storage.test_books import a_call, refused
from tests.storage.webhooks import put_endpoint
from tests.tenants import failed, make_outcome, make_tenant

DAY = timedelta(days=1)
Provoke = Callable[[Storage, SetClock], Awaitable[None]]


@pytest_asyncio.fixture
async def storage(settings: Settings, clock: SetClock) -> AsyncIterator[Storage]:
    opened = await Storage.open(settings, clock=clock)
    yield opened
    await opened.close()


async def keys(storage: Storage, clock: SetClock) -> None:
    tenant, end = await make_tenant(storage), clock.now() + 20 * DAY
    async with storage.as_operator(tenant.org, command="test") as tx:
        wanted: dict[str, Any] = {"name": "x", "scopes": [Scope.AI_CHAT], "mode": KeyMode.LIVE}
        key, _ = await issue_key(tx, **wanted, expires_at=end)
        await change_key(tx, key.id, {"name": "y"})
        await rotate_key(tx, key.id, grace_s=60)
        gone, _ = await issue_key(tx, **wanted)
        await revoke_key(tx, gone.id)
    for at in (end - 7 * DAY, end):
        clock.time = at
        await ActivityEnvironment().run(KeyNoticeActivities(storage.pool, clock).tell_page)


async def calls(storage: Storage, clock: SetClock) -> None:
    tenant = await make_tenant(storage, allotment=1_000)
    await change_policy(storage, tenant.org, {"alert_thresholds": (50,)})
    finding = Finding("messages[0].content", 0, 3, Entity.PERSON, 900, "[NAME_1]")
    report = PhiReport.of(PhiMode.REDACT, "redacted", [finding])
    first = make_outcome(await opened_at(storage, tenant, clock.now()), charge=600)
    await storage.journal.close(replace(first, report=report))
    blocked = failed(make_outcome(await opened_at(storage, tenant, clock.now())))
    report = PhiReport.of(PhiMode.BLOCK, "none", [finding])
    await storage.journal.close(replace(blocked, status=Status.BLOCKED, report=report))
    await storage.journal.close(make_outcome(await opened_at(storage, tenant, clock.now()), charge=400))
    await refused(storage, await a_call(storage, await make_tenant(storage, allotment=10)), 11)
    await opened_at(storage, await make_tenant(storage), clock.now())
    await expire_lapsed(storage.pool, SetClock(datetime.now(UTC) + DAY))


async def periods(storage: Storage, clock: SetClock) -> None:
    tenant = await make_tenant(storage)
    await made_at(storage, tenant, clock.now())
    await close_oldest(storage.pool, tenant.org, datetime(2026, 4, 1, tzinfo=UTC) + GRACE)


async def contracts(storage: Storage, clock: SetClock) -> None:
    tenant = await make_tenant(storage, agreement=False)
    acceptance = await put_in_force(storage, tenant.org, expires_at=clock.now() + 365 * DAY)
    async with storage.as_operator(tenant.org, command="test") as tx:
        await agreements.require_reacceptance(tx, acceptance, now=clock.now(), within=90 * DAY)
    for days in (85, 95):
        clock.time += days * DAY
        async with storage.as_operator(tenant.org, command="test") as tx:
            await agreements.keep_up(tx, acceptance, now=clock.now())
    await put_in_force(storage, tenant.org)
    async with storage.as_operator(tenant.org, command="test") as tx:
        await agreements.terminate(tx, now=clock.now(), notice=DAY)


async def proofs(storage: Storage, clock: SetClock) -> None:
    export = await request(storage, await make_tenant(storage))
    key = signing_key(storage.keyring.audit)
    while await Sequencer(storage.pool, clock, key).seal():
        pass
    await write(storage, export)
    checkpoints = AuditCheckpointActivities(storage.pool, clock, key, None)
    await ActivityEnvironment().run(checkpoints.checkpoint_page, CheckpointPage())


async def retention(storage: Storage, clock: SetClock) -> None:
    tenant = await make_tenant(storage, retention_days=60)
    await made_at(storage, tenant, clock.now())
    await change_policy(storage, tenant.org, {"retention_days": 30})
    await purged(storage, tenant, clock.now() + 90 * DAY)


async def endpoints(storage: Storage, clock: SetClock) -> None:
    endpoint = EndpointId(await put_endpoint(storage, await make_tenant(storage)))
    ends = [clock.now() + timedelta(hours=n) for n in range(122)]
    tries = [(Tried(is_delivered=False, began=end, over=end), False) for end in ends]
    async with durable(storage.pool) as connection, connection.transaction():
        await judge(connection, {endpoint: tries}, now=ends[-1])


async def agents(storage: Storage, clock: SetClock) -> None:
    tenant = await make_tenant(storage)
    wanted = NewAgent("Triage", None, None, (), 8, RevocationPolicy.KILL, None, None, None)
    wish = Wish("Night shift", (ToolInvoke("bash"),), delegating_user="j.reyes")
    issued: dict[str, Any] = {"by": KeyMode.LIVE, "owner": None, "now": clock.now()}
    async with storage.as_operator(tenant.org, command="test") as tx:
        agent = (await register_agent(tx, wanted)).id
        await change_agent(tx, agent, {"credit_cap": 5})
        rotated, _ = await issue_credential(tx, agent, wish, **issued)
        _, successor, _ = await rotate_credential(tx, agent, rotated.id, overlap=timedelta(hours=1))
    await remind(storage.pool, successor.id, ends_at=successor.ends_at, now=clock.now())
    async with storage.as_operator(tenant.org, command="test") as tx:
        await revoke(tx, successor.id, reason="lost")
        await archive(tx, agent)
        await reactivate_agent(tx, agent)


async def people(storage: Storage, clock: SetClock) -> None:
    tenant = await make_tenant(storage)
    person = await erasures.make_person(storage, tenant, calls=1, name=exports.NAME)
    written = await exports.ask(storage, tenant)
    await exports.write(storage, tenant, written)
    given_up = await exports.ask(storage, tenant)
    await EndUserExportWriting(storage.pool, storage.cipher, clock).fail(tenant.org, given_up.id, "unreadable")
    await erasures.set_hold(storage, person)
    await erasures.restrict(storage, await erasures.request(storage, person))
    await erasures.set_hold(storage, person, is_set=False)
    erased = await erasures.shredded(storage, person)
    await erasing.finish(storage, erased, Certified({}), at=clock.now())


PROVOKED: dict[Provoke, set[EventType]] = {
    agents: {each for each in EventType if each.startswith("agent.")} - {EventType.AGENT_CASCADE_BEGUN},
    keys: {each for each in EventType if each.startswith("api_key.")},
    calls: {
        EventType.AI_REQUEST_COMPLETED,
        EventType.AI_REQUEST_FAILED,
        EventType.PHI_REDACTED,
        EventType.PHI_BLOCKED,
        EventType.BUDGET_THRESHOLD_REACHED,
        EventType.CREDITS_EXHAUSTED,
        EventType.CREDITS_OVERRUN,
    },
    periods: {EventType.BUDGET_PERIOD_CLOSED, EventType.BUDGET_PERIOD_OPENED},
    contracts: {
        EventType.BAA_ACTIVATED,
        EventType.BAA_REACCEPTANCE_REQUIRED,
        EventType.BAA_EXPIRING,
        EventType.BAA_EXPIRED,
        EventType.BAA_TERMINATED,
    },
    proofs: {EventType.AUDIT_CHECKPOINT, EventType.AUDIT_EXPORT_READY},
    retention: {EventType.RETENTION_REDUCED, EventType.RETENTION_PURGED},
    people: {
        EventType.EXPORT_READY,
        EventType.EXPORT_FAILED,
        EventType.END_USER_ERASURE_HELD,
        EventType.END_USER_ERASED,
    },
    endpoints: {EventType.WEBHOOK_ENDPOINT_FAILING, EventType.WEBHOOK_ENDPOINT_DISABLED},
}


@pytest.mark.parametrize("provoke", PROVOKED)
async def test_an_event_is_as_its_example_shows_it(storage: Storage, clock: SetClock, provoke: Provoke) -> None:
    await provoke(storage, clock)

    told = await fetch(storage.pool, "select type, data from outbox")
    assert PROVOKED[provoke] <= {kind for kind, _ in told}
    for kind, data in told:
        if subject := CATALOGUE.get(kind):
            assert data.keys() | subject.sometimes == subject.example.keys(), kind
            assert {name: type(data[name]) for name in data if data[name] is not None} == {
                name: type(subject.example[name]) for name in data if data[name] is not None
            }, kind


def test_every_event_of_the_catalogue_is_made_to_happen_unless_nothing_tells_of_it_yet() -> None:
    told = {kind for kind, subject in CATALOGUE.items() if subject.is_told}

    assert set().union(*PROVOKED.values()) == told


@pytest.mark.parametrize("kind", CATALOGUE)
def test_a_body_is_thin_and_always_the_same(kind: str) -> None:
    told: dict[str, Any] = {
        "org": OrganizationId("01K0B6W4M7RT2V9YQ3X5ZC8D1E"),
        "at": datetime.fromisoformat("2026-04-01T00:00:00+00:00"),
    }
    data = CATALOGUE[kind].example
    event = EventId("01K0B6W4M7RT2V9YQ3X5ZC8D1E")

    made = body(event, kind, **told, data=data)

    assert made == body(event, kind, **told, data={name: data[name] for name in sorted(data, reverse=True)})
    assert len(made) < 2_000
    assert VERSION.encode() in made


def test_a_body_has_what_was_published_and_what_standard_webhooks_ask_for() -> None:
    made = body(
        EventId("01K0B6W4M7RT2V9YQ3X5ZC8D1E"),
        "record.created",
        org=OrganizationId("01K0B6W4M7RT2V9YQ3X5ZC8D1F"),
        at=datetime.fromisoformat("2026-04-01T00:00:00+00:00"),
        data={"app_id": "01K0B6W4M7RT2V9YQ3X5ZC8D1G", "entity_key": "visit", "record_id": "1"},
    )

    assert made == (
        b'{"api_version":"2026-04-01","app_id":"01K0B6W4M7RT2V9YQ3X5ZC8D1G",'
        b'"data":{"app_id":"01K0B6W4M7RT2V9YQ3X5ZC8D1G","entity_key":"visit","record_id":"1"},'
        b'"entity_key":"visit","event":"record.created","id":"01K0B6W4M7RT2V9YQ3X5ZC8D1E",'
        b'"organization":"01K0B6W4M7RT2V9YQ3X5ZC8D1F","test":false,"timestamp":"2026-04-01T00:00:00+00:00",'
        b'"type":"record.created"}'
    )
