"""`python -m tests.chaos.end_user_export`: a person with very many records is exported, and the worker killed amid it.

What comes of it must be, byte for byte, what an undisturbed run makes of the same moment; and neither the worker that
writes it nor the API that sends it may need more memory the more there is.
"""

import argparse
import asyncio
import hashlib
import shutil
import sys
import zipfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Final

import aiohttp

from gateway.clock import SystemClock
from gateway.end_users.exports import EndUserExport
from gateway.errors import UnavailableError
from gateway.tenancy import Scope
from storage import Storage
from storage.end_users.exports.writing import EndUserExportWriting
from storage.pool import fetch
from tests.chaos.installation import API, Installation, reached
from tests.chaos.memory import metered
from tests.chaos.watching import until
from tests.end_user_exports import files_of, rewind
from tests.end_user_load import CALLS_A_CONVERSATION, RECORDS_A_CALL, put_calls
from tests.replaying import reading
from tests.tenants import Tenant, make_tenant

NAME: Final = "maria.lopez@mercy.example"
SCOPES: Final = (Scope.AI_CHAT, Scope.CONTROL_READ, Scope.END_USERS_READ)
GROWS_AT_MOST: Final = 96
"""Mebibytes: a few files of 4 MB, as they are and as they are read, packed and sealed."""

OVER_WITHIN_S: Final = 1500.0
_STATE: Final = Path(".hasp").absolute()
_PIECE: Final = 1 << 20


