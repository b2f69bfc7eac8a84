"""An export as one JSON document: the profile, and a list for each other set."""

from collections.abc import AsyncGenerator

import orjson

from gateway.end_users.exports import Dataset
from storage.end_users.exports.reading import StoredExport, in_pieces


async def stream_document(stored: StoredExport) -> AsyncGenerator[bytes]:
    """No more of it is in memory than one file. Raises `UnavailableError` when the export is destroyed meanwhile."""
    export = stored.export
    about = {"id": export.id, "end_user_id": export.end_user, "snapshot_at": export.snapshot_at}
    yield b'{"export":' + orjson.dumps(about)
    for dataset in Dataset:
        yield f',"{dataset}":'.encode()
        async for piece in _records(stored, dataset):
            yield piece
    yield b"}\n"


async def _records(stored: StoredExport, dataset: Dataset) -> AsyncGenerator[bytes]:
    files = [each for each in stored.files if each.dataset is dataset and each.records]
    is_one = dataset is Dataset.PROFILE
    if not is_one:
        yield b"["
    for place, file in enumerate(files):
        if place:
            yield b","
        for piece in in_pieces((await stored.read(file)).rstrip(b"\n").replace(b"\n", b",")):
            yield piece
    if not is_one:
        yield b"]"
