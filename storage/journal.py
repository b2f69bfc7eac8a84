"""The journal on PostgreSQL: two grouped statements around a provider call (decision 0002).

Holds are leases. While a call runs, this process renews its hold; when the
process dies, the lease lapses and the sweep returns the credits.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import LiteralString

import orjson
import structlog
from psycopg.types.json import Jsonb

from gateway.catalog import Model
from gateway.clock import Clock
from gateway.completion import Completion
from gateway.conversation import Turn
from gateway.credits.period import Period, period_of
from gateway.errors import CreditsExhaustedError, NotFoundError, UnavailableError
from gateway.ids import ConversationId, OrganizationId
from gateway.inference.call import Call, Outcome
from gateway.inference.ports import Refusal
from gateway.tenancy import Access
from gateway.transcript import load_block, load_turn
from storage import content, journal_sql
from storage.encryption import ContentCipher, SealedValueError
from storage.group_commit import GroupCommit
from storage.journal_rows import Json, closing_row, exhausted, opening_row, refusal_row
from storage.pool import LostConnection, Pool, durable

log = structlog.get_logger()

_TRIES = 3


@dataclass(frozen=True, slots=True)
class _Closing:
    row: Json
    request: bytes | None
    answer: bytes | None


class PostgresJournal:
    """Implements `gateway.inference.ports.Journal`. One per process; its groups are shared by all requests."""

    def __init__(self, pool: Pool, cipher: ContentCipher, *, clock: Clock, lease: timedelta) -> None:
        self._pool = pool
        self._cipher = cipher
        self._clock = clock
        self._lease = lease
        self._accounts: set[tuple[OrganizationId, datetime]] = set()
        self._held: set[str] = set()
        self._opening = GroupCommit(self._open_group)
        self._closing = GroupCommit(self._close_group)
        self._refusing = GroupCommit(self._refuse_group)
        self._renewing = asyncio.create_task(self._renew_forever())

    async def close_down(self) -> None:
        """Commit what was submitted and stop renewing."""
        self._renewing.cancel()
        with suppress(asyncio.CancelledError):
            await self._renewing
        for group in (self._opening, self._closing, self._refusing):
            await group.close()

    async def history(self, access: Access, thread: ConversationId) -> tuple[Turn, ...]:
        org = access.principal.org
        async with durable(self._pool) as connection:
            cursor = await connection.execute(journal_sql.HISTORY, {"org": org, "thread": thread})
            rows = await cursor.fetchall()
            if not rows:
                cursor = await connection.execute(journal_sql.HAS_THREAD, {"org": org, "thread": thread})
                if await cursor.fetchone() is None:
                    raise NotFoundError("The conversation does not exist.", param="conversation_id")
        turns: list[Turn] = []
        for inference, request, answer in rows:
            if request is not None and answer is not None:
                turns += await self._turns(org, inference, request, answer)
        return tuple(turns)

    async def open(self, call: Call, model: Model, ceiling: int) -> None:
        period = period_of(call.received_at)
        org = call.access.principal.org
        await self._ensure_account(org, period)
        self._held.add(call.id)
        try:
            await self._opening.submit(opening_row(call, model, amount=ceiling, lease=self._lease))
        except BaseException:
            self._held.discard(call.id)
            raise

    async def close(self, outcome: Outcome) -> None:
        call = outcome.call
        try:
            sealed = await self._sealed(call, outcome.completion)
            await self._closing.submit(_Closing(closing_row(outcome), *sealed))
        finally:
            # Ours no longer, whatever came of it: a hold left open now lapses.
            self._held.discard(call.id)

    async def refuse(self, refusal: Refusal) -> None:
        await self._refusing.submit(refusal_row(refusal))

    async def renew(self) -> None:
        """Extend the holds of the calls that run in this process by a lease from now."""
        if self._held:
            until = self._clock.now() + self._lease
            async with durable(self._pool) as connection:
                await connection.execute(journal_sql.RENEW, {"ids": list(self._held), "until": until})

    async def _sealed(self, call: Call, completion: Completion | None) -> tuple[bytes | None, bytes | None]:
        if completion is None or not call.keeps_content:
            return None, None
        org = call.access.principal.org
        request = content.dump_request(call.conversation, own_turns=call.own_turns)
        answer = content.dump_answer(completion)
        return (
            await self._cipher.seal(org, content.request_place(call.id), request),
            await self._cipher.seal(org, content.answer_place(call.id), answer),
        )

    async def _turns(self, org: OrganizationId, inference: str, request: bytes, answer: bytes) -> list[Turn]:
        try:
            asked = orjson.loads(await self._cipher.open(org, content.request_place(inference), request))
            said = orjson.loads(await self._cipher.open(org, content.answer_place(inference), answer))
        except SealedValueError:
            raise UnavailableError("A stored conversation could not be read.") from None
        turns = [load_turn(turn) for turn in asked["messages"]]
        return [*turns, Turn("assistant", tuple(load_block(block) for block in said["content"]))]

    async def _ensure_account(self, org: OrganizationId, period: Period) -> None:
        if (org, period.start) in self._accounts:
            return
        async with durable(self._pool) as connection:
            await connection.execute(
                journal_sql.OPEN_ACCOUNTS, {"start": period.start, "end": period.end, "orgs": [org]}
            )
        self._accounts.add((org, period.start))

    async def _open_group(self, rows: Sequence[Json]) -> Sequence[Exception | None]:
        admitted = await self._run(journal_sql.OPEN, rows)
        refused = [row for row in rows if row["id"] not in admitted]
        # A group asks for its organisations' sums at once; where a sum does not fit, each call asks for itself.
        if refused and len(rows) > 1:
            for row in refused:
                admitted |= await self._run(journal_sql.OPEN, [row])
        return [None if row["id"] in admitted else await self._exhausted(row) for row in rows]

    async def _exhausted(self, row: Json) -> CreditsExhaustedError:
        async with durable(self._pool) as connection:
            cursor = await connection.execute(
                journal_sql.IS_CAPPED, {"org": row["org_id"], "start": row["period_start"]}
            )
            account = await cursor.fetchone()
        return exhausted(row, capped=account is not None and account[0])

    async def _close_group(self, closings: Sequence[_Closing]) -> Sequence[Exception | None]:
        rows = [closing.row | {"place": place} for place, closing in enumerate(closings, start=1)]
        parameters = {
            "requests": [closing.request for closing in closings],
            "answers": [closing.answer for closing in closings],
        }
        await self._run(journal_sql.CLOSE, rows, parameters)
        return [None] * len(closings)

    async def _refuse_group(self, rows: Sequence[Json]) -> Sequence[Exception | None]:
        await self._run(journal_sql.REFUSE, rows, returns=False)
        return [None] * len(rows)

    async def _run(
        self, statement: LiteralString, rows: Sequence[Json], parameters: Json | None = None, *, returns: bool = True
    ) -> set[str]:
        # Each statement is one transaction that counts a row once, so a lost connection or a deadlock is met by
        # sending it again; a pool left over from a restarted server is all lost connections.
        bound = {"rows": Jsonb(rows, dumps=orjson.dumps), **(parameters or {})}
        for _ in range(_TRIES - 1):
            with suppress(LostConnection):
                return await self._send(statement, bound, returns=returns)
        return await self._send(statement, bound, returns=returns)

    async def _send(self, statement: LiteralString, parameters: Json, *, returns: bool) -> set[str]:
        async with durable(self._pool) as connection:
            cursor = await connection.execute(statement, parameters)
            return {row[0] for row in await cursor.fetchall()} if returns else set()

    async def _renew_forever(self) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            try:
                await self.renew()
            except UnavailableError:
                log.warning("holds_not_renewed", held=len(self._held))