@dataclass(slots=True)
class Result:
    records: int = 0
    size: int = 0
    """Bytes, as they are in the bag."""
    kills: int = 0
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    memory: list[str] = field(default_factory=list[str])
    violations: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class ExportChaos:
    installation: Installation
    storage: Storage
    session: aiohttp.ClientSession

    async def exported(self, records: int, *, kills: int, folder: Path) -> Result:
        """Raises nothing for a broken promise: `violations` are what to look at."""
        result = Result()
        tenant = await make_tenant(self.storage, scopes=SCOPES)
        calls = -(-records * CALLS_A_CONVERSATION // (RECORDS_A_CALL * CALLS_A_CONVERSATION + 1))
        with _timed(result, "records written in bulk"):
            await put_calls(self.storage, self.installation.owner_url, tenant, NAME, calls)
        with _timed(result, "audit entries sealed"):
            await until(self._is_sealed, within_s=OVER_WITHIN_S)
        async with metered(self.installation.pids) as memory:
            with _timed(result, f"exported, the worker killed {kills} times"):
                export_id = await self._asked(tenant)
                result.kills = await self._harmed(export_id, records, kills)
                await until(lambda: self._is_over(export_id), within_s=OVER_WITHIN_S)
            result.memory.append(memory.told("worker"))
            if memory.grown("worker") > GROWS_AT_MOST:
                result.violations.append(f"the worker grew: {memory.told('worker')}")
        shown = await self._shown(tenant, export_id)
        result.records, result.size = shown["records"], shown["bytes_written"]
        if (shown["state"], result.kills) != ("ready", kills):
            result.violations.append(f"{shown['state']} after {result.kills} kills")
            return result
        await self._download(result, tenant, shown, folder / "export.zip")
        await self._write_again(result, tenant, shown)
        return result

    async def _asked(self, tenant: Tenant) -> str:
        answer = await self._get(tenant, f"/v1/orgs/{tenant.org}/end-users/{NAME}/export", {"prefer": "respond-async"})
        return answer["id"]

    async def _harmed(self, export_id: str, records: int, kills: int) -> int:
        """How often the worker was killed: each time when a further share of the records was written."""
        for number in range(1, kills + 1):
            least = records * number // (kills + 1)
            await until(lambda least=least: self._has_written(export_id, least), within_s=OVER_WITHIN_S)
            if await self._is_over(export_id) or not await until(self._killed, within_s=60):
                return number - 1
        return kills

    async def _killed(self) -> bool:
        return self.installation.kill("worker")

    async def _download(self, result: Result, tenant: Tenant, shown: dict[str, Any], to: Path) -> None:
        part, size = f"{API}-1", 0
        async with metered(self.installation.pids) as memory:
            with _timed(result, "downloaded"):
                url = f"{self._url}{shown['download_url']}"
                async with self.session.get(url, headers=_headers(tenant), timeout=_PATIENT) as answer:
                    with to.open("wb") as file:
                        async for piece in answer.content.iter_chunked(_PIECE):
                            size += file.write(piece)
            result.memory.append(f"{memory.told(part)}, sending a ZIP of {size / 1e6:.0f} MB")
            if memory.grown(part) > GROWS_AT_MOST:
                result.violations.append(f"the API grew: {memory.told(part)}")
        result.violations += judged(to, shown)

    async def _write_again(self, result: Result, tenant: Tenant, shown: dict[str, Any]) -> None:
        """As of the same moment, undisturbed."""
        export = await self._export(tenant, shown["id"])
        disturbed = await files_of(self.storage, export)
        await rewind(self.storage, export)
        with _timed(result, "exported, undisturbed"):
            writing = EndUserExportWriting(self.storage.pool, self.storage.cipher, SystemClock())
            await writing.write(tenant.org, export.id, goes_on=lambda: True)
        again = await self._export(tenant, export.id)
        if again.manifest_sha256 != shown["manifest_sha256"]:
            result.violations.append(f"{again.manifest_sha256} undisturbed, {shown['manifest_sha256']} disturbed")
        if await files_of(self.storage, export) != disturbed:
            result.violations.append("other files than undisturbed")

    async def _export(self, tenant: Tenant, export_id: str) -> EndUserExport:
        async with reading(self.storage, tenant.org) as tx:
            return await tx.end_user_exports.get(export_id)

    async def _is_sealed(self) -> bool:
        return not await fetch(self.storage.pool, "select 1 from audit_pending limit 1", [])

    async def _has_written(self, export_id: str, records: int) -> bool:
        state, written = await self._seen(export_id)
        return written >= records or state not in ("requested", "running")

    async def _is_over(self, export_id: str) -> bool:
        state, _ = await self._seen(export_id)
        return state not in ("requested", "running")

    async def _seen(self, export_id: str) -> tuple[str, int]:
        statement = (
            "select state, (select coalesce(sum(value::bigint), 0) from jsonb_each_text(counts))::bigint"
            " from end_user_exports where id = %s"
        )
        try:
            ((state, written),) = await fetch(self.storage.pool, statement, [export_id])
        except UnavailableError:
            return "running", 0
        return state, written

    async def _shown(self, tenant: Tenant, export_id: str) -> dict[str, Any]:
        return await self._get(tenant, f"/v1/orgs/{tenant.org}/end-user-exports/{export_id}")

    async def _get(self, tenant: Tenant, path: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
        async with self.session.get(f"{self._url}{path}", headers={**_headers(tenant), **(headers or {})}) as answer:
            body = await answer.json()
            if answer.status >= 400:
                raise AssertionError(body)
            return body["data"]

    @property
    def _url(self) -> str:
        return self.installation.urls[f"{API}-1"]


_PATIENT: Final = aiohttp.ClientTimeout(total=OVER_WITHIN_S)


def _headers(tenant: Tenant) -> dict[str, str]:
    return {"x-api-key": tenant.token}


@contextmanager
def _timed(result: Result, what: str) -> Generator[None]:
    """Notes how long the block took."""
    began = monotonic()
    yield
    result.seconds[what] = monotonic() - began
    print(f"{what}: {result.seconds[what]:.1f} s", flush=True)


def judged(bag: Path, shown: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a bag, by its own manifest and by what was said of it."""
    with zipfile.ZipFile(bag) as archive:
        (listed,) = [name for name in archive.namelist() if name.endswith("/manifest-sha256.txt")]
        top, manifest = listed.removesuffix("manifest-sha256.txt"), archive.read(listed)
        if hashlib.sha256(manifest).hexdigest() != shown["manifest_sha256"]:
            yield "the bag's manifest is another"
        lines, names = 0, {name for name in archive.namelist() if name.startswith(f"{top}data/")}
        for line in manifest.decode().splitlines():
            sha256, path = line.split(maxsplit=1)
            content = archive.read(top + path)
            names.discard(top + path)
            lines += content.count(b"\n") if path.endswith(".ndjson") else 0
            if hashlib.sha256(content).hexdigest() != sha256:
                yield f"{path} is not what the manifest says"
        if names:
            yield f"{len(names)} files that the manifest does not know"
        if lines != shown["records"]:
            yield f"{lines} records in the bag, {shown['records']} were counted"


async def chaos(records: int, kills: int, folder: Path) -> Result:
    async with reached(folder, apis=1) as (installation, storage, session):
        return await ExportChaos(installation, storage, session).exported(records, kills=kills, folder=folder)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.end_user_export", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=3)
    options = parser.parse_args()
    folder = _STATE / "chaos-end-user-export"
    shutil.rmtree(folder, ignore_errors=True)
    result = asyncio.run(chaos(options.records, options.kills, folder))
    print(f"{result.records} records, {result.size} bytes, {result.kills} kills", *result.memory, sep="\n")
    for violation in result.violations:
        print(f"VIOLATED  {violation}")
    print(f"{len(result.violations)} violations")
    if not result.violations:
        shutil.rmtree(folder)
    sys.exit(1 if result.violations else 0)


if __name__ == "__main__":
    main()
