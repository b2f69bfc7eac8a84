"""One run: callers, faults and a watch at the same time; then quiet; then proof."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

from gateway.audit import AuditAction
from gateway.credits import pricing
from gateway.tenancy import KeyMode, Scope
from storage import Storage
from tests.chaos.callers import MAX_TOKENS, Callers, Party
from tests.chaos.history import History
from tests.chaos.installation import Installation, running
from tests.chaos.nemesis import Fault, Nemesis, planned
from tests.chaos.proof import lost_of, proved
from tests.chaos.watching import Watch, until
from tests.storm.books import Books
from tests.tenants import HAIKU, Tenant, make_conversation, make_tenant

QUIET_WITHIN_S: Final = 120.0
"""A lease, its grace and a sweep are a dozen seconds; the rest is for a slow machine."""
_OVERDUE_S: Final = 6
_SEALED: Final = "select count(*) from audit_pending"
_OPEN: Final = "select count(*) from credit_holds where state = 'open'"


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int
    seconds: float
    callers: int
    apis: int
    every_s: float
    """Between two faults."""
    freezes: bool = False
    """Whether API processes are also stopped for longer than their leases, and go on."""


@dataclass(frozen=True, slots=True)
class Result:
    history: History
    faults: Sequence[Fault]
    samples: int
    fullest: float
    lost: int
    billed: int
    violations: Sequence[str]


async def chaos(plan: Plan, folder: Path) -> Result:
    """Raises nothing for a broken promise: `violations` are what to look at."""
    async with running(folder, apis=plan.apis) as installation:
        storage = await Storage.open(installation.settings())
        try:
            parties = await _parties(storage, plan.callers)
        finally:
            await storage.close()
        return await _run(plan, installation, parties)


async def _run(plan: Plan, installation: Installation, parties: Sequence[Party]) -> Result:
    history, watch, nemesis = History(), Watch(installation.owner_url), Nemesis(installation)
    callers = Callers([*installation.urls.values()], history, seed=plan.seed)
    watching = asyncio.create_task(watch.look())
    calling = asyncio.create_task(callers.call(parties))
    faults = planned(plan.seed, seconds=plan.seconds, apis=plan.apis, every_s=plan.every_s, freezes=plan.freezes)
    harming = asyncio.create_task(nemesis.follow(faults))
    await asyncio.wait([calling], timeout=plan.seconds)
    await harming
    callers.stop()
    await calling
    quiet = await _quiet(installation.owner_url)
    watching.cancel()
    books = [Books(installation.owner_url, org) for org in dict.fromkeys(party.organization for party in parties)]
    bill = await asyncio.to_thread(installation.bill)
    verified = await asyncio.to_thread(installation.hasp, "audit", "verify")
    violations = [*watch.violations, *quiet, *proved(history, books, bill)]
    if verified.returncode:
        violations.append(f"the audit chain does not verify: {verified.stdout}{verified.stderr}")
    return Result(history, nemesis.done, watch.samples, watch.fullest, lost_of(books), len(bill), violations)


async def _quiet(owner_url: str) -> list[str]:
    """Wait until every hold is closed and every entry sealed; what is not by then."""

    async def none(count: str) -> bool:
        try:
            async with await psycopg.AsyncConnection.connect(owner_url) as connection:
                return await (await connection.execute(count.encode())).fetchall() == [(0,)]
        except psycopg.OperationalError:
            return False

    found: list[str] = []
    for what, count in (("holds are open", _OPEN), ("entries of the audit log are not sealed", _SEALED)):
        if not await until(lambda count=count: none(count), within_s=QUIET_WITHIN_S):
            found.append(f"{what} after {QUIET_WITHIN_S:.0f} s of quiet")
    return found


async def _parties(storage: Storage, callers: int) -> list[Party]:
    """One organisation with more callers than room, and keys of which one has less; one with room; one without any.

    Most of what is held at a time does not fit: that is when counting wrong would show.
    """
    hold = pricing.ceiling(HAIKU, make_conversation(max_tokens=MAX_TOKENS))
    share = callers // 8
    crowded = await make_tenant(storage, allotment=10**12, spend_cap=4 * share * hold)
    roomy = await make_tenant(storage, allotment=10**12)
    penniless = await make_tenant(storage, allotment=hold // 2)
    capped = await _key(storage, crowded, cap=share * hold)
    free = await _key(storage, crowded, cap=None)
    return [
        Party(crowded.org, crowded.key.id, crowded.token, 2 * share),
        Party(crowded.org, *capped, 2 * share),
        Party(crowded.org, *free, 2 * share),
        Party(roomy.org, roomy.key.id, roomy.token, callers - 7 * share),
        Party(penniless.org, penniless.key.id, penniless.token, share),
    ]


async def _key(storage: Storage, tenant: Tenant, *, cap: int | None) -> tuple[str, str]:
    async with storage.as_operator(tenant.org, command="test") as tx:
        key, token = await tx.keys.add(name="test", scopes=(Scope.AI_CHAT,), mode=KeyMode.LIVE, credit_cap=cap)
        tx.audit(AuditAction.API_KEY_CREATED, entity_type="api_key", entity_id=key.id)
    return key.id, token
