"""`python -m tests.chaos.agent_kill`: how long calls run on whose credential was revoked with `kill`.

Streams of both surfaces run on four API processes, under a credential and under one that it handed on. One revocation
ends them all: once with announcements arriving, and once with the connections that bring them frozen just before.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from bench.measurement import percentile
from gateway import logs
from storage import Storage
from storage.agents.revocation import revoke
from storage.pool import fetch
from tests.agents import MadeCredential, make_credential
from tests.chaos.announcements import Announcements
from tests.chaos.installation import Installation, reached
from tests.chaos.watching import until
from tests.grammar import Event, read_events
from tests.tenants import HAIKU, Tenant, make_tenant

APIS: Final = 4
GIVE_UP_S: Final = 30.0
"""Beyond any promise: whoever lets a call run on for so long will not end it."""

_STATE: Final = Path(".hasp").absolute()
_ASKED: Final = "[[sandbox: frames={}; delay_ms=20]]"
_LONG_FRAMES: Final = 4000
_PATHS: Final = ("/v1/ai/chat", "/v1/messages")
_ENDS: Final = frozenset({"error", "run.failed", "run.completed", "message_stop"})

_LEFT: Final = """
select (select count(*) from credit_holds where org_id = %(org)s and state = 'open')
  + (select count(*) from agent_invocations where org_id = %(org)s)
  + (select count(*) from inferences where org_id = %(org)s and status <> 'cancelled')
"""

_ENDED: Final = """
select metadata ->> 'ended_because', (metadata ->> 'credits')::bigint from audit_entries
where org_id = %(org)s and entity_type = 'inference'
"""


_Ended = tuple[float, bytes]
"""When a stream ended, and all that it said."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a stream ended, and how many seconds after the revocation was committed."""

    after_s: float
    events: Sequence[Event]

    @property
    def is_typed(self) -> bool:
        """It ended once, with an event that says why."""
        last = self.events[-1]
        if [event.name for event in self.events if event.name in _ENDS] != [last.name]:
            return False
        data: dict[str, Any] = last.data.get("data", last.data)
        return data.get("error", {}).get("code") == "CREDENTIAL_REVOKED"

    @property
    def is_whole(self) -> bool:
        """It ended as answers do."""
        ends = [event.name for event in self.events if event.name in _ENDS]
        return ends in (["run.completed"], ["message_stop"])


@dataclass(frozen=True, slots=True)
class Killed:
    endings: Sequence[Ending]
    charged: int
    """Calls that paid for what was produced, and are on record as cut."""


class Killer:
    """Revokes credentials under which every process runs calls."""

    def __init__(self, installation: Installation, storage: Storage, session: aiohttp.ClientSession) -> None:
        self._installation = installation
        self._storage = storage
        self._session = session
        self._announcements = Announcements(installation, session)

    async def killed(self, *, cut: bool) -> Killed:
        """One round: on every process streams of both surfaces under a credential and its child, and one revocation."""
        await self._announcements.require_heard(within_s=GIVE_UP_S)
        tenant = await make_tenant(self._storage)
        root = await make_credential(self._storage, tenant.org, most=1000)
        child = await make_credential(self._storage, tenant.org, parent=root, most=1000)
        running = await self._begun([root, child], frames=_LONG_FRAMES)
        async with self._announcements.cut() if cut else nullcontext():
            endings = await self._revoked(tenant, root, running)
        return Killed(endings, await self._charged(tenant))

    async def drained(self) -> tuple[Sequence[Ending], Sequence[Ending]]:
        """As `killed`, with a credential that is to be drained: how its own streams ended, and its child's."""
        tenant = await make_tenant(self._storage)
        root = await make_credential(self._storage, tenant.org, policy="drain", most=1000)
        child = await make_credential(self._storage, tenant.org, parent=root, policy="drain", most=1000)
        own = await self._begun([root], frames=200)
        below = await self._begun([child], frames=_LONG_FRAMES)
        endings = await self._revoked(tenant, root, [*own, *below])
        return endings[: len(own)], endings[len(own) :]

    async def _begun(self, credentials: Sequence[MadeCredential], *, frames: int) -> list[asyncio.Task[_Ended]]:
        """A stream of each surface under each of `credentials` on every process, once all have said something."""
        begun = asyncio.Semaphore(0)
        streams = [
            asyncio.create_task(self._streamed(url, path, credential, begun, frames))
            for url in self._installation.urls.values()
            for credential in credentials
            for path in _PATHS
        ]
        async with asyncio.timeout(GIVE_UP_S):
            for _ in streams:
                await begun.acquire()
        return streams

    async def _revoked(
        self, tenant: Tenant, credential: MadeCredential, streams: Sequence[asyncio.Task[_Ended]]
    ) -> list[Ending]:
        async with self._storage.as_operator(tenant.org, command="test") as tx:
            await revoke(tx, credential.id, reason="lost")
        at = time.monotonic()
        return [Ending(ended - at, read_events(said)) for ended, said in await asyncio.gather(*streams)]

    async def _streamed(
        self, url: str, path: str, credential: MadeCredential, begun: asyncio.Semaphore, frames: int
    ) -> _Ended:
        headers = {"authorization": f"Bearer {credential.token}"}
        said = bytearray()
        async with self._session.post(url + path, json=_body(path, frames), headers=headers) as answer:
            answer.raise_for_status()
            said += await answer.content.readany()
            begun.release()
            async for piece in answer.content.iter_any():
                said += piece
        return time.monotonic(), bytes(said)

    async def _charged(self, tenant: Tenant) -> int:
        named = {"org": tenant.org}

        async def settled() -> bool:
            return not (await fetch(self._storage.pool, _LEFT, named))[0][0]

        if not await until(settled, within_s=GIVE_UP_S):
            raise RuntimeError("a call that was cut is not settled")
        rows = await fetch(self._storage.pool, _ENDED, named)
        return sum(because == "credential_revoked" and charge > 0 for because, charge in rows)


def _body(path: str, frames: int) -> dict[str, Any]:
    asked = _ASKED.format(frames)
    if path == "/v1/ai/chat":
        return {"message": asked}
    said = [{"role": "user", "content": asked}]
    return {"model": HAIKU.id, "max_tokens": 8000, "stream": True, "messages": said}


async def _measure(rounds: int) -> None:
    _STATE.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="agent-kill-", dir=_STATE) as folder:
        async with reached(Path(folder), apis=APIS) as installed:
            killer = Killer(*installed)
            for name, cut in (("channel works", False), ("channel cut", True)):
                print(_line(name, [await killer.killed(cut=cut) for _ in range(rounds)]), flush=True)


def _line(name: str, seen: Sequence[Killed]) -> str:
    endings = [ending for each in seen for ending in each.endings]
    times = [ending.after_s * 1000 for ending in endings]
    p50, p99 = percentile(times, 50), percentile(times, 99)
    return (
        f"{name:14} {len(times)} streams, p50 {p50:.0f} ms, p99 {p99:.0f} ms, max {max(times):.0f} ms;"
        f" {sum(not ending.is_typed for ending in endings)} without their last event,"
        f" {len(endings) - sum(each.charged for each in seen)} not charged"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.agent_kill", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="with the channel, and as many without")
    options = parser.parse_args()
    logs.configure("error")  # this process hears no announcements either, and would say so
    asyncio.run(_measure(options.rounds))


if __name__ == "__main__":
    main()
