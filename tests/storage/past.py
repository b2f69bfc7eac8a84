"""Calls of any day, and what is left of them."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import psycopg
from ulid import ULID

from gateway.conversation import Conversation
from gateway.ids import ConversationId, InferenceId
from gateway.inference.call import Call
from storage import Storage
from storage.retention import PurgeStep, purge_step
from tests.conftest import Database
from tests.tenants import HAIKU, Tenant, make_call, make_outcome, make_tenant

ACTOR = "system:test"


async def retaining(storage: Storage, days: int) -> Tenant:
    """An organisation whose retention has been `days` for long."""
    tenant = await make_tenant(storage)
    async with storage.pool.connection() as connection:
        await connection.execute("update organizations set retention_days = %s where id = %s", [days, tenant.org])
    return tenant


async def opened_at(
    storage: Storage,
    tenant: Tenant,
    at: datetime,
    *,
    thread: ConversationId | None = None,
    store: bool = True,
    conversation: Conversation | None = None,
) -> Call:
    """A call that was asked then, by its id too, and runs."""
    access = await storage.access.resolve(tenant.token)
    call = make_call(access, at=at, thread=thread, store=store, conversation=conversation)
    call = replace(call, id=InferenceId(str(ULID.from_datetime(at))))
    await storage.journal.open(call, HAIKU, 100)
    return call


async def made_at(
    storage: Storage, tenant: Tenant, at: datetime, *, thread: ConversationId | None = None, store: bool = True
) -> Call:
    """A call that was answered then."""
    call = await opened_at(storage, tenant, at, thread=thread, store=store)
    await storage.journal.close(make_outcome(call))
    return call


async def purged(storage: Storage, tenant: Tenant, now: datetime, *, batch: int = 1_000) -> list[PurgeStep]:
    """All that is due at `now`, step by step."""
    steps: list[PurgeStep] = []
    while not steps or not steps[-1].is_idle:
        steps.append(await purge_step(storage.pool, tenant.org, now=now, actor=ACTOR, batch=batch))
    return steps[:-1]


def left(database: Database, tenant: Tenant) -> list[str]:
    """Ids of the records there are."""
    return _column(database, "select id from inferences where org_id = %s order by id", tenant)


def usable_days(database: Database, tenant: Tenant) -> list[str]:
    """Days whose keys were not destroyed."""
    query = "select day::text from content_keys where org_id = %s and destroyed_at is null order by day"
    return _column(database, query, tenant)


def books_of(database: Database) -> list[tuple[Any, ...]]:
    """Rows that outlive content."""
    with psycopg.connect(database.owner_url) as owner:
        return [
            row
            for table in ("usage_records", "credit_holds", "credit_entries")
            for row in owner.execute(f"select t::text from {table} t order by 1".encode()).fetchall()
        ] + owner.execute(
            "select e::text from audit_entries e where action not like 'retention.%%' order by id", []
        ).fetchall()


def _column(database: Database, query: str, tenant: Tenant) -> list[str]:
    with psycopg.connect(database.owner_url) as owner:
        return [row[0] for row in owner.execute(query.encode(), [tenant.org]).fetchall()]
