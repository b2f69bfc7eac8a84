"""Accounts come into being with the first call of a period: nobody has to be on time to open one.

A period that has an account is as long as the account says, whatever its
organisation's billing cycle has become since. The next one begins where it
ends, so that no moment is in two periods and none in neither.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString

from gateway.credits.period import Cycle, Period, period_of
from gateway.ids import AgentId, ApiKeyId, OrganizationId
from gateway.tenancy import Principal
from storage.pool import Connection, Pool, repeatable

ORGANIZATION = "organization"
"""The holder whose account has the allotment."""

# Accounts and their bounds stay: what is there is found without waiting for anybody. Backwards in the index, where
# the organisation's own account is the first of its period's.
_KNOWN = """
select a.period_start, a.period_end, exists (
  select from credit_accounts h
  where h.org_id = %(org)s and h.period_start = a.period_start and h.holder = %(holder)s)
from (
  select period_start, period_end from credit_accounts
  where org_id = %(org)s and holder = 'organization' and period_start <= %(at)s
  order by period_start desc limit 1) a
where %(at)s < a.period_end
"""

# A cap or a cycle that is being changed is waited for: its change would not see the account that is made here.
_LOCK_ORGANIZATION = """
select time_zone, anchor_day from organizations where id = %(org)s for no key update
"""

_LOCK_FAMILY = """
select credit_cap from api_keys where org_id = %(org)s and family = %(id)s order by id for no key update
"""

_LOCK_AGENT = """
select credit_cap from agents where org_id = %(org)s and id = %(id)s for no key update
"""

_AROUND = """
select min(period_start) filter (where period_start <= %(at)s and %(at)s < period_end),
       min(period_end) filter (where period_start <= %(at)s and %(at)s < period_end),
       max(period_end) filter (where period_end <= %(at)s),
       min(period_start) filter (where period_start > %(at)s)
from credit_accounts where org_id = %(org)s and holder = 'organization'
"""

_OPEN_ORGANIZATION = """
with opened as (
  insert into credit_accounts (org_id, period_start, holder, period_end, allotment, spend_cap, alert_thresholds)
  select id, %(start)s, 'organization', %(end)s, credits_allotment, spend_cap, alert_thresholds
  from organizations where id = %(org)s
  on conflict do nothing returning org_id, period_start, allotment
)
insert into credit_entries (id, phase, org_id, period_start, debit, credit, amount, created_at)
select %(entry)s, 'grant', org_id, period_start, 'issued', 'available', allotment, %(at)s from opened
"""

_OPEN_OF_ONE = """
insert into credit_accounts (org_id, period_start, holder, period_end, spend_cap)
values (%(org)s, %(start)s, %(holder)s, %(end)s, %(cap)s) on conflict do nothing
"""


def key_holder(family: ApiKeyId) -> str:
    """Who holds the account of a line of keys."""
    return f"key:{family}"


def agent_holder(agent: AgentId) -> str:
    """Who holds the account of an agent's credentials."""
    return f"agent:{agent}"


def holders(principal: Principal) -> list[str]:
    """Of the accounts that pay for what `principal` asks, in the order in which they are locked.

    What an agent does counts for every agent that let it: nobody spends more by handing on.
    """
    if principal.delegation is not None:
        return [ORGANIZATION, *sorted(map(agent_holder, principal.delegation.agents), reverse=True)]
    return [ORGANIZATION, key_holder(principal.family)] if principal.family else [ORGANIZATION]


def owner_of(holder: str) -> tuple[str, str]:
    """Of whom `holder`, which is not the organisation, has the account: `key` or `agent`, and its id."""
    kind, _, owner = holder.partition(":")
    return kind, owner


def period_entry(org: OrganizationId, start: datetime) -> str:
    """The business id of the entries that belong to a period and to no call."""
    return f"{org}:{start:%Y-%m-%dT%H:%M:%SZ}"


@dataclass(slots=True)
class _Opened:
    """What this process knows of one organisation's accounts. Known is known for good: bounds never change."""

    period: Period | None = None
    holders: set[str] = field(default_factory=set[str])
    one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Openers of one organisation hold no more than one connection between them."""

    def covers(self, at: datetime, holders: Sequence[str]) -> bool:
        return (
            self.period is not None and self.period.start <= at < self.period.end and self.holders.issuperset(holders)
        )

    def learn(self, period: Period, holders: Sequence[str]) -> None:
        if period != self.period:
            self.period, self.holders = period, set()
        self.holders.update(holders)


class Accounts:
    """Opens accounts, and remembers of each organisation the period it opened last. One per process."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._opened: defaultdict[OrganizationId, _Opened] = defaultdict(_Opened)

    async def period(self, org: OrganizationId, at: datetime, *, holders: Sequence[str] = (ORGANIZATION,)) -> Period:
        """The period that `at` falls in; its accounts, those of `holders` too, are open from now on.

        Raises `UnavailableError`.
        """
        opened = self._opened[org]
        if opened.period is not None and opened.covers(at, holders):
            return opened.period
        async with opened.one_at_a_time:
            if opened.period is not None and opened.covers(at, holders):
                return opened.period
            period = await repeatable(self._pool, lambda connection: _open_all(connection, org, at, holders))
            opened.learn(period, holders)
        return period


async def _open_all(connection: Connection, org: OrganizationId, at: datetime, holders: Sequence[str]) -> Period:
    first, *others = holders
    period = await open_accounts(connection, org, at, holder=first)
    for holder in others:
        period = await open_accounts(connection, org, at, holder=holder)
    return period


async def open_accounts(
    connection: Connection, org: OrganizationId, at: datetime, *, holder: str = ORGANIZATION
) -> Period:
    """The period that `at` falls in, with its accounts. Safe to repeat, also at once.

    What is not open yet is opened in a transaction of its own: the account of a key or an agent waits for changes of
    that one, and only the first of a period for those of its organisation.
    """
    found = await _first(connection, _KNOWN, {"org": org, "at": at, "holder": holder})
    if found is not None and found[2]:
        return Period(*found[:2])
    async with connection.transaction():
        period = Period(*found[:2]) if found else await _open_period(connection, org, at)
        if holder != ORGANIZATION:
            kind, owner = owner_of(holder)
            (cap,) = await _one(connection, _LOCK_AGENT if kind == "agent" else _LOCK_FAMILY, {"org": org, "id": owner})
            named = {"org": org, "start": period.start, "end": period.end, "holder": holder, "cap": cap}
            await connection.execute(_OPEN_OF_ONE, named)
    return period


async def _open_period(connection: Connection, org: OrganizationId, at: datetime) -> Period:
    cycle = await _one(connection, _LOCK_ORGANIZATION, {"org": org})
    start, end, before, after = await _one(connection, _AROUND, {"org": org, "at": at})
    if start is not None:
        return Period(start, end)
    period = _until(after, period_of(at, Cycle(*cycle), ended=before))
    named = {"org": org, "start": period.start, "end": period.end, "at": at}
    await connection.execute(_OPEN_ORGANIZATION, {**named, "entry": period_entry(org, period.start)})
    return period


def _until(after: datetime | None, period: Period) -> Period:
    """`period` without what the next has of it: a cycle that changed does not move what has begun."""
    return Period(period.start, min(period.end, after or period.end))


async def _one(connection: Connection, statement: LiteralString, named: Mapping[str, object]) -> tuple[Any, ...]:
    row = await _first(connection, statement, named)
    if row is None:
        raise LookupError
    return row


async def _first(
    connection: Connection, statement: LiteralString, named: Mapping[str, object]
) -> tuple[Any, ...] | None:
    return await (await connection.execute(statement, named)).fetchone()
