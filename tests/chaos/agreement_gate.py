"""`python -m tests.chaos.agreement_gate`: how soon an agreement opens, and its end closes, each of four API processes.

From the moment when the request that accepts is sent, so with the document made,
signed and kept by the worker, and when it is in force; and from a termination's
commit. Once with announcements arriving, and once with the connections that
bring them frozen just before.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp

from bench.measurement import percentile
from gateway import logs
from gateway.tenancy import Scope
from storage import Storage
from storage.onboarding import terminate_agreement
from storage.pool import fetch
from tests.chaos.announcements import Announcements
from tests.chaos.installation import Installation, reached
from tests.tenants import Tenant, make_tenant

APIS: Final = 4
GIVE_UP_S: Final = 30.0

_STATE: Final = Path(".hasp").absolute()
_BAA: Final = "/v1/compliance/baa"
_CALL: Final = {"message": "Hello", "stream": False}
_SIGNER: Final = {
    "name": "Anna Müller",
    "title": "Chief Privacy Officer",
    "email": "anna.mueller@mercy.example",
    "organization_name": "Mercy General Hospital",
}
_OPEN, _CLOSED = 200, 402


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds, of each process that came to answer so."""

    signed_s: float
    """From acceptance to the moment when it is in force."""
    opened_s: Sequence[float]
    """From that moment to the first call that is answered."""
    closed_s: Sequence[float]
    """From the commit of a termination to the first call that is refused."""
    relapses: int
    """Processes that then answered otherwise once more."""


class Gate:
    def __init__(self, installation: Installation, storage: Storage, session: aiohttp.ClientSession) -> None:
        self._installation = installation
        self._storage = storage
        self._session = session
        self._announcements = Announcements(installation, session)

    async def opened_and_closed(self, *, cut: bool) -> Round:
        """A fresh organisation that every process has refused accepts; later its agreement is terminated."""
        scopes = (Scope.AI_CHAT, Scope.CONTROL_READ, Scope.CONTROL_WRITE)
        tenant = await make_tenant(self._storage, scopes=scopes, agreement=False)
        if any([await self._status(url, tenant) != _CLOSED for url in self._urls]):
            raise RuntimeError("an organisation without an agreement is let in")
        async with self._quiet(cut=cut):
            opening = asyncio.gather(*(self._until(_OPEN, url, tenant) for url in self._urls))
            sent = time.monotonic()
            await accept(self._session, self._urls[0], tenant)
            active = await self._active(tenant)
            opened = await opening
        async with self._quiet(cut=cut):
            closing = asyncio.gather(*(self._until(_CLOSED, url, tenant) for url in self._urls))
            await terminate_agreement(self._storage, tenant.org, notice=timedelta(), grace_days=0)
            ended = time.monotonic()
            closed = await closing
        return Round(
            active - sent,
            [max(at - active, 0.0) for at, _ in opened if at is not None],
            [max(at - ended, 0.0) for at, _ in closed if at is not None],
            sum(relapsed for _, relapsed in (*opened, *closed)),
        )

    @asynccontextmanager
    async def _quiet(self, *, cut: bool) -> AsyncGenerator[None]:
        """Every process heard announcements until now; from now on, if they are cut, none does."""
        await self._announcements.require_heard(within_s=GIVE_UP_S)
        async with self._announcements.cut() if cut else nullcontext():
            yield

    @property
    def _urls(self) -> Sequence[str]:
        return [*self._installation.urls.values()]

    async def _until(self, wanted: int, url: str, tenant: Tenant) -> tuple[float | None, bool]:
        """When the process first answered so, and whether it answered otherwise afterwards."""
        began = time.monotonic()
        while await self._status(url, tenant) != wanted:
            if time.monotonic() - began > GIVE_UP_S:
                return None, False
        at = time.monotonic()
        return at, any([await self._status(url, tenant) != wanted for _ in range(10)])

    async def _active(self, tenant: Tenant) -> float:
        """As soon as the database says so."""
        query = "select 1 from baa_acceptances where org_id = %s and status = 'active'"
        async with asyncio.timeout(GIVE_UP_S):
            while not await fetch(self._storage.pool, query, [tenant.org]):  # noqa: ASYNC110 - the worker tells us no event
                await asyncio.sleep(0.005)
        return time.monotonic()

    def _status(self, url: str, tenant: Tenant) -> Awaitable[int]:
        return _posted(self._session, f"{url}/v1/ai/chat", tenant, _CALL)


async def accept(session: aiohttp.ClientSession, url: str, tenant: Tenant) -> None:
    """As a customer does, at the API process of that URL. Raises `RuntimeError` unless it is a new acceptance."""
    async with session.get(url + _BAA, headers={"x-api-key": tenant.token}) as answer:
        offered = (await answer.json())["data"]
    body = {
        "template_sha256": offered["template"]["sha256"],
        "token": offered["signing"]["token"],
        "consent_sha256": offered["signing"]["consent_sha256"],
        "authority": True,
        "signer": _SIGNER,
    }
    if await _posted(session, f"{url}{_BAA}/acceptances", tenant, body) != 202:
        raise RuntimeError("the agreement was not accepted")


async def _posted(session: aiohttp.ClientSession, url: str, tenant: Tenant, body: dict[str, Any]) -> int:
    async with session.post(url, json=body, headers={"x-api-key": tenant.token}) as answer:
        await answer.read()
        return answer.status


async def _measure(rounds: int) -> None:
    _STATE.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="gate-", dir=_STATE) as folder:
        async with reached(Path(folder), apis=APIS) as installed:
            measured = Gate(*installed)
            for name, cut in (("channel works", False), ("channel cut", True)):
                seen = [await measured.opened_and_closed(cut=cut) for _ in range(rounds)]
                print(name)
                print(_line("  accepted -> in force", [each.signed_s for each in seen]))
                print(_line("  in force -> first 200", [s for each in seen for s in each.opened_s]))
                print(_line("  terminated -> first 402", [s for each in seen for s in each.closed_s]))
                print(f"  relapses: {sum(each.relapses for each in seen)}", flush=True)


def _line(name: str, seconds: Sequence[float]) -> str:
    times = [each * 1000 for each in seconds]
    p50, p99 = percentile(times, 50), percentile(times, 99)
    return f"{name:25} n {len(times)}, p50 {p50:.0f} ms, p99 {p99:.0f} ms, max {max(times):.0f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.agreement_gate", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="with the channel, and as many without")
    options = parser.parse_args()
    logs.configure("error")  # this process hears no announcements either, and would say so
    asyncio.run(_measure(options.rounds))


if __name__ == "__main__":
    main()
