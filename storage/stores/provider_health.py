"""How providers answer, as all processes together saw it. No organisation's: only the system's connections see it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import LiteralString, cast

import orjson
from psycopg.types.json import Jsonb

from gateway.routing.breaker import Circuit, CircuitState
from gateway.routing.health import Observed
from gateway.routing.status import RECENT, Circuits, Record, Slot, Source
from gateway.routing.tally import INTERVALS, Tally
from storage.pool import Pool, durable, fetch

CIRCUIT_COUNTS_FOR = timedelta(seconds=45)
"""A process repeats what it says every ten seconds; one that is silent for longer is gone."""

_ROWS: LiteralString = """
insert into provider_health as h (minute, provider, model, source, ok, busy, failed, timeouts, latency)
select * from jsonb_to_recordset(%s) as r (
    minute timestamptz, provider text, model text, source text,
    ok bigint, busy bigint, failed bigint, timeouts bigint, latency int[]
)
order by minute, provider, model, source
on conflict (minute, provider, model, source) do update set
"""
_ADDED: LiteralString = """
    ok = h.ok + excluded.ok, busy = h.busy + excluded.busy,
    failed = h.failed + excluded.failed, timeouts = h.timeouts + excluded.timeouts,
    latency = array(
        select old + new from unnest(h.latency, excluded.latency) with ordinality as t (old, new, n) order by n
    )
"""
_REPLACED: LiteralString = """
    ok = excluded.ok, busy = excluded.busy, failed = excluded.failed, timeouts = excluded.timeouts,
    latency = excluded.latency
"""
_CIRCUITS = """
with shown as (
    select * from unnest(%(providers)s::text[], %(models)s::text[], %(states)s::text[]) as s (provider, model, state)
), closed as (
    delete from provider_circuits c where process_id = %(process)s
    and not exists (select from shown s where s.provider = c.provider and s.model = c.model)
)
insert into provider_circuits (process_id, provider, model, state, seen_at)
select %(process)s, provider, model, state, now() from shown
on conflict (process_id, provider, model) do update set state = excluded.state, seen_at = excluded.seen_at
"""
_SHOWN = """
select provider, model, bool_or(state = 'open') from provider_circuits
where seen_at > now() - %s group by provider, model
"""


# A sum for each element: unnesting every row to add them up takes several times as long.
_LATENCY = cast("LiteralString", ", ".join(f"sum(latency[{n}])" for n in range(1, INTERVALS + 1)))
_SUMS: LiteralString = (
    "sum(ok)::bigint, sum(busy)::bigint, sum(failed)::bigint, sum(timeouts)::bigint, array[" + _LATENCY + "]"
)
_RECORDS: LiteralString = (
    "select provider, model, source, minute > %(recent)s, max(minute), "  # noqa: S608 - constants of ours
    + _SUMS
    + " from provider_health where minute > %(oldest)s group by 1, 2, 3, 4"
)
_SLOTS: LiteralString = (
    "select date_bin(%(width)s, minute, 'epoch'::timestamptz), provider, source, "  # noqa: S608
    + _SUMS
    + " from provider_health where minute > %(oldest)s group by 1, 2, 3"
)


class ProviderHealth:
    """A `HealthLog`, and the reading side of it. Raises `UnavailableError` without a database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, observed: Sequence[Observed]) -> None:
        """As `HealthLog.add`. When the connection breaks during the commit it may have counted; rates bear that."""
        await self._put(_ROWS + _ADDED, observed, Source.TRAFFIC)

    async def put_probes(self, observed: Sequence[Observed]) -> None:
        """What probes found in their minute, in place of what an earlier probe of the same minute did."""
        await self._put(_ROWS + _REPLACED, observed, Source.PROBE)

    async def show_circuits(self, process_id: str, circuits: Sequence[Circuit]) -> None:
        shown = {
            "process": process_id,
            "providers": [circuit.upstream for circuit in circuits],
            "models": [circuit.model for circuit in circuits],
            "states": [circuit.state.value for circuit in circuits],
        }
        await fetch(self._pool, _CIRCUITS, shown)

    async def records(self, *, recent: datetime, oldest: datetime) -> list[Record]:
        """Everything after `oldest`, apart what is after `recent`."""
        rows = await fetch(self._pool, _RECORDS, {"recent": recent, "oldest": oldest})
        return [
            Record(provider, model, Source(source), is_recent, newest, _tally(*counts))
            for provider, model, source, is_recent, newest, *counts in rows
        ]

    async def slots(self, *, oldest: datetime) -> list[Slot]:
        rows = await fetch(self._pool, _SLOTS, {"width": RECENT, "oldest": oldest})
        return [Slot(at, provider, Source(source), _tally(*counts)) for at, provider, source, *counts in rows]

    async def circuits(self) -> Circuits:
        rows = await fetch(self._pool, _SHOWN, [CIRCUIT_COUNTS_FOR])
        return {
            (provider, model): CircuitState.OPEN if is_open else CircuitState.HALF_OPEN
            for provider, model, is_open in rows
        }

    async def forget(self, *, before: datetime) -> int:
        """Delete minutes before that, and circuits of processes that are gone; how many minutes. Safe to repeat."""
        await fetch(self._pool, "delete from provider_circuits where seen_at <= now() - %s", [CIRCUIT_COUNTS_FOR])
        ((forgotten,),) = await fetch(
            self._pool,
            "with gone as (delete from provider_health where minute < %s returning 1) select count(*) from gone",
            [before],
        )
        return forgotten

    async def _put(self, statement: LiteralString, observed: Sequence[Observed], source: Source) -> None:
        rows = [
            {
                "minute": each.minute.isoformat(),
                "provider": each.provider,
                "model": each.model,
                "source": source,
                "ok": each.tally.ok,
                "busy": each.tally.busy,
                "failed": each.tally.failed,
                "timeouts": each.tally.timeouts,
                "latency": each.tally.latency,
            }
            for each in observed
        ]
        async with durable(self._pool) as connection:
            await connection.execute(statement, [Jsonb(rows, dumps=orjson.dumps)])


def _tally(ok: int, busy: int, failed: int, timeouts: int, latency: list[int]) -> Tally:
    return Tally(ok, busy, failed, timeouts, tuple(latency))
