"""psycopg connections for the hot path: autocommit, prepared statements, every organisation visible."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, LiteralString, TypeVar, cast

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from sqlalchemy.engine import make_url

from gateway.errors import UnavailableError

Connection = AsyncConnection[TupleRow]
Pool = AsyncConnectionPool[Connection]

T = TypeVar("T")

Parameters = Sequence[Any] | Mapping[str, Any]

_WAIT_S = 3.0
_TRIES = 3
STATEMENT_TIMEOUT_MS = 10_000
_IDLE_TRANSACTION_TIMEOUT_MS = 3_000
"""A process that hangs within a transaction lets go of its locks so soon: sooner than anyone is called for a seal."""

# A prepared statement keeps the plan of its first runs until the tables are analysed again: made while they were
# empty, it would scan what has grown since.
_PLANNING = "-c enable_seqscan=off"


# A server that is a standby still refuses writes, and unlogged tables altogether; one that gave up on a transaction
# that hung says so with an error of its own.
_AWAY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.FeatureNotSupported,
    psycopg.errors.IdleInTransactionSessionTimeout,
)


class LostConnection(UnavailableError):  # noqa: N818 - a fact, like its parent
    """The database answered with a broken connection or a deadlock: sending again may work."""


def libpq_url(url: str) -> str:
    """A PostgreSQL URL in the form psycopg takes, whatever driver it names."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


async def open_pool(url: str, *, size: int) -> Pool:
    """A pool of system connections. Opens without waiting, so that a process can start before its database."""
    pool = AsyncConnectionPool(
        libpq_url(url),
        min_size=2,
        max_size=size,
        timeout=_WAIT_S,
        kwargs={
            "autocommit": True,
            "application_name": "hasp",
            "connect_timeout": 5,
            "options": f"-c hasp.system=on -c statement_timeout={STATEMENT_TIMEOUT_MS} -c TimeZone=UTC {_PLANNING}"
            f" -c idle_in_transaction_session_timeout={_IDLE_TRANSACTION_TIMEOUT_MS}",
        },
        check=None,
        open=False,
    )
    await pool.open(wait=False)
    return cast("Pool", pool)


@asynccontextmanager
async def durable(pool: Pool) -> AsyncGenerator[Connection]:
    """A pooled connection whose failures are the one fact a caller can act on: our database is unavailable.

    Raises `LostConnection` where the same work may be sent again, `UnavailableError` where it need not be tried.
    """
    try:
        async with pool.connection() as connection:
            yield connection
    except PoolTimeout as error:
        raise UnavailableError from error
    except _AWAY as error:
        raise LostConnection from error


async def fetch(pool: Pool, statement: LiteralString, parameters: Parameters = ()) -> list[TupleRow]:
    """Rows of one statement, run as `repeatable` work is: a read, or a write that counts once however often sent."""

    async def run(connection: Connection) -> list[TupleRow]:
        cursor = await connection.execute(statement, parameters)
        return await cursor.fetchall() if cursor.description else []

    return await repeatable(pool, run)


async def repeatable(pool: Pool, work: Callable[[Connection], Awaitable[T]]) -> T:
    """What `work` returns, which may be run twice.

    A restarted server leaves a pool full of lost connections: the first loss
    has all of them looked at, so that one call pays for it and not each.
    Raises `UnavailableError` when trying again did not help.
    """
    for _ in range(_TRIES - 1):
        with suppress(LostConnection):
            async with durable(pool) as connection:
                return await work(connection)
        with suppress(TimeoutError):
            async with asyncio.timeout(_WAIT_S):
                await pool.check()
    async with durable(pool) as connection:
        return await work(connection)
