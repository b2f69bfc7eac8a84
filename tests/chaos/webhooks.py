"""`python -m tests.chaos.webhooks`: events published as fast as it goes, while what delivers them is killed.

Three endpoints: one that takes everything, one that wants its events in order, one that fails at times. Publishers
write an event until its commit is acknowledged; afterwards every event has to have arrived at whoever asked for it,
under one `webhook-id`, in order where that was asked for.
"""

import argparse
import asyncio
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random, SystemRandom
from typing import Final

import psycopg
from aiohttp import web
from psycopg_pool import PoolTimeout
from ulid import ULID

from gateway.errors import UnavailableError
from gateway.ids import OrganizationId
from storage import Storage
from storage.pool import fetch
from tests.chaos.concluding import conclude
from tests.chaos.installation import API, Installation, running
from tests.chaos.nemesis import Fault, Nemesis
from tests.chaos.watching import until
from tests.receivers import Receiver, make_endpoint, make_org, receiving

QUIET_WITHIN_S: Final = 400.0
"""Leases of a minute, one after the other where order is kept; a ladder that begins with seconds."""
_STATE: Final = Path(".hasp").absolute()
_PLAIN, _ORDERED = "audit.checkpoint", "phi.redacted"
_PUBLISHERS: Final = 8
_PARTS: Final = ("worker", "postgres", "temporal", f"{API}-1")
_SETTINGS: Final = {
    "HASP_WEBHOOK_ALLOW_PRIVATE": "true",
    "HASP_WEBHOOK_LADDER": "[1, 2, 4, 8, 15, 30, 30, 30, 30, 30]",
}
_INSERT: Final = """
insert into outbox (id, org_id, type, data, created_at) values (%s, %s, %s, '{"seq": 1}', %s) on conflict do nothing
"""
_OPEN: Final = "select count(*) from webhook_deliveries where state in ('pending', 'retrying')"


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int
    events: int
    ordered: int
    every_s: float
    """Between two faults."""


@dataclass(slots=True)
class Result:
    published_s: float
    quiet_s: float
    faults: Sequence[Fault]
    duplicates: int
    violations: list[str]


@dataclass(slots=True)
class Publisher:
    """Writes events, each until its commit is acknowledged."""

    storage: Storage
    org: OrganizationId
    plain: list[str] = field(default_factory=list[str])
    ordered: list[str] = field(default_factory=list[str])

    async def publish(self, plan: Plan) -> None:
        left = iter(range(plan.events))
        async with asyncio.TaskGroup() as group:
            for _ in range(_PUBLISHERS):
                group.create_task(self._share(left))
            group.create_task(self._in_order(plan.ordered))

    async def _share(self, left: Iterator[int]) -> None:
        for _ in left:
            await self._write(_PLAIN, self.plain, datetime.now(UTC))

    async def _in_order(self, count: int) -> None:
        at = datetime.now(UTC)
        for _ in range(count):
            at = max(datetime.now(UTC), at + timedelta(milliseconds=2))
            await self._write(_ORDERED, self.ordered, at)

    async def _write(self, kind: str, acknowledged: list[str], at: datetime) -> None:
        event = str(ULID.from_datetime(at))
        while True:
            try:
                await fetch(self.storage.pool, _INSERT, [event, self.org, kind, at])
            except (UnavailableError, PoolTimeout, psycopg.Error):
                await asyncio.sleep(0.2)
            else:
                acknowledged.append(event)
                return


