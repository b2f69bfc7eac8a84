"""`python -m tests.chaos.agent_cascades`: one credential revoked, with a thousand below it, on four API processes.

How long any of those still opens any process, how long until the receipt says that all are done, and what is left by
a scan that shares nothing with the cascade: with the worker left alone, and killed again and again meanwhile.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

import aiohttp

from bench.measurement import percentile
from gateway import logs
from gateway.agents.cascade import Cascade, CascadeState
from gateway.errors import UnavailableError
from gateway.ids import AgentId, CascadeId, OrganizationId, new_ulid
from gateway.tenancy import KeyMode, Principal
from storage import Storage
from storage.agents import cascading, revocation
from storage.pool import fetch
from tests.agents import MadeCredential, make_agent, make_credential
from tests.chaos.installation import Installation, reached
from tests.chaos.watching import until
from tests.tenants import make_tenant

APIS: Final = 4
AGENTS: Final = 5
GIVE_UP_S: Final = 30.0
DONE_WITHIN_S: Final = 240.0
"""Beyond any promise."""

_STATE: Final = Path(".hasp").absolute()
# What a credential has that may still be used: by the row of each of its parents, one after the other.
_USABLE: Final = """
with recursive up as (
  select c.id as leaf, c.parent_id, c.revoked_at is null and c.expires_at > now() as holds
  from agent_credentials c where c.org_id = %(org)s
  union all
  select up.leaf, c.parent_id, c.revoked_at is null and c.expires_at > now()
  from up join agent_credentials c on c.id = up.parent_id)
select count(*) from (select leaf from up group by leaf having bool_and(holds)) usable
"""
_UNMARKED: Final = "select count(*) from agent_credentials where org_id = %(org)s and revoked_at is null"


_TELL: Final = """
insert into outbox (id, org_id, type, data, created_at)
select t.id, %(org)s, 'agent.credential_issued',
  jsonb_build_object('agent_id', t.agent, 'credential_id', t.credential), now()
