"""The journal on PostgreSQL: two grouped statements around a provider call (decision 0002).

Holds are leases. While a call runs, this process renews its hold; when the
process dies, the lease lapses and the sweep returns the credits.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import dropwhile
from typing import Any, LiteralString

import orjson
import structlog
from psycopg.types.json import Jsonb

from gateway.catalog import Model
from gateway.conversation import ToolResult, Turn
from gateway.credits.period import Period
from gateway.errors import GatewayError, NotFoundError, UnavailableError
from gateway.ids import AgentId, ConversationId, OrganizationId, day_of, request_id
from gateway.inference.call import Call, Outcome
from gateway.inference.ports import History, Refusal
from gateway.inference.seals import unsealed
from gateway.tenancy import Access
from gateway.transcript import load_block, load_turn
from storage import content, journal_sql
from storage.accounts import Accounts, holders
from storage.agents.invocations import Invocations
from storage.agents.tool_uses import require_tool_room
from storage.content import Exchange, SealedExchange
from storage.encryption import ContentCipher, SealingKey
from storage.end_users.binding import EndUser, EndUsers
from storage.group_commit import GroupCommit
from storage.journal_rows import (
    Json,
    Room,
    Rooms,
    accounts_of,
    closing_row,
    fitting,
    is_recorded,
    opening_row,
    why_refused,
)
from storage.leases import Leases
from storage.pool import Pool, fetch
from storage.refusals import RefusalWriter

log = structlog.get_logger()

_TRIES = 3


@dataclass(frozen=True, slots=True)
class _Opened:
    """What a call needs to be closed with, had before it goes out."""

    key: SealingKey | None
    """None when its content is not kept."""
    end_user: EndUser | None
    """Whom it names."""


@dataclass(frozen=True, slots=True)
class _Closing:
    row: Json
    sealed: SealedExchange | None
    of_agent: bool


class PostgresJournal:
    """Implements `gateway.inference.ports.Journal`. One per process; its groups are shared by all requests."""

    def __init__(
        self, pool: Pool, cipher: ContentCipher, end_users: EndUsers, leases: Leases, invocations: Invocations
    ) -> None:
        self.leases = leases
        self.invocations = invocations
        self._pool = pool
        self._cipher = cipher
        self._end_users = end_users
        self._opened: dict[str, _Opened] = {}
        self._accounts = Accounts(pool)
        self._opening = GroupCommit(self._open_group)
        self._closing = GroupCommit(self._close_group)
        self._refusals = RefusalWriter(pool)

    async def close_down(self) -> None:
        """Commit what was submitted and stop renewing."""
        await self.leases.close()
        await self.invocations.close()
        for group in (self._opening, self._closing, self._refusals):
            await group.close()

    async def history(self, access: Access, thread: ConversationId) -> History:
        org = access.principal.org
        named = {"org": org, "thread": thread, "agent": _agent(access)}
        rows = await fetch(self._pool, journal_sql.HISTORY, named)
        if not rows and not await fetch(self._pool, journal_sql.HAS_THREAD, named):
            raise NotFoundError("The conversation does not exist.", param="conversation_id")
        turns: list[Turn] = []
        placeholders: dict[str, str] = {}
        for exchange in dropwhile(_answers_tools, await self._exchanges(org, rows)):
            agree = _agree(placeholders, exchange.placeholders)
            turns += exchange.turns if agree else map(unsealed, exchange.turns)
            placeholders = {**exchange.placeholders, **placeholders}
        return History(tuple(turns), placeholders)

    async def placeholders(self, access: Access, seals: Sequence[str]) -> Mapping[str, str]:
        org = access.principal.org
        rows = await fetch(self._pool, journal_sql.SEALED, {"org": org, "seals": [*seals], "agent": _agent(access)})
        exchanges = await self._exchanges(org, rows)
        return exchanges[0].placeholders if exchanges else {}

    async def open(self, call: Call, model: Model, ceiling: int) -> None:
        principal = call.access.principal
        # Before anything goes out: an answer is not lost to a key service that fails while it is made.
        opened = await self._prepared(call)
        end_user = opened.end_user.id if opened.end_user else None
        period = await self._accounts.period(principal.org, call.received_at, holders=holders(principal))
        self.leases.take(call.id)
        delegation = principal.delegation
        try:
            if delegation is not None:
                await require_tool_room(self._pool, call.conversation, delegation, now=call.received_at)
                await self.invocations.take(call.id, principal.org, delegation, call.running)
            row = opening_row(call, model, period, amount=ceiling, lease=self.leases.lease, end_user=end_user)
            await self._opening.submit(row)
        except BaseException:
            self.leases.drop(call.id)
            if delegation is not None:
                await self.invocations.give_back(call.id)
            raise
        self._opened[call.id] = opened

    async def close(self, outcome: Outcome) -> None:
        call = outcome.call
        try:
            opened = self._opened.get(call.id) or await self._prepared(call)
            of_agent = call.access.principal.delegation is not None
            row = closing_row(outcome, subject=opened.end_user.digest if opened.end_user else None)
            await self._closing.submit(_Closing(row, _sealed(outcome, opened.key), of_agent))
        finally:
            # Ours no longer, whatever came of it: a hold left open now lapses.
            self.leases.drop(call.id)
            self.invocations.forget(call.id)
            self._opened.pop(call.id, None)

    async def refuse(self, refusal: Refusal) -> None:
        subject = await self._end_users.digests.find(refusal.org, refusal.end_user) if refusal.end_user else None
        await self._refusals.write(refusal, subject=subject)

    async def _prepared(self, call: Call) -> _Opened:
        org, named = call.access.principal.org, call.conversation.end_user
        end_user = await self._end_users.of(org, named) if named else None
        if not call.keeps_content:
            return _Opened(None, end_user)
        of = (end_user.id, end_user.key) if end_user else None
        return _Opened(await self._cipher.content_key(org, day_of(call.id), of), end_user)

    async def _exchanges(self, org: OrganizationId, rows: Sequence[tuple[Any, ...]]) -> list[History]:
        """Of rows of an inference, its request and its answer, those whose content was kept and is there still."""
        kept = [SealedExchange(*row) for row in rows if row[1] is not None and row[2] is not None]
        exchanges = await content.unseal(self._cipher, org, kept)
        return [_history(exchange) for exchange in exchanges if exchange is not None]

    async def _open_group(self, rows: Sequence[Json]) -> Sequence[Exception | None]:
        # A group asks for its organisations' sums at once. Where a sum does not fit, as many as do are asked for again,
        # and should others have been faster, each of those for itself.
        admitted = await self._run(journal_sql.OPEN, rows)
        refused = [row for row in rows if row["id"] not in admitted]
        if not refused:
            return [None] * len(rows)
        erased = await self._erased(refused)
        refused = [row for row in refused if row["end_user_id"] not in erased]
        rooms = await self._rooms(refused)
        second = fitting(refused, rooms) if len(rows) > 1 else []
        if second:
            admitted |= await self._run(journal_sql.OPEN, second)
        for row in second:
            if row["id"] not in admitted:
                admitted |= await self._run(journal_sql.OPEN, [row])
        return [None if row["id"] in admitted else _refusal(row, rooms, erased) for row in rows]

    async def _erased(self, refused: Sequence[Json]) -> Set[str]:
        """Whom `refused` name who are erased. Asked again, their callers name somebody new."""
        named = [row["end_user_id"] for row in refused if row["end_user_id"] is not None]
        try:
            return {row[0] for row in await fetch(self._pool, journal_sql.ERASED, {"ids": named})} if named else set()
        except UnavailableError:
            return set()

    async def _rooms(self, refused: Sequence[Json]) -> Rooms:
        """What is left on the accounts of `refused`; nothing when the database cannot say, which admits nobody."""
        accounts = {account for row in refused for account in accounts_of(row)}
        named = [{"org_id": org, "period_start": start, "holder": holder} for org, start, holder in accounts]
        try:
            found = await fetch(self._pool, journal_sql.ROOMS, {"accounts": Jsonb(named, dumps=orjson.dumps)})
        except UnavailableError:
            return {}
        return {
            (org, start, holder): Room(holder, Period(start, end), closed=closed, left=left, capped=capped)
            for org, start, holder, end, closed, left, capped in found
        }

    async def _close_group(self, closings: Sequence[_Closing]) -> Sequence[Exception | None]:
        rows = [closing.row | {"place": place} for place, closing in enumerate(closings, start=1)]
        parameters = {
            "requests": [closing.sealed and closing.sealed.request for closing in closings],
            "answers": [closing.sealed and closing.sealed.answer for closing in closings],
        }
        states: dict[str, str] = {}
        # Whoever is told that its call is over may begin the next at once.
        returns = any(closing.of_agent for closing in closings)
        statement = journal_sql.CLOSE_INVOCATIONS if returns else journal_sql.CLOSE
        for call, org, state, overrun in await self._send(statement, rows, parameters):
            states[call] = state
            if overrun:
                log.warning("credits_overrun", request_id=request_id(call), org_id=org, credits=overrun)
        # A statement that waited for its own first sending, which nobody heard of, tells what was so before that.
        if waited := [call for call, state in states.items() if state in ("open", "expired")]:
            states |= dict(await fetch(self._pool, journal_sql.STATES, {"ids": waited}))
        recorded = (is_recorded(closing.row, states.get(closing.row["id"])) for closing in closings)
        return [None if is_so else UnavailableError() for is_so in recorded]

    async def _run(self, statement: LiteralString, rows: Sequence[Json]) -> set[str]:
        """Ids that the statement returned."""
        return {row[0] for row in await self._send(statement, rows)}

    async def _send(
        self, statement: LiteralString, rows: Sequence[Json], parameters: Json | None = None
    ) -> Sequence[tuple[Any, ...]]:
        """Rows of a statement. Each is one transaction that counts a row once, so it may be sent again."""
        return await fetch(self._pool, statement, {"rows": Jsonb(rows, dumps=orjson.dumps), **(parameters or {})})


def _refusal(row: Json, rooms: Rooms, erased: Set[str]) -> GatewayError:
    return UnavailableError() if row["end_user_id"] in erased else why_refused(row, rooms)


def _sealed(outcome: Outcome, key: SealingKey | None) -> SealedExchange | None:
    call, completion = outcome.call, outcome.completion
    if completion is None or key is None:
        return None
    asked = content.dump_request(call.conversation, own_turns=call.own_turns, placeholders=outcome.placeholders)
    return content.seal(key, call.id, request=asked, answer=content.dump_answer(completion))


def _agent(access: Access) -> AgentId | None:
    """Whose records alone may be opened; None: the whole organisation's."""
    delegation = access.principal.delegation
    return None if delegation is None else delegation.agent


def _history(exchange: Exchange) -> History:
    turns = [load_turn(turn) for turn in exchange.request["messages"]]
    answered = Turn("assistant", tuple(load_block(block) for block in exchange.answer["content"]))
    return History((*turns, answered), exchange.request["placeholders"])


def _agree(before: Mapping[str, str], after: Mapping[str, str]) -> bool:
    """Whether no number stands for two values: turns that were asked at the same time know nothing of each other."""
    return all(before.get(body, value) == value for body, value in after.items())


def _answers_tools(exchange: History) -> bool:
    """Whether it goes on from an answer before it. No model takes that as a beginning, should that answer be purged."""
    return any(isinstance(block, ToolResult) for block in exchange.turns[0].blocks)
