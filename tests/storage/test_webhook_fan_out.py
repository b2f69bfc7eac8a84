"""An event and its deliveries are one transaction: whoever writes the one writes the others."""

import pytest

from gateway.audit import AuditAction
from gateway.events import Event, EventType
from gateway.ids import PLATFORM
from gateway.webhooks.events import CATALOGUE, INTERNAL
from storage import Storage
from storage.key_issue import issue_key
from storage.pool import durable
from tests.storage.webhooks import deliveries, put_endpoint, put_event
from tests.tenants import HAIKU, make_call, make_outcome, make_tenant


async def test_an_event_is_for_those_who_asked_for_it(storage: Storage) -> None:
    tenant, stranger = await make_tenant(storage), await make_tenant(storage)
    everything = await put_endpoint(storage, tenant)
    this = await put_endpoint(storage, tenant, ["phi.blocked", "phi.redacted"])
    await put_endpoint(storage, tenant, ["baa.expired"])
    await put_endpoint(storage, tenant, state="deleted")
    await put_endpoint(storage, stranger)

    event = await put_event(storage, tenant, "phi.blocked")

    assert sorted(await deliveries(storage, tenant)) == sorted(
        (endpoint, event, "phi.blocked", "pending") for endpoint in (everything, this)
    )
    assert await deliveries(storage, stranger) == []


@pytest.mark.parametrize(("state", "becomes"), [("active", "pending"), ("paused", "pending"), ("disabled", "skipped")])
async def test_an_event_waits_for_what_is_paused_and_is_skipped_by_what_is_disabled(
    storage: Storage, state: str, becomes: str
) -> None:
    tenant = await make_tenant(storage)
    endpoint = await put_endpoint(storage, tenant, state=state)

    event = await put_event(storage, tenant, "phi.blocked")

    assert await deliveries(storage, tenant) == [(endpoint, event, "phi.blocked", becomes)]


async def test_whoever_wants_everything_gets_every_public_event_and_no_internal_one(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    await put_endpoint(storage, tenant)

    for kind in EventType:
        await put_event(storage, tenant, kind)

    assert {kind for _, _, kind, _ in await deliveries(storage, tenant)} == set(CATALOGUE)
    assert set(CATALOGUE) | INTERNAL == set(EventType)


async def test_a_call_that_ends_is_delivered_with_its_own_transaction(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    endpoint = await put_endpoint(storage, tenant)
    call = make_call(await storage.access.resolve(tenant.token))
    await storage.journal.open(call, HAIKU, 500)

    await storage.journal.close(make_outcome(call))
    await storage.journal.close(make_outcome(call))

    assert [(row[0], row[2]) for row in await deliveries(storage, tenant)] == [(endpoint, "ai.request.completed")]


async def test_what_is_rolled_back_is_delivered_to_nobody(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    await put_endpoint(storage, tenant)
    access = await storage.access.resolve(tenant.token)

    async def give_up() -> None:
        async with storage.begin(access.principal) as tx:
            await issue_key(tx, name="x", scopes=tenant.key.scopes, mode=tenant.key.mode)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await give_up()

    assert await deliveries(storage, tenant) == []


async def test_a_tenant_s_own_transaction_fans_out(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    endpoint = await put_endpoint(storage, tenant)

    async with storage.as_operator(tenant.org, command="test") as tx:
        tx.tell(Event(EventType.PHI_BLOCKED, {}))
        tx.audit(AuditAction.POLICY_UPDATED, entity_type="organization", entity_id=tenant.org)

    assert [row[0] for row in await deliveries(storage, tenant)] == [endpoint]


async def test_deliveries_are_in_the_order_of_their_events(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    await put_endpoint(storage, tenant)

    ids = [await put_event(storage, tenant, "phi.blocked") for _ in range(3)]

    assert [event[:10] for _, event, _, _ in await deliveries(storage, tenant)] == sorted(id_[:10] for id_ in ids)


async def test_one_row_security_hides_webhooks_of_others(storage: Storage) -> None:
    tenant, stranger = await make_tenant(storage), await make_tenant(storage)
    await put_endpoint(storage, tenant)
    await put_event(storage, tenant, "phi.blocked")

    async with durable(storage.pool) as connection, connection.transaction():
        await connection.execute("select set_config('hasp.system', 'off', true)")
        for org, seen in ((stranger.org, 0), (PLATFORM, 0), (tenant.org, 1)):
            await connection.execute("select set_config('hasp.organization', %s, true)", [org])
            found = await connection.execute("select id from webhook_deliveries")
            assert found.rowcount == seen


async def test_an_event_of_a_type_that_came_later_goes_to_who_wants_everything(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    await put_endpoint(storage, tenant)

    await put_event(storage, tenant, "agent.renamed")

    assert [kind for _, _, kind, _ in await deliveries(storage, tenant)] == ["agent.renamed"]
