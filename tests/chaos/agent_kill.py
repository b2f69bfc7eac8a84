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
import orjson

from bench.measurement import percentile
from gateway import logs
from storage import Storage
from storage.agents.revocation import revoke
from storage.pool import fetch
from tests.agents import MadeCredential, make_credential
from tests.chaos.announcements import Announcements
from tests.chaos.installation import Installation, reached
from tests.grammar import Event, read_events
from tests.tenants import HAIKU, Tenant, make_tenant

APIS: Final = 4
GIVE_UP_S: Final = 30.0
"""Beyond any promise: whoever lets a call run on for so long will not end it."""

_STATE: Final = Path(".hasp").absolute()
_LONG: Final = "[[sandbox: frames=4000; delay_ms=20]]"
_BODIES: Final = {
    "/v1/ai/chat": {"message": _LONG},
    "/v1/messages": {
        "model": HAIKU.id,
        "max_tokens": 8000,
        "stream": True,
        "messages": [{"role": "user", "content": _LONG}],
    },
}

_LEFT: Final = """
select (select count(*) from credit_holds where org_id = %(org)s and state = 'open')
  + (select count(*) from agent_invocations where org_id = %(org)s)
  + (select count(*) from inferences where org_id = %(org)s and status <> 'cancelled')
"""

_ENDED: Final = """
select metadata ->> 'ended_because', (metadata ->> 'credits')::bigint from audit_entries
where org_id = %(org)s and entity_type = 'inference'
"""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a stream ended, and how many seconds after the revocation was committed."""

    after_s: float
    events: Sequence[Event]

    @property
    def is_typed(self) -> bool:
        """Exactly one event that ends it, the last, and it says why."""
        ends = [
            event.name
            for event in self.events
            if event.name in ("error", "run.failed", "run.completed", "message_stop")
        ]
        data: dict[str, Any] = self.events[-1].data
        error: dict[str, Any] = data.get("error") or data["data"]["error"]
        return ends == [self.events[-1].name] and error.get("code") == "CREDENTIAL_REVOKED"


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
        """One round: a credential and its child, streams of both surfaces under each on every process, one revocation."""
        await self._announcements.require_heard(within_s=GIVE_UP_S)
        tenant = await make_tenant(self._storage)
        root = await make_credential(self._storage, tenant.org, most=1000)
        child = await make_credential(self._storage, tenant.org, parent=root, most=1000)
        begun, at = asyncio.Semaphore(0), asyncio.get_running_loop().create_future()
        streams = [
            asyncio.create_task(self._streamed(url + path, credential, begun, at))
            for url in self._installation.urls.values()
            for credential in (root, child)
            for path in _BODIES
        ]
        async with asyncio.timeout(GIVE_UP_S):
            for _ in streams:
                await begun.acquire()
        async with self._announcements.cut() if cut else nullcontext():
            async with self._storage.as_operator(tenant.org, command="test") as tx:
                await revoke(tx, root.id, reason="lost")
            at.set_result(time.monotonic())
            endings = await asyncio.gather(*streams)
        return Killed(endings, await self._charged(tenant))

    async def _streamed(
        self, url: str, credential: MadeCredential, begun: asyncio.Semaphore, at: "asyncio.Future[float]"
    ) -> Ending:
        path = next(path for path in _BODIES if url.endswith(path))
        said = bytearray()
        async with self._session.post(
            url, data=orjson.dumps(_BODIES[path]), headers={"authorization": f"Bearer {credential.token}"}
        ) as answer:
            answer.raise_for_status()
            said += await answer.content.readany()
            begun.release()
            async for piece in answer.content.iter_any():
                said += piece
        ended = time.monotonic()
        return Ending(ended - await at, read_events(bytes(said)))

    async def _charged(self, tenant: Tenant) -> int:
        named = {"org": tenant.org}
        async with asyncio.timeout(GIVE_UP_S):
            while (await fetch(self._storage.pool, _LEFT, named))[0][0]:  # noqa: ASYNC110 - other processes have no event for us
                await asyncio.sleep(0.05)
        rows = await fetch(self._storage.pool, _ENDED, named)
        return sum(because == "credential_revoked" and charge > 0 for because, charge in rows)


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
