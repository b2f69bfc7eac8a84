"""Wrapping keys anew after their root key was rotated: what they seal is not touched."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, LiteralString

from storage.content_keys import content_key_context
from storage.data_keys import data_key_context
from storage.pool import Pool, fetch
from storage.root_keys import RootKeys

_ROWS = 1000
_WRAPPED_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class _Table:
    """Wrapped keys by their organisation and number."""

    page: LiteralString
    change: LiteralString
    context: Callable[[str, Any], bytes]
    before_all: Any


_TABLES = (
    _Table(
        """
        select org_id, version, wrapped, root_key from data_keys where (org_id, version) > (%(org)s, %(number)s)
        order by org_id, version limit %(rows)s
        """,
        """
        update data_keys k set wrapped = n.fresh, root_key = %(name)s
        from unnest(%(orgs)s::text[], %(numbers)s::int[], %(stale)s::bytea[], %(fresh)s::bytea[])
          as n(org_id, number, stale, fresh)
        where k.org_id = n.org_id and k.version = n.number and k.wrapped = n.stale returning 1
        """,
        data_key_context,
        0,
    ),
    _Table(
        """
        select org_id, day, wrapped, root_key from content_keys where (org_id, day) > (%(org)s, %(number)s)
        order by org_id, day limit %(rows)s
        """,
        """
        update content_keys k set wrapped = n.fresh, root_key = %(name)s
        from unnest(%(orgs)s::text[], %(numbers)s::date[], %(stale)s::bytea[], %(fresh)s::bytea[])
          as n(org_id, number, stale, fresh)
        where k.org_id = n.org_id and k.day = n.number and k.wrapped = n.stale returning 1
        """,
        content_key_context,
        date.min,
    ),
)


async def rewrap(pool: Pool, root_keys: RootKeys, *, everything: bool = False) -> int:
    """Wrap every data and content key that is not under the newest root key; returns how many.

    `everything`: whatever they are under, for a key service that rotates without a new name. Goes by batches, each
    committed by itself, and may be repeated or run at the same time. A key that is destroyed meanwhile stays
    destroyed. Raises `UnwrapError` for a key that does not unwrap, and `UnavailableError`.
    """
    return sum([await _rewrap_table(pool, root_keys, table, everything=everything) for table in _TABLES])


async def _rewrap_table(pool: Pool, root_keys: RootKeys, table: _Table, *, everything: bool) -> int:
    done, org, number = 0, "", table.before_all
    while page := await fetch(pool, table.page, {"org": org, "number": number, "rows": _ROWS}):
        stale = [
            (*row[:2], bytes(row[2])) for row in page if row[2] is not None and (everything or row[3] != root_keys.name)
        ]
        for first in range(0, len(stale), _WRAPPED_AT_ONCE):
            done += await _change(pool, root_keys, table, stale[first : first + _WRAPPED_AT_ONCE])
        org, number = page[-1][:2]
    return done


async def _change(pool: Pool, root_keys: RootKeys, table: _Table, stale: list[tuple[str, Any, bytes]]) -> int:
    async def wrapped_anew(org: str, number: object, wrapped: bytes) -> bytes:
        context = table.context(org, number)
        return await root_keys.wrap(await root_keys.unwrap(wrapped, context=context), context=context)

    fresh = await asyncio.gather(*(wrapped_anew(*row) for row in stale))
    orgs, numbers, before = zip(*stale, strict=True)
    changed = {
        "name": root_keys.name,
        "orgs": [*orgs],
        "numbers": [*numbers],
        "stale": [*before],
        "fresh": fresh,
    }
    return len(await fetch(pool, table.change, changed))
