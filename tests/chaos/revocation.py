"""`python -m tests.chaos.revocation`: how long a revoked key still opens any of four API processes.

Once with announcements arriving, and once with the connections that bring
them frozen just before the key is revoked: open, and silent, as behind a
firewall that forgot them.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from bench.measurement import percentile
from gateway import logs
from gateway.audit import AuditAction
from storage import Storage
from tests.chaos.announcements import Announcements
from tests.chaos.installation import Installation, reached
from tests.tenants import Tenant, make_tenant

APIS: Final = 4
GIVE_UP_S: Final = 30.0
"""Beyond any promise: whoever lets a revoked key in for so long will not stop to."""

_STATE: Final = Path(".hasp").absolute()


@dataclass(frozen=True, slots=True)
class Denials:
    """Seconds from the end of a revocation to each process's first refusal; who never refused is not among them."""

    after_s: Sequence[float]
    relapses: int
    """Processes that let the key in again after they had refused it."""


class Revoker:
    """Revokes keys that every process has let in and has in its cache."""

    def __init__(self, installation: Installation, storage: Storage, session: aiohttp.ClientSession) -> None:
        self._installation = installation
        self._storage = storage
        self._session = session
        self._announcements = Announcements(installation, session)

    async def revoked(self, *, cut: bool) -> Denials:
        """One round: a fresh key, let in everywhere, then revoked while every process is asked again and again."""
        await self._announcements.require_heard(within_s=GIVE_UP_S)
        tenant = await make_tenant(self._storage)
        if any([await self._status(url, tenant) != 200 for url in self._installation.urls.values()]):
            raise RuntimeError("a fresh key is not let in")
        async with self._announcements.cut() if cut else nullcontext():
            await self._revoke(tenant)
            at = time.monotonic()
            rounds = (self._asked(url, tenant, at) for url in self._installation.urls.values())
            seen = await asyncio.gather(*rounds)
        return Denials([after for after, _ in seen if after is not None], sum(relapsed for _, relapsed in seen))

    async def _asked(self, url: str, tenant: Tenant, since: float) -> tuple[float | None, bool]:
        """When the key was first refused, and whether it was let in afterwards."""
        while await self._status(url, tenant) == 200:
            if time.monotonic() - since > GIVE_UP_S:
                return None, False
        after = time.monotonic() - since
        return after, 200 in [await self._status(url, tenant) for _ in range(20)]

    async def _status(self, url: str, tenant: Tenant) -> int:
        async with self._session.get(f"{url}/v1/models", headers={"x-api-key": tenant.token}) as answer:
            await answer.read()
            return answer.status

    async def _revoke(self, tenant: Tenant) -> None:
        async with self._storage.as_operator(tenant.org, command="test") as tx:
            await tx.keys.revoke(tenant.key.id)
            tx.audit(AuditAction.API_KEY_REVOKED, entity_type="api_key", entity_id=tenant.key.id)


async def _measure(rounds: int) -> None:
    _STATE.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="revocation-", dir=_STATE) as folder:
        async with reached(Path(folder), apis=APIS) as installed:
            revoking = Revoker(*installed)
            for name, cut in (("channel works", False), ("channel cut", True)):
                seen = [await revoking.revoked(cut=cut) for _ in range(rounds)]
                print(_line(name, seen), flush=True)


def _line(name: str, seen: Sequence[Denials]) -> str:
    times = [after * 1000 for each in seen for after in each.after_s]
    p50, p99 = percentile(times, 50), percentile(times, 99)
    missing = len(seen) * APIS - len(times)
    return (
        f"{name:14} {len(times)} denials, p50 {p50:.0f} ms, p99 {p99:.0f} ms, max {max(times):.0f} ms;"
        f" {missing} never, {sum(each.relapses for each in seen)} relapses"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.revocation", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="with the channel, and as many without")
    options = parser.parse_args()
    logs.configure("error")  # this process hears no announcements either, and would say so
    asyncio.run(_measure(options.rounds))


if __name__ == "__main__":
    main()
