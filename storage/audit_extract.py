"""What an export is of: which entries, and all that proves them, as of the moment it was asked for."""

from datetime import datetime
from typing import LiteralString

from gateway.audit import GENESIS
from gateway.audit.envelope import Extract
from gateway.errors import UnavailableError
from gateway.ids import OrganizationId
from storage import audit_checkpoints
from storage.audit_keys import audit_keys
from storage.pool import Connection, Pool, repeatable

# Over a log of years this reads long; the pool's own settings are for looking up single rows.
_PATIENTLY: LiteralString = "set local statement_timeout = '10min'; set local enable_seqscan = on; set local jit = off"

_ASKED = """
select x.range_from, x.range_to, x.requested_by, o.name, s.seq, coalesce(s.signed_at, s.sealed_at)
from audit_exports x join organizations o on o.id = x.org_id
left join audit_seals s on s.entry_id = x.audit_entry_id
where x.id = %s and x.org_id = %s
"""

_WITHIN = """
select min(s.seq), max(s.seq) from audit_entries e join audit_seals s on s.entry_id = e.id
where e.org_id = %(org)s and e.created_at between %(start)s and %(end)s and s.seq <= %(last)s
"""

_BEFORE = """
select max(s.seq) from audit_entries e join audit_seals s on s.entry_id = e.id
where e.org_id = %(org)s and e.created_at < %(start)s and s.seq <= %(last)s
"""

_HASH = "select hash from audit_seals where org_id = %s and seq = %s"


async def read_extract(pool: Pool, org: OrganizationId, export_id: str, *, base_url: str) -> Extract:
    """The same each time it is read, but for what has become of the keys since.

    Raises `UnavailableError` until the request's own entry is sealed.
    """

    async def read(connection: Connection) -> tuple[str, str | None, datetime, datetime, datetime, int, int, str]:
        async with connection.transaction():
            await connection.execute(_PATIENTLY)
            asked = await (await connection.execute(_ASKED, [export_id, org])).fetchone()
            if asked is None or asked[4] is None:
                raise UnavailableError(retry_after_s=1)
            start, end, by, name, last_seq, at = asked
            first, last = await _within(connection, org, start, end, last_seq)
            row = await (await connection.execute(_HASH, [org, last])).fetchone()
        return name, by, start, end, at, first, last, row[0] if row else GENESIS

    tenant, by, start, end, at, first, last, head = await repeatable(pool, read)
    checkpoints, anchors = await audit_checkpoints.between(pool, org, first, last, until=at)
    return Extract(
        org=org,
        tenant=tenant,
        start=start,
        end=end,
        exported_at=at,
        exported_by=by,
        first_seq=first,
        entry_count=last - first + 1,
        head=head,
        keys=[known.key for known in await audit_keys(pool)],
        checkpoints=checkpoints,
        # The layout has room for authorities that are reached over https only.
        anchors=[anchor for anchor in anchors if anchor.tsa_url.startswith("https://")],
        keys_url=f"{base_url}/trust/keys/{org}" if base_url.startswith("https://") else None,
    )


async def _within(
    connection: Connection, org: OrganizationId, start: datetime, end: datetime, last: int
) -> tuple[int, int]:
    """First and last entry; where there is none between, the last is the one before the range."""
    named = {"org": org, "start": start, "end": end, "last": last}
    found = await (await connection.execute(_WITHIN, named)).fetchone()
    if found is not None and found[0] is not None:
        return found[0], found[1]
    before = await (await connection.execute(_BEFORE, named)).fetchone()
    last_before = (before[0] if before else None) or 0
    return last_before + 1, last_before
