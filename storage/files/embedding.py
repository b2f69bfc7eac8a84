"""Meanings of the pieces of a file, as the worker adds them. Every change may be made twice."""

from collections.abc import Sequence
from typing import LiteralString

from gateway.errors import UnavailableError
from gateway.files.meaning import Meaning
from gateway.ids import FileId, OrganizationId
from storage.encryption import ContentCipher, SealedValueError
from storage.files.meaning import turned
from storage.files.store import chunk_place, search_key_place
from storage.pool import Pool, durable, fetch

_KEY: LiteralString = """
select search_key from files
where id = %(file)s and org_id = %(org)s and state = 'ready' and to_regtype('vector') is not null
"""

_WITHOUT: LiteralString = """
select c.place, c.text from file_chunks c
left join file_meanings m on m.file_id = c.file_id and m.place = c.place and m.model = %(model)s
where c.file_id = %(file)s and c.org_id = %(org)s and c.place > %(after)s and m.place is null
order by c.place limit %(limit)s
"""

_KEEP: LiteralString = """
insert into file_meanings (file_id, place, org_id, model, meaning)
select file_id, place, org_id, %(model)s, %(meaning)s::real[] from file_chunks
where file_id = %(file)s and place = %(place)s and org_id = %(org)s
on conflict (file_id, place) do update set model = excluded.model, meaning = excluded.meaning
"""


class FileEmbedding:
    def __init__(self, pool: Pool, cipher: ContentCipher) -> None:
        self._pool = pool
        self._cipher = cipher

    async def key(self, org: OrganizationId, file: FileId) -> bytes | None:
        """What meanings of `file` are turned by. None when it is not there to be searched, or vectors are not."""
        rows = await fetch(self._pool, _KEY, {"org": org, "file": file})
        opened = await self._opened(org, [(search_key_place(file), bytes(key)) for (key,) in rows])
        return opened[0] if opened else None

    async def without(
        self, org: OrganizationId, file: FileId, model: str, *, after: int, limit: int
    ) -> Sequence[tuple[int, str]]:
        """Pieces past `after` that have no meaning by `model`, in order, with their places."""
        wanted = {"org": org, "file": file, "model": model, "after": after, "limit": limit}
        rows = await fetch(self._pool, _WITHOUT, wanted)
        texts = await self._opened(org, [(chunk_place(file, place), bytes(text)) for place, text in rows])
        return [(place, text.decode()) for (place, _), text in zip(rows, texts, strict=True) if text is not None]

    async def keep(
        self, org: OrganizationId, file: FileId, key: bytes, meanings: Sequence[tuple[int, Meaning]]
    ) -> None:
        """By the places of their pieces. None of them outlives the file."""
        rows = [
            {
                "org": org,
                "file": file,
                "place": place,
                "model": each.model,
                "meaning": [*turned(each.vector, key)],
            }
            for place, each in meanings
        ]
        async with durable(self._pool) as connection, connection.transaction(), connection.cursor() as cursor:
            await cursor.executemany(_KEEP, rows)

    async def _opened(self, org: OrganizationId, values: Sequence[tuple[str, bytes]]) -> Sequence[bytes | None]:
        try:
            return await self._cipher.open_all(org, values) if values else ()
        except SealedValueError:
            raise UnavailableError("A file could not be opened.") from None