from unnest(%(ids)s::text[], %(credentials)s::text[], %(agents)s::text[]) as t(id, credential, agent)
"""


@dataclass(frozen=True, slots=True)
class Fallen:
    """What one revocation came to. `denied_s`: of each credential that was tried, to its first refusal."""

    denied_s: Sequence[float]
    never: int
    """Credentials that were tried and not refused."""
    done_s: float | None
    left: int
    """By the cascade's own scan, and by one of the test's: together."""
    kills: int


@dataclass(frozen=True, slots=True)
class Tree:
    org: OrganizationId
    root: MadeCredential
    below: Sequence[MadeCredential]


class CascadeChaos:
    def __init__(self, installation: Installation, storage: Storage, session: aiohttp.ClientSession) -> None:
        self._installation = installation
        self._storage = storage
        self._session = session

    async def fallen(self, descendants: int, *, tried: int, kill_every_s: float | None, seed: int) -> Fallen:
        """Revoke a fresh tree. Each of `tried` credentials is asked for at one process, again and again."""
        random = Random(seed)
        tree = await self._grown(descendants, random)
        chosen = [(each, random.choice([*self._installation.urls.values()])) for each in self._chosen(tree, tried)]
        await self._let_in(chosen)
        killing = asyncio.create_task(self._kill(kill_every_s)) if kill_every_s else None
        cascade = await self._revoke(tree)
        at = time.monotonic()
        denied, done = await asyncio.gather(
            asyncio.gather(*(self._denied(url, each, at) for each, url in chosen)), self._done(tree, cascade, at)
        )
        kills = await _ended(killing)
        times = [after for after in denied if after is not None]
        return Fallen(times, len(denied) - len(times), done, await self._left(tree, cascade), kills)

    async def _grown(self, descendants: int, random: Random) -> Tree:
        """Three deep below the root, under several agents."""
        org = (await make_tenant(self._storage)).org
        agents = [await make_agent(self._storage, org) for _ in range(AGENTS)]
        root = await self._issued(org, agents[0], None)
        room = asyncio.Semaphore(8)

        async def level(parents: Sequence[MadeCredential], number: int) -> list[MadeCredential]:
            async def one() -> MadeCredential:
                async with room:
                    return await self._issued(org, random.choice(agents), random.choice(parents))

            return [*await asyncio.gather(*(one() for _ in range(number)))]

        first = await level([root], max(1, descendants // 100))
        second = await level(first, max(1, descendants // 10))
        third = await level(second, max(0, descendants - len(first) - len(second)))
        tree = Tree(org, root, [*first, *second, *third])
        await self._told(tree)
        return tree

    async def _told(self, tree: Tree) -> None:
        """Of each issue, as the API does: so that each has its workflow before all of them fall."""
        issued = [tree.root, *tree.below]
        named = {
            "ids": [new_ulid() for _ in issued],
            "credentials": [each.id for each in issued],
            "agents": [each.agent for each in issued],
            "org": tree.org,
        }
        await fetch(self._storage.pool, _TELL, named)
        if not await until(lambda: self._is_relayed(tree.org), within_s=DONE_WITHIN_S):
            raise RuntimeError("events are not relayed, before anything was killed")

    async def _is_relayed(self, org: OrganizationId) -> bool:
        waiting = "select count(*) from outbox where org_id = %s and relayed_at is null"
        return (await fetch(self._storage.pool, waiting, [org]))[0][0] == 0

    async def _issued(self, org: OrganizationId, agent: AgentId, parent: MadeCredential | None) -> MadeCredential:
        return await make_credential(self._storage, org, agent, parent=parent)

    def _chosen(self, tree: Tree, tried: int) -> Sequence[MadeCredential]:
        return Random(tree.root.id).sample([*tree.below], min(tried, len(tree.below)))

    async def _let_in(self, chosen: Sequence[tuple[MadeCredential, str]]) -> None:
        statuses = [await self._status(url, each) for each, url in chosen]
        if any(status == 401 for status in statuses):
            raise RuntimeError("a fresh credential is not let in")

    async def _revoke(self, tree: Tree) -> Cascade:
        async with self._storage.as_operator(tree.org, command="test") as tx:
            return await revocation.revoke(tx, tree.root.id, reason="leaked")

    async def _denied(self, url: str, credential: MadeCredential, since: float) -> float | None:
        while await self._status(url, credential) != 401:
            if time.monotonic() - since > GIVE_UP_S:
                return None
            await asyncio.sleep(0.01)
        return time.monotonic() - since

    async def _status(self, url: str, credential: MadeCredential) -> int:
        async with self._session.get(f"{url}/v1/models", headers={"x-api-key": credential.token}) as answer:
            await answer.read()
            return answer.status

    async def _done(self, tree: Tree, cascade: Cascade, since: float) -> float | None:
        is_done = await until(lambda: self._is_done(tree.org, cascade.id), within_s=DONE_WITHIN_S)
        return time.monotonic() - since if is_done else None

    async def _is_done(self, org: OrganizationId, cascade: CascadeId) -> bool:
        try:
            async with self._storage.read(Principal(org, None, frozenset(), KeyMode.LIVE)) as view:
                return (await view.agent_cascades.get(cascade)).state is CascadeState.DONE
        except UnavailableError:
            return False

    async def _left(self, tree: Tree, cascade: Cascade) -> int:
        named = {"org": tree.org}
        ours = [(await fetch(self._storage.pool, scan, named))[0][0] for scan in (_USABLE, _UNMARKED)]
        theirs = await cascading.find_left(self._storage.pool, cascade.id, now=datetime.now(UTC))
        return sum(ours) + len(theirs)

    async def _kill(self, every_s: float) -> int:
        """`kill -9` the worker, at once and for as long as there is somebody to wait for it."""
        kills = 0
        with suppress(asyncio.CancelledError):
            while True:
                kills += self._installation.kill("worker")
                await asyncio.sleep(every_s)
        return kills


async def _ended(killing: asyncio.Task[int] | None) -> int:
    if killing is None:
        return 0
    killing.cancel()
    return await killing


async def _measure(rounds: int, descendants: int, tried: int, kill_every_s: float) -> None:
    _STATE.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cascades-", dir=_STATE) as folder:
        async with reached(Path(folder), apis=APIS) as installed:
            chaos = CascadeChaos(*installed)
            for name, every_s in (("worker alone", None), ("worker killed", kill_every_s)):
                seen = [
                    await chaos.fallen(descendants, tried=tried, kill_every_s=every_s, seed=number)
                    for number in range(rounds)
                ]
                print(_line(name, seen), flush=True)


def _line(name: str, seen: Sequence[Fallen]) -> str:
    times = [after * 1000 for each in seen for after in each.denied_s]
    shown = "none" if not times else f"p50 {percentile(times, 50):.0f} ms, p99 {percentile(times, 99):.0f} ms"
    done = ", ".join("never" if each.done_s is None else f"{each.done_s:.1f} s" for each in seen)
    return (
        f"{name:14} {len(times)} denials, {shown}; {sum(each.never for each in seen)} never;"
        f" done after {done}; {sum(each.left for each in seen)} left; {sum(each.kills for each in seen)} kills"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.agent_cascades", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="with the worker left alone, and as many without")
    parser.add_argument("--descendants", type=int, default=1000)
    parser.add_argument("--tried", type=int, default=100, help="descendants whose denial is measured")
    parser.add_argument("--kill-every", type=float, default=3.0, help="seconds between two deaths of the worker")
    options = parser.parse_args()
    logs.configure("error")
    asyncio.run(_measure(options.rounds, options.descendants, options.tried, options.kill_every))


if __name__ == "__main__":
    main()
