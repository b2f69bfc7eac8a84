"""What the planner keeps of values: samples of nothing that is sealed, which would outlive its destruction."""

from dataclasses import replace

import psycopg

from gateway.ids import new_ulid
from storage import Storage
from tests.conftest import Database
from tests.tenants import HAIKU, make_call, make_conversation, make_outcome, make_tenant


async def test_no_statistics_are_kept_of_what_is_sealed(storage: Storage, database: Database) -> None:
    for number in range(3):
        tenant = await make_tenant(storage)
        named = replace(make_conversation("Hello"), end_user=f"{new_ulid()}-{number}")
        call = make_call(await storage.access.resolve(tenant.token), conversation=named)
        await storage.journal.open(call, HAIKU, 500)
        await storage.journal.close(make_outcome(call))

    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("analyze")
        kept = owner.execute(
            "select s.tablename, s.attname from pg_stats s join pg_attribute a on a.attname = s.attname"
            " and a.attrelid = format('public.%I', s.tablename)::regclass"
            " where s.schemaname = 'public' and a.atttypid = 'bytea'::regtype"
            " and s.tablename in ('content_keys', 'data_keys', 'end_users', 'end_user_keys', 'end_user_exports',"
            " 'end_user_export_parts', 'end_user_digest_keys', 'inferences')"
        ).fetchall()
        analyzed = owner.execute("select count(*) from pg_stats where tablename = 'inferences'").fetchone()
    assert kept == []
    assert analyzed is not None
    assert analyzed[0] > 0
