"""What is written in files that a workflow was given: the text of each, whole."""

from collections.abc import Collection, Mapping
from typing import LiteralString

from gateway.errors import UnavailableError
from gateway.ids import FileId, OrganizationId
from storage.encryption import ContentCipher, SealedValueError
from storage.files.store import chunk_place
from storage.pool import Pool, fetch

_PIECES: LiteralString = """
select c.file_id, c.place, c.text from file_chunks c join files f on f.id = c.file_id
where f.org_id = %(org)s and f.id = any(%(files)s) and f.state = 'ready' order by c.file_id, c.place
"""


async def file_texts(
    pool: Pool, cipher: ContentCipher, org: OrganizationId, files: Collection[FileId]
) -> Mapping[FileId, str]:
    """Without those that are deleted by now, or destroyed. Raises `UnavailableError`."""
    if not files:
        return {}
    rows = await fetch(pool, _PIECES, {"org": org, "files": [*files]})
    try:
        opened = await cipher.open_all(org, [(chunk_place(file, place), bytes(text)) for file, place, text in rows])
    except SealedValueError:
        raise UnavailableError("A file could not be opened.") from None
    pieces: dict[FileId, list[str]] = {}
    for (file, _, _), text in zip(rows, opened, strict=True):
        if text is not None:
            pieces.setdefault(FileId(file), []).append(text.decode())
    return {file: "\n".join(texts) for file, texts in pieces.items()}
