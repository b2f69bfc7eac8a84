"""Pieces of files found by words, without PostgreSQL ever seeing one of them."""

from collections.abc import Sequence
from typing import Final, LiteralString

from gateway.errors import UnavailableError
from gateway.files.chunking import words
from gateway.files.search import Passage
from gateway.ids import FileId, OrganizationId
from storage.encryption import ContentCipher, SealedValueError
from storage.files.store import chunk_place, name_place, search_key_place
from storage.files.words import asked
from storage.pool import Pool, fetch

_MOST_WORDS: Final = 50

_KEYS: LiteralString = """
select id, name, search_key from files where org_id = %(org)s and id = any(%(files)s) and state = 'ready'
"""

_FIND: LiteralString = """
select c.file_id, c.place, c.text
from unnest(%(files)s::text[], %(queries)s::text[]) as q(file, query)
join file_chunks c on c.file_id = q.file and c.org_id = %(org)s and c.words @@ q.query::tsquery
order by ts_rank(c.words, q.query::tsquery, 1) desc, c.file_id, c.place limit %(limit)s
"""


class FileSearching:
    """Implements `gateway.files.search.FileSearch`."""

    def __init__(self, pool: Pool, cipher: ContentCipher) -> None:
        self._pool = pool
        self._cipher = cipher

    async def find(self, org: OrganizationId, files: Sequence[FileId], query: str, *, limit: int) -> Sequence[Passage]:
        """Best first: those that have most of the query's words. Raises `UnavailableError`."""
        wanted = words(query)[:_MOST_WORDS]
        rows = await fetch(self._pool, _KEYS, {"org": org, "files": [*files]}) if wanted else []
        names = await self._opened(org, [(name_place(file), bytes(name)) for file, name, _ in rows])
        keys = await self._opened(org, [(search_key_place(file), bytes(key)) for file, _, key in rows])
        known = {
            file: (name.decode(), asked(wanted, key))
            for (file, _, _), name, key in zip(rows, names, keys, strict=True)
            if name is not None and key is not None
        }
        if not known:
            return ()
        queries = {"files": [*known], "queries": [query for _, query in known.values()]}
        found = await fetch(self._pool, _FIND, {"org": org, "limit": limit, **queries})
        texts = await self._opened(org, [(chunk_place(file, place), bytes(text)) for file, place, text in found])
        pairs = zip(found, texts, strict=True)
        return [Passage(known[file][0], text.decode()) for (file, _, _), text in pairs if text is not None]

    async def _opened(self, org: OrganizationId, values: Sequence[tuple[str, bytes]]) -> Sequence[bytes | None]:
        try:
            return await self._cipher.open_all(org, values)
        except SealedValueError:
            raise UnavailableError("A file could not be opened.") from None
