"""Refusals in the audit log: entries of their own for the first of a kind, counts for those that repeat them.

A count is durable with the answer, as an entry is. Each process counts in rows
of its own, so that none waits for another's commit, and a batch that is sent
again because nobody heard of it counts once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter

import orjson
from psycopg.types.json import Jsonb

from gateway.audit import AuditAction, PhiDisposition
from gateway.ids import new_ulid
from gateway.inference import trail
from gateway.inference.ports import Refusal
from gateway.inference.repeats import Group, Repeats
from storage import journal_sql
from storage.group_commit import GroupCommit
from storage.journal_rows import AccountExhaustedError, Json
from storage.pool import Pool, fetch

_LARGEST = 512


@dataclass(frozen=True, slots=True)
class _Refused:
    refusal: Refusal
    group: Group | None
    """Of those that are only counted."""
    subject: str | None


class RefusalWriter:
    """One per process: it remembers what has been refused in this minute."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._counter = new_ulid()
        self._repeats = Repeats()
        self._commits = GroupCommit(self._commit, largest=_LARGEST)

    async def write(self, refusal: Refusal, *, subject: str | None = None) -> None:
        """Returns once `refusal` is durable. `subject` is the digest of whom it named. Raises `UnavailableError`."""
        await self._commits.submit(_Refused(refusal, self._repeats.group(refusal), subject))

    async def close(self) -> None:
        await self._commits.close()

    async def _commit(self, refused: Sequence[_Refused]) -> Sequence[Exception | None]:
        entries = [_entry(each.refusal, each.subject) for each in refused if each.group is None]
        parameters = {
            "rows": Jsonb(entries, dumps=orjson.dumps),
            "counts": Jsonb(_counts(refused), dumps=orjson.dumps),
            "counter": self._counter,
            "batch": new_ulid(),
        }
        await fetch(self._pool, journal_sql.REFUSE, parameters)
        return [None] * len(refused)


def _counts(refused: Sequence[_Refused]) -> list[Json]:
    """In one order everywhere, so that no two statements wait for each other."""
    times: dict[Group, list[datetime]] = {}
    for each in refused:
        if each.group is not None:
            times.setdefault(each.group, []).append(each.refusal.at)
    return sorted(map(_count, times, times.values()), key=itemgetter("minute", "digest"))


def _count(group: Group, times: Sequence[datetime]) -> Json:
    return {
        "minute": group.minute,
        "digest": group.digest,
        "org_id": group.org,
        "facts": orjson.Fragment(group.facts),
        "count": len(times),
        "first_at": min(times),
        "last_at": max(times),
    }


def _entry(refusal: Refusal, subject: str | None) -> Json:
    return {
        "id": new_ulid(),
        "org_id": refusal.org,
        "action": AuditAction.AI_REQUEST_REFUSED if refusal.surface else AuditAction.ACCESS_REFUSED,
        "entity_type": "request",
        "entity_id": refusal.id,
        "actor": refusal.actor,
        "ip_address": refusal.ip_address,
        "metadata": trail.refusal_metadata(refusal),
        "phi_disposition": PhiDisposition.NOT_PRESENT,
        "subject": subject,
        "created_at": refusal.at,
        "exhausted": refusal.error.alert() if isinstance(refusal.error, AccountExhaustedError) else None,
    }
