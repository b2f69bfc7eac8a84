"""Files as the worker reads them. Every change may be made twice, and none wakes a file that is deleted."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, LiteralString

from psycopg.types.json import Jsonb

from gateway.clock import Clock
from gateway.errors import UnavailableError
from gateway.files.chunking import tokens_in, words
from gateway.files.reading import Failure
from gateway.ids import FileId, OrganizationId
from storage.encryption import ContentCipher, SealedValueError, SealingKey
from storage.files.store import chunk_place, content_place, name_place, search_key_place
from storage.files.words import indexed
from storage.pool import Pool, durable, fetch

_CHUNKS_AT_ONCE: Final = 64

_MOST_WORDS: Final = 2_000
"""Of a piece; some characters stand for a sentence each."""

_LOOK: LiteralString = """
select name, content, search_key, day from files
where id = %(file)s and org_id = %(org)s and state = 'processing' and content is not null
"""

_HOLD: LiteralString = """
select 1 from files where id = %(file)s and org_id = %(org)s and state = 'processing' for update
"""

_ADD: LiteralString = """
insert into file_chunks (file_id, place, org_id, text, words) values (%s, %s, %s, %s, %s::tsvector)
on conflict (file_id, place) do nothing
"""

_READY: LiteralString = """
update files set state = 'ready', content = null, tokens = %(tokens)s, phi = %(phi)s
where id = %(file)s and org_id = %(org)s
"""

_FAILED: LiteralString = """
update files set state = 'failed', content = null, error_code = %(code)s, error_message = %(message)s
where id = %(file)s and org_id = %(org)s and state = 'processing'
"""


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that is to be read."""

    name: str = field(repr=False)
    content: bytes = field(repr=False)
    search_key: bytes = field(repr=False)
    key: SealingKey = field(repr=False)


class FileProcessing:
    def __init__(self, pool: Pool, cipher: ContentCipher, clock: Clock) -> None:
        self._pool = pool
        self._cipher = cipher
        self._clock = clock

    async def look(self, org: OrganizationId, file: FileId) -> Unread | None:
        """None when it was read, deleted or destroyed by now. Raises `UnavailableError`."""
        rows = await fetch(self._pool, _LOOK, {"org": org, "file": file})
        if not rows:
            return None
        ((name, content, search_key, day),) = rows
        places = (name_place(file), content_place(file), search_key_place(file))
        sealed = zip(places, map(bytes, (name, content, search_key)), strict=True)
        try:
            opened_name, opened, opened_key = await self._cipher.open_all(org, list(sealed))
        except SealedValueError:
            raise UnavailableError("The file could not be opened.") from None
        if opened_name is None or opened is None or opened_key is None:
            return None
        return Unread(opened_name.decode(), opened, opened_key, await self._cipher.content_key(org, day))

    async def keep(
        self, org: OrganizationId, file: FileId, unread: Unread, pieces: Sequence[str], phi: Mapping[str, int]
    ) -> None:
        """The text that was read, in place of the file as it came: all of it, or nothing. `phi` is what is in it."""
        tokens = tokens_in(pieces)
        # Before anything is held: the server ends a transaction that says nothing for three seconds.
        batches = [
            await asyncio.to_thread(_rows, org, file, first, pieces[first : first + _CHUNKS_AT_ONCE], unread)
            for first in range(0, len(pieces), _CHUNKS_AT_ONCE)
        ]
        async with durable(self._pool) as connection, connection.transaction():
            held = await connection.execute(_HOLD, {"org": org, "file": file})
            if await held.fetchone() is None:
                return
            for rows in batches:
                async with connection.cursor() as cursor:
                    await cursor.executemany(_ADD, rows)
            await connection.execute(_READY, {"org": org, "file": file, "tokens": tokens, "phi": Jsonb(dict(phi))})

    async def fail(self, org: OrganizationId, file: FileId, failure: Failure) -> None:
        """Nothing is kept of one that cannot be read."""
        await fetch(self._pool, _FAILED, {"org": org, "file": file, "code": failure.code, "message": failure.message})


def _rows(
    org: OrganizationId, file: FileId, first: int, pieces: Sequence[str], unread: Unread
) -> list[tuple[FileId, int, OrganizationId, bytes, str]]:
    return [
        (
            file,
            place,
            org,
            unread.key.seal(chunk_place(file, place), piece.encode()),
            indexed(words(piece)[:_MOST_WORDS], unread.search_key),
        )
        for place, piece in enumerate(pieces, start=first)
    ]
