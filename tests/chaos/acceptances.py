"""`python -m tests.chaos.acceptances`: organisations accept while the worker is killed (`kill -9`) again and again.

Wherever it was hit, amid a document or between two steps, each acceptance must
come to one document and one agreement in force. A step that is hit is tried
again once its time is up, so a run takes some minutes.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any, Final

from gateway import logs
from gateway.tenancy import Scope
from storage import Storage
from storage.pool import fetch
from tests.chaos.agreement_gate import accept
from tests.chaos.installation import Installation, reached
from tests.tenants import make_tenant

_STATE: Final = Path(".hasp").absolute()
_GIVE_UP_S: Final = 300.0
_SCOPES: Final = (Scope.CONTROL_READ, Scope.CONTROL_WRITE)

_UNFINISHED: Final = "select count(*) from baa_acceptances where status = 'pending' or awaits_document"
_NOT_ONCE: Final = """
select a.id from baa_acceptances a where a.status <> 'active'
  or (select count(*) from baa_documents d where d.acceptance_id = a.id) <> 1
  or (select array_agg(e.action order by e.action) from audit_entries e
      where e.org_id = a.org_id and e.action like 'baa.%%' and e.action not like '%%retrieved')
    is distinct from array['baa.accepted', 'baa.activated', 'baa.signed']
  or (select count(*) from outbox o where o.org_id = a.org_id and o.type = 'baa.activated') <> 1
"""


async def _count(storage: Storage) -> int:
    ((count,),) = await fetch(storage.pool, _UNFINISHED, {})
    return count


async def _killed(installation: Installation, storage: Storage, random: Random, kills: int) -> dict[str, Any]:
    """Kill the worker at moments of chance while it has work, then wait until nothing is left to do."""
    hit, began = 0, time.monotonic()
    while await _count(storage) and time.monotonic() - began < _GIVE_UP_S:
        await asyncio.sleep(random.uniform(0.02, 1.0))
        if hit < kills and await _count(storage):
            hit += installation.kill("worker")
    return {"kills": hit, "unfinished": await _count(storage), "seconds": round(time.monotonic() - began)}


async def _run(organizations: int, kills: int, seed: int) -> int:
    _STATE.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="acceptances-", dir=_STATE) as folder:
        async with reached(Path(folder), apis=2) as (installation, storage, session):
            urls = [*installation.urls.values()]
            tenants = [await make_tenant(storage, scopes=_SCOPES, agreement=False) for _ in range(organizations)]
            await asyncio.gather(*(accept(session, urls[at % 2], each) for at, each in enumerate(tenants)))
            result = await _killed(installation, storage, Random(seed), kills)
            wrong = await fetch(storage.pool, _NOT_ONCE, {})
    print({"acceptances": organizations, **result, "not exactly once": len(wrong)})
    return len(wrong)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.acceptances", description=__doc__)
    parser.add_argument("--organizations", type=int, default=60)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logs.configure("error")
    raise SystemExit(bool(asyncio.run(_run(options.organizations, options.kills, options.seed))))


if __name__ == "__main__":
    main()