async def chaos(plan: Plan, folder: Path) -> Result:
    """Raises nothing for a broken promise: `violations` are what to look at."""
    random = Random(f"answers of {plan.seed}")

    async def flaky(_: int) -> web.Response:
        return web.Response(status=500 if random.random() < 0.01 else 200)

    async with AsyncExitStack() as stack:
        installation = await stack.enter_async_context(running(folder, apis=1, settings=_SETTINGS))
        storage = await Storage.open(installation.settings())
        stack.push_async_callback(storage.close)
        org = await make_org(storage)
        steady, unsteady = (
            await stack.enter_async_context(receiving()),
            await stack.enter_async_context(receiving(flaky)),
        )
        in_order = await stack.enter_async_context(receiving())
        await make_endpoint(storage, org, steady.url, events=("*",))
        await make_endpoint(storage, org, unsteady.url, events=("*",))
        await make_endpoint(storage, org, in_order.url, events=(_ORDERED,), is_ordered=True)
        return await _run(plan, installation, Publisher(storage, org), (steady, unsteady, in_order))


async def _run(
    plan: Plan, installation: Installation, publisher: Publisher, receivers: tuple[Receiver, Receiver, Receiver]
) -> Result:
    nemesis = Nemesis(installation)
    began = asyncio.get_running_loop().time()
    harming = asyncio.create_task(nemesis.follow(_faults(plan)))
    await publisher.publish(plan)
    published_s = asyncio.get_running_loop().time() - began
    await harming

    async def quiet() -> bool:
        try:
            return await fetch(publisher.storage.pool, _OPEN) == [(0,)]
        except UnavailableError:
            return False

    is_quiet = await until(quiet, within_s=QUIET_WITHIN_S)
    quiet_s = asyncio.get_running_loop().time() - began
    violations = [] if is_quiet else [f"deliveries are open after {QUIET_WITHIN_S:.0f} s of quiet"]
    everything = {*publisher.plain, *publisher.ordered}
    for name, receiver, wanted in zip(
        ("steady", "unsteady", "in order"), receivers, (everything, everything, {*publisher.ordered}), strict=True
    ):
        violations += _judged(name, receiver, wanted)
    if [*dict.fromkeys(receivers[2].events)] != publisher.ordered:
        violations.append("in order: events came in another order than they were published in")
    duplicates = sum(len(receiver.taken) - len({*receiver.taken}) for receiver in receivers)
    return Result(published_s, quiet_s, nemesis.done, duplicates, violations)


def _judged(name: str, receiver: Receiver, wanted: set[str]) -> list[str]:
    lost, unknown = wanted - {*receiver.events}, {*receiver.events} - wanted
    ids: dict[str, set[str]] = {}
    for delivery, event in zip(receiver.taken, receiver.events, strict=True):
        ids.setdefault(event, set()).add(delivery)
    renamed = sum(len(each) > 1 for each in ids.values())
    found = {"never arrived": len(lost), "were never published": len(unknown), "came under several ids": renamed}
    return [f"{name}: {count} events {what}" for what, count in found.items() if count]


def _faults(plan: Plan) -> list[Fault]:
    """Each part twice at least, in an order drawn from the seed."""
    random = Random(f"faults of {plan.seed}")
    parts = [*random.sample(_PARTS, len(_PARTS)), *random.sample(_PARTS, len(_PARTS))]
    return [Fault(random.uniform(0.6, 1.4) * plan.every_s, "kill", part) for part in parts]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.webhooks", description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--ordered", type=int, default=500, help="further ones, which one endpoint wants in order")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(1_000_000), help="default: any, printed")
    parser.add_argument("--every", type=float, default=6, help="seconds between two faults, or so")
    options = parser.parse_args()
    plan = Plan(options.seed, options.events, options.ordered, options.every)
    print(f"seed {plan.seed}: {plan.events} events and {plan.ordered} in order", flush=True)
    folder = _STATE / f"chaos-webhooks-{plan.seed}"
    shutil.rmtree(folder, ignore_errors=True)
    result = asyncio.run(chaos(plan, folder))
    print(f"published in {result.published_s:.0f} s, all settled after {result.quiet_s:.0f} s")
    conclude(folder, faults=result.faults, duplicates=result.duplicates, violations=result.violations)


if __name__ == "__main__":
    main()
