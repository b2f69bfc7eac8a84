"""Whatever becomes of the process that seals, another goes on: no gap, no fork, nothing sealed twice or never."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random

import psycopg

from gateway.audit.signing import SigningKey
from gateway.clock import SystemClock
from gateway.errors import UnavailableError
from gateway.ids import OrganizationId, new_ulid
from storage import Storage
from storage.audit_keys import SEALING
from storage.audit_verification import verify
from storage.pool import Pool, fetch
from storage.sequencer import Sequencer
from tests.conftest import Database
from tests.storage.sealers import SEED, sealer
from tests.tenants import make_tenant

KILLS = 20
MOST_SIGNATURES = 100
PACE_S = 0.01
WITHIN_S = 60

WRITE = """
with written as (
  insert into audit_entries (id, org_id, action, metadata, phi_disposition, created_at)
  values (%s, %s, 'policy.updated', '{}', 'not_present', now()) returning id)
insert into audit_pending (entry_id) select id from written
"""


@asynccontextmanager
async def writing(pool: Pool, orgs: list[OrganizationId]) -> AsyncGenerator[None]:
    """Writers of these organisations, for the length of the block."""
    ended = asyncio.Event()

    async def write(org: OrganizationId) -> None:
        while not ended.is_set():
            # A machine as busy as this may have no connection for one of them: it writes the next.
            with suppress(UnavailableError):
                await fetch(pool, WRITE, [new_ulid(), org])
            await asyncio.sleep(PACE_S)

    writers = [asyncio.create_task(write(org)) for org in orgs]
    try:
        yield
    finally:
        ended.set()
        await asyncio.gather(*writers)


def own_sequencer(storage: Storage) -> Sequencer:
    return Sequencer(storage.pool, SystemClock(), SigningKey(SEED))


async def number(pool: Pool, query: str) -> int:
    ((found,),) = await fetch(pool, query)  # pyright: ignore[reportArgumentType] - only ours
    return found


async def is_stopped(process: BaseProcess) -> bool:
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"  # noqa: ASYNC240 - no disk


async def seals(sequencer: Sequencer) -> bool:
    return await sequencer.seal() > 0


async def all_is_sealed(storage: Storage) -> bool:
    return await number(storage.pool, "select count(*) from audit_pending") == 0


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not await holds():  # noqa: ASYNC110 - other processes have no event to give us
            await asyncio.sleep(0.05)


async def assert_all_are_sealed_once(storage: Storage, orgs: list[OrganizationId]) -> None:
    assert await all_is_sealed(storage)
    entries = await number(storage.pool, "select count(*) from audit_entries")
    assert await number(storage.pool, "select count(*) from audit_seals") == entries
    verdicts = [await verify(storage.pool, org) for org in orgs]
    assert [verdict.flaw for verdict in verdicts] == [None] * len(orgs)


async def test_twenty_killed_sequencers_leave_one_chain(storage: Storage, database: Database) -> None:
    random = Random(20)
    orgs = [(await make_tenant(storage)).org for _ in range(3)]

    async def run_until_killed() -> None:
        at = random.randint(1, MOST_SIGNATURES)
        with sealer(database.app_url, signal.SIGKILL, at=at) as process:
            await asyncio.to_thread(process.join, WITHIN_S)
            assert process.exitcode == -signal.SIGKILL

    async def one_after_another() -> None:
        for _ in range(KILLS // 2):
            await run_until_killed()

    async with writing(storage.pool, orgs):
        await asyncio.gather(one_after_another(), one_after_another())
    while await own_sequencer(storage).seal():
        pass

    await assert_all_are_sealed_once(storage, orgs)


async def test_a_sequencer_that_hangs_loses_its_place_and_writes_nothing_stale_when_it_wakes(
    storage: Storage, database: Database
) -> None:
    org = (await make_tenant(storage)).org
    for _ in range(10):
        await fetch(storage.pool, WRITE, [new_ulid(), org])
    with sealer(database.app_url, signal.SIGSTOP, at=5) as hung:
        assert hung.pid is not None
        await until(lambda: is_stopped(hung))
        await until(lambda: seals(own_sequencer(storage)))
        os.kill(hung.pid, signal.SIGCONT)
        await fetch(storage.pool, WRITE, [new_ulid(), org])
        await until(lambda: all_is_sealed(storage))  # by the one that woke: nobody else seals any more

    await assert_all_are_sealed_once(storage, [org])


async def test_a_sequencer_whose_connection_is_cut_within_a_batch_seals_it_by_another(
    storage: Storage, database: Database
) -> None:
    org = (await make_tenant(storage)).org
    cut: list[int] = []

    class CuttingKey(SigningKey):
        def sign(self, digest: str) -> str:
            if not cut:
                with psycopg.connect(database.owner_url, autocommit=True) as owner:
                    leading = "select pid from pg_locks where locktype = 'advisory' and objid = %s and granted"
                    found = owner.execute(f"select pid, pg_terminate_backend(pid) from ({leading})", [SEALING])
                    cut.extend(pid for pid, _ in found)
            return super().sign(digest)

    running = asyncio.create_task(Sequencer(storage.pool, SystemClock(), CuttingKey(SEED)).run())
    await until(lambda: all_is_sealed(storage))
    running.cancel()
    await asyncio.wait([running])

    assert len(cut) == 1
    await assert_all_are_sealed_once(storage, [org])
