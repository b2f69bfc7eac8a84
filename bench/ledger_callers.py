"""Callers of the ledger, a process of their own: `python -m bench.ledger_callers` takes jobs and gives tallies.

A JSON line each. A closed loop straight on the journal of one process: each
caller reserves, settles, and comes again, as many callers of an API process would between
whose two statements a provider answers in no time at all.
"""

import asyncio
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import orjson

from bench.workloads import MODEL
from gateway.catalog import Model, shipped_catalog
from gateway.completion import Completion, StopReason, Usage
from gateway.conversation import Conversation, Sampling, Text, Turn
from gateway.ids import InferenceId, new_ulid
from gateway.inference.call import Call, Outcome, Status, Surface
from gateway.settings import Settings
from gateway.tenancy import Access
from storage import Storage

_HOLD: Final = 1_000
_CHARGE: Final = 10
_ASKED: Final = Conversation(turns=(Turn("user", (Text("Hello"),), plain=True),), sampling=Sampling(max_tokens=100))


@dataclass(frozen=True, slots=True)
class Job:
    """`tokens` are the keys that the callers present, in turn."""

    tokens: list[str]
    callers: int
    seconds: float


@dataclass(slots=True)
class Tally:
    """Times of whole calls, reserved and settled, and of each half, in milliseconds."""

    reserved: list[float] = field(default_factory=list[float])
    settled: list[float] = field(default_factory=list[float])
    wall_s: float = 0.0


class _Callers:
    def __init__(self, storage: Storage, model: Model) -> None:
        self._storage = storage
        self._model = model

    async def perform(self, job: Job) -> Tally:
        known = [await self._storage.access.resolve(token) for token in job.tokens]
        tally = Tally()
        began = time.perf_counter()
        callers = (self._call(known[at % len(known)], began + job.seconds, tally) for at in range(job.callers))
        await asyncio.gather(*callers)
        tally.wall_s = time.perf_counter() - began
        return tally

    async def _call(self, access: Access, until: float, tally: Tally) -> None:
        journal = self._storage.journal
        while (began := time.perf_counter()) < until:
            call = self._made(access)
            await journal.open(call, self._model, _HOLD)
            opened = time.perf_counter()
            await journal.close(self._answered(call))
            tally.reserved.append((opened - began) * 1000)
            tally.settled.append((time.perf_counter() - opened) * 1000)

    def _made(self, access: Access) -> Call:
        return Call(
            id=InferenceId(new_ulid()),
            access=access,
            surface=Surface.MESSAGES,
            model=self._model.id,
            conversation=_ASKED,
            received_at=datetime.now(UTC),
            store=False,
        )

    def _answered(self, call: Call) -> Outcome:
        completion = Completion(
            model=self._model.upstream,
            blocks=(Text("Hi."),),
            stop_reason=StopReason.END_TURN,
            usage=Usage(input=20, output=10),
        )
        return Outcome(call, self._model, Status.COMPLETED, datetime.now(UTC), completion=completion, charge=_CHARGE)


async def _serve() -> None:
    storage = await Storage.open(Settings())  # pyright: ignore[reportCallIssue] - from the environment
    callers = _Callers(storage, shipped_catalog().get(MODEL))
    try:
        while line := await asyncio.to_thread(sys.stdin.buffer.readline):
            tally = await callers.perform(Job(**orjson.loads(line)))
            sys.stdout.buffer.write(orjson.dumps(tally) + b"\n")
            sys.stdout.buffer.flush()
    finally:
        await storage.close()


def main() -> None:
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
