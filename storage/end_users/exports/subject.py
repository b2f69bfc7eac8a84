"""Whom an export is of, as of which moment, and how their rows are read: some at a time, in an order that stays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString

from gateway.ids import EndUserId, OrganizationId
from storage.encryption import ContentCipher
from storage.pool import Connection, Pool, TupleRow, repeatable

WINDOW = 1000
"""Rows looked at by one query."""

MOST_SEALED = 3_000_000
"""Bytes of content that one query answers with, if it is more than one row's."""

# Somebody's rows may be many; the pool's own settings are for looking up single ones.
_PATIENTLY: LiteralString = "set local statement_timeout = '5min'; set local jit = off"


@dataclass(frozen=True, slots=True)
class Subject:
    """`until` is the moment of the snapshot: what happened later is not in the export."""

    org: OrganizationId
    end_user: EndUserId
    digest: str
    original: bytes
    """Their name, sealed."""
    created_at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Scan:
    """What one query came to: records behind their cursors, in order.

    The next begins behind `reached`, which may be behind rows that are not of the person. None: there is no next.
    """

    records: Sequence[tuple[str, Mapping[str, Any]]] = field(repr=False)
    reached: str | None


@dataclass(frozen=True, slots=True)
class Source:
    """What is kept of one person."""

    pool: Pool
    cipher: ContentCipher
    subject: Subject

    async def rows(self, statement: LiteralString, after: str) -> list[TupleRow]:
        """Of a query that begins behind `after`."""
        subject = self.subject
        named = {
            "org": subject.org,
            "end_user": subject.end_user,
            "digest": subject.digest,
            "until": subject.until,
            "after": after,
            "window": WINDOW,
            "most": MOST_SEALED,
        }

        async def read(connection: Connection) -> list[TupleRow]:
            async with connection.transaction():
                await connection.execute(_PATIENTLY)
                return await (await connection.execute(statement, named)).fetchall()

        return await repeatable(self.pool, read)


def last_of(rows: Sequence[TupleRow]) -> str | None:
    """The cursor that rows which begin with theirs have reached."""
    return rows[-1][0] if rows else None
