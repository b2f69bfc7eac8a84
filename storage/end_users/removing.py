"""What is left of a person whose key is destroyed is taken away, in small transactions that count what they took.

None of it opens any more. Each is safe to repeat, and to run at once: what is gone is not counted again.
"""

from typing import LiteralString

from gateway.clock import Clock
from gateway.end_users.classes import RecordClass
from gateway.end_users.erasure import Erasure
from storage.pool import Connection, Pool, fetch, repeatable

_RECORDS = 1_000
_ANSWERS = 5_000
_PARTS = 20
"""Of some megabytes each."""

_RUNNING = """
select 1 from credit_holds h join inferences i on i.id = h.id
where h.org_id = %(org)s and h.state = 'open' and i.end_user_id = %(end_user)s limit 1
"""

# Who asks first has the others wait: each counts what it took itself.
_TURN = "select 1 from end_user_erasures where id = %(erasure)s and state = 'shredded' for update"

_PAGE = """
select id from inferences where org_id = %(org)s and end_user_id = %(end_user)s and id > %(after)s
order by org_id, end_user_id, id limit %(limit)s
"""

# A process that sleeps beyond its lease may wake and settle its lost call. From here on it cannot.
_GIVE_UP = """
update credit_holds set state = 'voided', closed_at = %(now)s where id = any(%(ids)s) and state = 'expired'
"""

_EMPTY = """
with had as (
  select id, request_content is not null or answer_content is not null as has_content from inferences
  where id = any(%(ids)s) and org_id = %(org)s and num_nonnulls(request_content, answer_content, seals) > 0
  order by id for update),
emptied as (
  update inferences i set request_content = null, answer_content = null, seals = null from had where i.id = had.id)
select count(*) filter (where has_content) from had
"""

_UNFIND = """
with gone as (delete from phi_findings where inference_id = any(%(ids)s) and org_id = %(org)s returning 1)
select count(*) from gone
"""

_FORGET: LiteralString = """
with page as (
  select digest, inference_id from idempotency_keys where org_id = %(org)s and digest > %(after)s
  order by org_id, digest limit %(limit)s),
gone as (
  delete from idempotency_keys k using page join inferences i on i.id = page.inference_id
  where k.org_id = %(org)s and k.digest = page.digest and i.end_user_id = %(end_user)s returning 1)
select (select digest from page order by digest desc limit 1), (select count(*) from gone)
"""

_UNPACK = """
delete from end_user_export_parts where (export_id, number) in (
  select p.export_id, p.number from end_user_export_parts p join end_user_exports e on e.id = p.export_id
  where e.org_id = %(org)s and e.end_user_id = %(end_user)s limit %(limit)s for update of p skip locked)
returning 1
"""

_COUNT = """
update end_user_erasures set counts = counts || jsonb_build_object(
  %(kind)s::text, coalesce((counts ->> %(kind)s::text)::bigint, 0) + %(count)s) where id = %(erasure)s
"""


class Removing:
    """Of one erasure. A writer that it meets finds its export cancelled and its call given up."""

    def __init__(self, pool: Pool, clock: Clock, erasure: Erasure) -> None:
        self._pool = pool
        self._clock = clock
        self._named = {"org": erasure.org, "end_user": erasure.end_user, "erasure": erasure.id}

    async def is_anything_running(self) -> bool:
        """Whether a call of theirs has not come to its end: it would leave something behind."""
        return bool(await fetch(self._pool, _RUNNING, self._named))

    async def records(self, after: str) -> str | None:
        """Take away what the next records behind the id `after` have beside their shells. None: those were the last."""

        async def take(connection: Connection) -> str | None:
            async with connection.transaction():
                return await self._records(connection, after)

        return await repeatable(self._pool, take)

    async def answers(self, after: bytes) -> bytes | None:
        """The same for idempotency keys of the organisation behind the digest `after`."""

        async def take(connection: Connection) -> bytes | None:
            async with connection.transaction():
                await connection.execute(_TURN, self._named)
                named = {**self._named, "after": after, "limit": _ANSWERS}
                ((last, count),) = await (await connection.execute(_FORGET, named)).fetchall()
                await self._count(connection, RecordClass.IDEMPOTENCY, count)
                return None if last is None else bytes(last)

        return await repeatable(self._pool, take)

    async def export_parts(self) -> bool:
        """Take some parts of exports away. False: there are none left."""
        return bool(await fetch(self._pool, _UNPACK, {**self._named, "limit": _PARTS}))

    async def _records(self, connection: Connection, after: str) -> str | None:
        await connection.execute(_TURN, self._named)
        page = await connection.execute(_PAGE, {**self._named, "after": after, "limit": _RECORDS})
        ids = [row[0] for row in await page.fetchall()]
        if not ids:
            return None
        named = {**self._named, "ids": ids, "now": self._clock.now()}
        await connection.execute(_GIVE_UP, named)
        ((content,),) = await (await connection.execute(_EMPTY, named)).fetchall()
        ((findings,),) = await (await connection.execute(_UNFIND, named)).fetchall()
        await self._count(connection, RecordClass.CONTENT, content)
        await self._count(connection, RecordClass.FINDINGS, findings)
        return ids[-1]

    async def _count(self, connection: Connection, kind: RecordClass, count: int) -> None:
        await connection.execute(_COUNT, {**self._named, "kind": kind.value, "count": count})
