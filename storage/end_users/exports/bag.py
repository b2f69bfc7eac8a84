"""An export as a BagIt bag in a ZIP, made while it is sent: no more of it is in memory than one file."""

import io
import zipfile
from collections.abc import AsyncGenerator
from functools import partial

from typing_extensions import Buffer

from gateway.end_users.bag import tag_files
from storage.end_users.exports.reading import StoredExport, aside, in_pieces

_TIME = (1980, 1, 1, 0, 0, 0)
"""The first that a ZIP can tell: a bag is the same whenever it is made."""

_LEVEL = 1
_MODE = 0o100600 << 16


class _Sent(io.RawIOBase):
    """Takes what is written, until it is taken away to be sent. It cannot be sought in."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Buffer, /) -> int:
        self._pieces.append(bytes(piece))
        return len(self._pieces[-1])

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


async def stream_bag(stored: StoredExport) -> AsyncGenerator[bytes]:
    """Raises `UnavailableError` when the export is destroyed meanwhile: what was sent is no whole ZIP then."""
    sent = _Sent()
    top = f"end-user-export-{stored.export.id}"
    with zipfile.ZipFile(sent, "w") as archive:
        for path, content in tag_files(stored.key.org, stored.export, stored.payload).items():
            _add(archive, f"{top}/{path}", content)
        for file in stored.files:
            # While a reader takes its time, only what is left for them to read is there.
            content = await stored.read(file)
            await aside(partial(_add, archive, f"{top}/{file.file.path}", content))
            del content
            for piece in in_pieces(sent.take()):
                yield piece
    for piece in in_pieces(sent.take()):
        yield piece


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _TIME)
    entry.external_attr = _MODE
    archive.writestr(entry, content, zipfile.ZIP_DEFLATED, _LEVEL)
