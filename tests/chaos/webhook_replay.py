"""`python -m tests.chaos.webhook_replay`: a replay while what carries it out is killed, every part in turn.

What failed before is planned, some more fails after that: it has to send the one, all of it, and nothing of the other.
"""

import argparse
import asyncio
import shutil
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random, SystemRandom
from typing import Final

from gateway.errors import UnavailableError
from gateway.ids import DeliveryId, OrganizationId
from gateway.webhooks.replays import Progress, Replay, ReplayState
from storage import Storage
from storage.pool import fetch
from tests.chaos.concluding import conclude
from tests.chaos.installation import running
from tests.chaos.nemesis import Fault, Nemesis
from tests.chaos.watching import until
from tests.receivers import Receiver, make_endpoint, make_org, receiving
from tests.replaying import begin, progress, put_deliveries, state_of

OVER_WITHIN_S: Final = 400.0
"""Leases of a minute, and waits for deliveries of five."""
_STATE: Final = Path(".hasp").absolute()
_PARTS: Final = ("worker", "postgres", "temporal")
_AT_ONCE: Final = 1000
_UNPLANNED: Final = 500
_SETTINGS: Final = {"HASP_WEBHOOK_ALLOW_PRIVATE": "true"}


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int
    deliveries: int
    every_s: float
    """Between two faults."""


@dataclass(slots=True)
class Result:
    seconds: float
    faults: Sequence[Fault]
    duplicates: int
    violations: list[str]


@dataclass(frozen=True, slots=True)
class Planned:
    """A replay, and what it has to send where."""

    org: OrganizationId
    replay: Replay
    deliveries: frozenset[DeliveryId]
    receiver: Receiver


async def chaos(plan: Plan, folder: Path) -> Result:
    """Raises nothing for a broken promise: `violations` are what to look at."""
    async with AsyncExitStack() as stack:
        installation = await stack.enter_async_context(running(folder, apis=1, settings=_SETTINGS))
        storage = await Storage.open(installation.settings())
        stack.push_async_callback(storage.close)
        receiver = await stack.enter_async_context(receiving())
        planned = await _planned(plan, storage, receiver)
        began = asyncio.get_running_loop().time()
        nemesis = Nemesis(installation)
        harming = asyncio.create_task(nemesis.follow(_faults(plan)))
        is_over = await until(lambda: _is_over(storage, planned), within_s=OVER_WITHIN_S)
        seconds = asyncio.get_running_loop().time() - began
        await harming
        violations = [] if is_over else [f"the replay is not over after {OVER_WITHIN_S:.0f} s"]
        replayed = _replayed(planned)
        violations += _judged(planned, replayed, await progress(storage, planned.org, planned.replay.id))
        return Result(seconds, nemesis.done, len(replayed) - len({*replayed}), violations)


async def _planned(plan: Plan, storage: Storage, receiver: Receiver) -> Planned:
    """With its webhook paused until all is in place, or what is to fail would be delivered."""
    org = await make_org(storage)
    endpoint = await make_endpoint(storage, org, receiver.url)
    await fetch(storage.pool, "update webhook_endpoints set state = 'paused' where id = %s", [endpoint])
    deliveries: list[DeliveryId] = []
    while (left := plan.deliveries - len(deliveries)) > 0:
        deliveries += await put_deliveries(storage, org, min(_AT_ONCE, left), endpoint=endpoint)
    replay = await begin(storage, org)
    await put_deliveries(storage, org, _UNPLANNED, endpoint=endpoint)
    await fetch(storage.pool, "update webhook_endpoints set state = 'active' where id = %s", [endpoint])
    return Planned(org, replay, frozenset(deliveries), receiver)


async def _is_over(storage: Storage, planned: Planned) -> bool:
    try:
        return await state_of(storage, planned.org, planned.replay.id) is ReplayState.DONE
    except UnavailableError:
        return False


def _replayed(planned: Planned) -> list[str]:
    sent = zip(planned.receiver.seen, planned.receiver.replays, strict=True)
    return [delivery for delivery, replay in sent if replay == planned.replay.id]


def _judged(planned: Planned, replayed: Sequence[str], counted: Progress) -> list[str]:
    lost, unplanned = planned.deliveries - {*replayed}, {*planned.receiver.seen} - planned.deliveries
    found = {"planned deliveries never arrived": len(lost), "deliveries were never planned": len(unplanned)}
    violations = [f"{count} {what}" for what, count in found.items() if count]
    total = len(planned.deliveries)
    if counted != Progress(total, 0, 0, total, 0, 0):
        violations.append(f"it counted {counted}")
    return violations


def _faults(plan: Plan) -> list[Fault]:
    """Each part once, in an order drawn from the seed."""
    random = Random(f"faults of {plan.seed}")
    return [Fault(plan.every_s, "kill", part) for part in random.sample(_PARTS, len(_PARTS))]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.webhook_replay", description=__doc__)
    parser.add_argument("--deliveries", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(1_000_000), help="default: any, printed")
    parser.add_argument("--every", type=float, default=6, help="seconds between two faults")
    options = parser.parse_args()
    plan = Plan(options.seed, options.deliveries, options.every)
    print(f"seed {plan.seed}: a replay of {plan.deliveries} deliveries", flush=True)
    folder = _STATE / f"chaos-replay-{plan.seed}"
    shutil.rmtree(folder, ignore_errors=True)
    result = asyncio.run(chaos(plan, folder))
    print(f"over after {result.seconds:.0f} s")
    conclude(folder, faults=result.faults, duplicates=result.duplicates, violations=result.violations)


if __name__ == "__main__":
    main()
