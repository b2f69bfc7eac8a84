"""Who may do what, as every API process sees it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import psycopg
import pytest
import pytest_asyncio

from gateway.audit import AuditAction
from gateway.errors import InvalidApiKeyError, UnavailableError
from gateway.keys.api_key import RevokedApiKeyError
from gateway.settings import Settings
from gateway.tenancy import KeyMode, PhiMode, Scope
from storage import Storage
from storage.onboarding import terminate_agreement
from tests.conftest import Database
from tests.tenants import COVERS, Tenant, make_tenant, put_in_force


@pytest_asyncio.fixture
async def elsewhere(settings: Settings) -> AsyncIterator[Storage]:
    """Another API process, as far as storage can tell: its own pool, cache and channel."""
    opened = await Storage.open(settings)
    await eventually(lambda: resolved(opened.access.listening))
    yield opened
    await opened.close()


async def resolved(value: bool) -> bool:
    return value


async def eventually(holds: Callable[[], Awaitable[bool]], *, within_s: float = 1.0) -> None:
    """Waits for what another process is promised to see within a second; polling is the only way to look."""
    async with asyncio.timeout(within_s):
        while not await holds():  # noqa: ASYNC110 - the other process has no event to give us
            await asyncio.sleep(0.01)


async def revoke(storage: Storage, tenant: Tenant) -> None:
    async with storage.as_operator(tenant.org, command="test") as tx:
        await tx.keys.revoke(tenant.key.id)
        tx.audit(AuditAction.API_KEY_REVOKED, entity_type="api_key", entity_id=tenant.key.id)


async def test_a_key_resolves_to_its_organisation_scopes_and_agreement(storage: Storage) -> None:
    tenant = await make_tenant(storage, scopes=[Scope.AI_CHAT])

    access = await storage.access.resolve(tenant.token)

    assert access.principal.org == tenant.org
    assert access.principal.scopes == {Scope.AI_CHAT}
    assert access.principal.mode is KeyMode.LIVE
    assert access.policy.agreement is not None
    assert access.policy.agreement.covers == set(COVERS)


@pytest.mark.parametrize("token", ["", "hasp_key_live_short", "sk-ant-something", f"hasp_key_live_{'é' * 32}"])
async def test_what_is_no_key_is_refused(storage: Storage, token: str) -> None:
    with pytest.raises(InvalidApiKeyError):
        await storage.access.resolve(token)


async def test_an_unknown_key_is_refused(storage: Storage) -> None:
    with pytest.raises(InvalidApiKeyError):
        await storage.access.resolve(f"hasp_key_live_{'A' * 32}")


async def test_a_revocation_reaches_another_process_within_a_second(storage: Storage, elsewhere: Storage) -> None:
    tenant = await make_tenant(storage)
    await elsewhere.access.resolve(tenant.token)

    await revoke(storage, tenant)

    async def refused() -> bool:
        try:
            await elsewhere.access.resolve(tenant.token)
        except RevokedApiKeyError:
            return True
        return False

    await eventually(refused)


async def test_a_process_that_cannot_hear_reads_every_time(
    storage: Storage, elsewhere: Storage, database: Database
) -> None:
    tenant = await make_tenant(storage)
    await elsewhere.access.resolve(tenant.token)
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("alter role hasp_app connection limit 0")
        try:
            owner.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'hasp-access' and datname = current_database()"
            )
            await eventually(lambda: resolved(not elsewhere.access.listening), within_s=5)
            await revoke(storage, tenant)
            with pytest.raises(RevokedApiKeyError):
                await elsewhere.access.resolve(tenant.token)
        finally:
            owner.execute("alter role hasp_app connection limit -1")


async def test_a_policy_change_reaches_another_process_within_a_second(storage: Storage, elsewhere: Storage) -> None:
    tenant = await make_tenant(storage)
    await elsewhere.access.resolve(tenant.token)

    async with storage.as_operator(tenant.org, command="test") as tx:
        await tx.organization.set_policy(phi_mode=PhiMode.BLOCK)
        tx.audit(AuditAction.POLICY_UPDATED, entity_type="organization", entity_id=tenant.org)

    async def blocks() -> bool:
        return (await elsewhere.access.resolve(tenant.token)).policy.phi_mode is PhiMode.BLOCK

    await eventually(blocks)


async def test_an_agreement_opens_and_closes_the_gate_of_another_process(storage: Storage, elsewhere: Storage) -> None:
    tenant = await make_tenant(storage, agreement=False)

    async def covered() -> bool:
        return (await elsewhere.access.resolve(tenant.token)).policy.agreement is not None

    async def uncovered() -> bool:
        return not await covered()

    assert await uncovered()
    await put_in_force(storage, tenant.org)
    await eventually(covered)
    await terminate_agreement(storage, tenant.org, notice=timedelta(), grace_days=30)
    await eventually(uncovered)


async def test_without_a_database_no_key_is_good(settings: Settings) -> None:
    away = settings.model_copy(update={"database_url": "postgresql://hasp_app:x@127.0.0.1:1/none"})
    storage = await Storage.open(away)
    try:
        with pytest.raises(UnavailableError):
            await storage.access.resolve(f"hasp_key_live_{'A' * 32}")
    finally:
        await storage.close()


async def test_the_stored_digest_is_keyed_by_the_pepper(storage: Storage, database: Database) -> None:
    import hashlib

    tenant = await make_tenant(storage)

    with psycopg.connect(database.owner_url) as connection:
        ((stored,),) = connection.execute("select digest from api_keys").fetchall()

    assert bytes(stored) != hashlib.sha256(tenant.token.encode()).digest()
    assert tenant.token.encode() not in bytes(stored)
