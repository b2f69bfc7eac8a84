"""The operator's file, read again when it changes: models and providers come and go without a restart."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

from gateway.catalog.catalog import Catalog
from gateway.catalog.reading import CatalogError

log = structlog.get_logger()

_Stamp = tuple[int, int, int] | None


class CatalogWatch:
    """Has a catalog adopt what its files say now.

    A file that is not valid changes nothing: the log says why, once for each
    change, and the process goes on with what it has.
    """

    def __init__(self, catalog: Catalog, *, read: Callable[[], Catalog], files: Callable[[], Iterable[Path]]) -> None:
        """`files` are all that `read` depends on: the catalog file, and those that hold its providers' keys."""
        self._catalog = catalog
        self._read = read
        self._files = files
        self._seen = self._stamps()

    async def run(self, every_s: float) -> None:
        """Look every `every_s` seconds, until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            await self.look()

    async def look(self) -> None:
        """Adopt what changed since the last look, if anything did."""
        stamps = await asyncio.to_thread(self._stamps)
        if stamps == self._seen:
            return
        self._seen = stamps
        try:
            found = await asyncio.to_thread(self._read)
        except CatalogError as error:
            log.warning("catalog_refused", problems=list(error.problems))
            return
        self._catalog.adopt(found)
        log.info("catalog_adopted", models=len(tuple(found)), providers=len(found.providers))

    def _stamps(self) -> dict[Path, _Stamp]:
        return {path: _stamp(path) for path in self._files()}


def _stamp(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
