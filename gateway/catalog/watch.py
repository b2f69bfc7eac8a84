"""The operator's file, read again when it changes: models and providers come and go without a restart."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

from gateway.catalog.catalog import Catalog
from gateway.catalog.reading import CatalogError
from gateway.logs import raised_at

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
        self._seen = self._stamps(files())

    async def run(self, every_s: float) -> None:
        """Look every `every_s` seconds, until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            await self.look()

    async def look(self) -> None:
        """Adopt what changed since the last look, if anything did."""
        if await asyncio.to_thread(self._stamps, self._seen) == self._seen:
            return
        try:
            found = await asyncio.to_thread(self._read_again)
        except CatalogError as error:
            log.warning("catalog_refused", problems=list(error.problems))
        except Exception as error:  # noqa: BLE001 - whatever it was, later changes must still be seen
            log.error(  # noqa: TRY400 - a traceback may quote the file
                "catalog_not_read", cause=type(error).__name__, raised_at=raised_at(error.__traceback__)
            )
        else:
            self._catalog.adopt(found)
            log.info("catalog_adopted", models=len(tuple(found)), providers=len(found.providers))

    def _read_again(self) -> Catalog:
        # Which files there are is in one of them, so it is asked anew only now; their stamps are taken before they are
        # read, so that what is written meanwhile is seen the next time.
        self._seen = self._stamps(self._files())
        return self._read()

    @staticmethod
    def _stamps(files: Iterable[Path]) -> dict[Path, _Stamp]:
        return {path: _stamp(path) for path in files}


def _stamp(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
