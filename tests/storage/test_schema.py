"""The schema as migrations make it, and the second wall between tenants."""

import psycopg
import pytest

from gateway.clock import SystemClock
from gateway.errors import NotFoundError, ValidationFailedError
from storage import Storage
from storage.migrate import downgrade, drift, upgrade
from storage.transaction import UnauditedChangeError
from tests.conftest import Database
from tests.tenants import make_tenant


def test_the_migrations_make_what_the_code_declares(database: Database) -> None:
    assert drift(database.owner_url) == []


def test_the_migrations_go_down_and_up_again(database: Database) -> None:
    downgrade(database.owner_url)
    with psycopg.connect(database.owner_url) as connection:
        left = connection.execute(
            "select tablename from pg_tables where schemaname = 'public' and tablename <> 'alembic_version'"
        ).fetchall()
    assert left == []

    upgrade(database.owner_url)
    assert drift(database.owner_url) == []


async def test_a_connection_that_names_no_organisation_sees_nothing(storage: Storage, database: Database) -> None:
    await make_tenant(storage)

    with psycopg.connect(database.app_url) as connection:
        counts = connection.execute(
            "select (select count(*) from organizations), (select count(*) from api_keys),"
            " (select count(*) from audit_entries), (select count(*) from data_keys)"
        ).fetchone()

    assert counts == (0, 0, 0, 0)


async def test_a_row_of_another_organisation_cannot_be_written(storage: Storage, database: Database) -> None:
    tenant, victim = await make_tenant(storage), await make_tenant(storage)

    with psycopg.connect(database.app_url) as connection:
        connection.execute("select set_config('hasp.organization', %s, true)", [tenant.org])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(
                "insert into outbox (id, org_id, type, data, created_at) values ('x', %s, 'x', '{}', now())",
                [victim.org],
            )


async def test_a_change_without_an_audit_entry_does_not_commit(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    access = await storage.access.resolve(tenant.token)

    with pytest.raises(UnauditedChangeError):
        async with storage.begin(access.principal) as tx:
            await tx.keys.revoke(tenant.key.id)

    async with storage.read(access.principal) as tx:
        page = await tx.keys.page(cursor=None, limit=10, now=SystemClock().now())
    assert [key.id for key in page.items] == [tenant.key.id]


async def test_a_key_of_another_organisation_cannot_be_revoked(storage: Storage) -> None:
    tenant, stranger = await make_tenant(storage), await make_tenant(storage)
    access = await storage.access.resolve(stranger.token)

    with pytest.raises(NotFoundError):
        async with storage.begin(access.principal) as tx:
            await tx.keys.revoke(tenant.key.id)


async def test_a_cursor_that_is_not_ours_is_refused(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    access = await storage.access.resolve(tenant.token)

    with pytest.raises(ValidationFailedError) as refused:
        async with storage.read(access.principal) as tx:
            await tx.keys.page(cursor="bm90IG91cnM", limit=10, now=SystemClock().now())

    assert refused.value.param == "cursor"
