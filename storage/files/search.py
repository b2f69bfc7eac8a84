"""Pieces of files found by words and by meaning, without PostgreSQL ever seeing a text."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, LiteralString

from gateway.errors import UnavailableError
from gateway.files.chunking import words
from gateway.files.meaning import Meaning
from gateway.files.search import Passage
from gateway.ids import FileId, OrganizationId
from storage.encryption import ContentCipher, SealedValueError
from storage.files.meaning import as_literal, turned
from storage.files.store import chunk_place, name_place, search_key_place
from storage.files.words import asked
from storage.pool import Pool, fetch

_MOST_WORDS: Final = 50
_DEPTH: Final = 3
"""How much further each order is read than is wanted of both."""
_FUSION: Final = 60
"""How little the first places of one order count beside a place in both."""

_KEYS: LiteralString = """
select id, name, search_key, to_regtype('vector') is not null
from files where org_id = %(org)s and id = any(%(files)s) and state = 'ready'
"""

_FIND: LiteralString = """
select c.file_id, c.place, c.text
from unnest(%(files)s::text[], %(queries)s::text[]) as q(file, query)
join file_chunks c on c.file_id = q.file and c.org_id = %(org)s and c.words @@ q.query::tsquery
order by ts_rank(c.words, q.query::tsquery, 1) desc, c.file_id, c.place limit %(limit)s
"""

_NEAR: LiteralString = """
with q as materialized (
  select file, meaning::vector as meaning from unnest(%(files)s::text[], %(meanings)s::text[]) as q(file, meaning)
)
select c.file_id, c.place, c.text
from q join file_meanings m on m.file_id = q.file and m.org_id = %(org)s
join file_chunks c on c.file_id = m.file_id and c.place = m.place
where m.model = %(model)s and array_length(m.meaning, 1) = %(size)s
order by m.meaning::vector <#> q.meaning, c.file_id, c.place limit %(limit)s
"""
"""By the inner product of what is of length 1: all pieces of the files are compared, none is missed."""


_Piece = tuple[str, int, bytes]
"""A file, the piece's place in it, and the text, sealed."""


@dataclass(frozen=True, slots=True)
class _Known:
    name: str = field(repr=False)
    key: bytes = field(repr=False)


class FileSearching:
    """Implements `gateway.files.search.FileSearch`."""

    def __init__(self, pool: Pool, cipher: ContentCipher) -> None:
        self._pool = pool
        self._cipher = cipher

    async def find(
        self, org: OrganizationId, files: Sequence[FileId], query: str, *, limit: int, meaning: Meaning | None = None
    ) -> Sequence[Passage]:
        """Best first: those that have most of the query's words, or are nearest to its `meaning`, or both.

        Raises `UnavailableError`.
        """
        wanted = words(query)[:_MOST_WORDS]
        if not wanted and meaning is None:
            return ()
        known, comparable = await self._known(org, files)
        if not known:
            return ()
        depth = limit * _DEPTH
        found = [await self._by_words(org, known, wanted, depth)] if wanted else []
        if meaning is not None and comparable:
            found.append(await self._by_meaning(org, known, meaning, depth))
        best = _fused(found)[:limit]
        texts = await self._opened(org, [(chunk_place(file, place), text) for file, place, text in best])
        pairs = zip(best, texts, strict=True)
        return [Passage(known[file].name, text.decode()) for (file, _, _), text in pairs if text is not None]

    async def _known(self, org: OrganizationId, files: Sequence[FileId]) -> tuple[Mapping[str, _Known], bool]:
        """By their ids; and whether the database can compare vectors."""
        rows = await fetch(self._pool, _KEYS, {"org": org, "files": [*files]})
        names = await self._opened(org, [(name_place(file), bytes(name)) for file, name, _, _ in rows])
        keys = await self._opened(org, [(search_key_place(file), bytes(key)) for file, _, key, _ in rows])
        known = {
            row[0]: _Known(name.decode(), key)
            for row, name, key in zip(rows, names, keys, strict=True)
            if name is not None and key is not None
        }
        return known, any(comparable for *_, comparable in rows)

    async def _by_words(
        self, org: OrganizationId, known: Mapping[str, _Known], wanted: Sequence[str], limit: int
    ) -> Sequence[_Piece]:
        queries = {"files": [*known], "queries": [asked(wanted, each.key) for each in known.values()]}
        return _pieces(await fetch(self._pool, _FIND, {"org": org, "limit": limit, **queries}))

    async def _by_meaning(
        self, org: OrganizationId, known: Mapping[str, _Known], meaning: Meaning, limit: int
    ) -> Sequence[_Piece]:
        keys = [each.key for each in known.values()]
        # Half a millisecond each, and the first has a library loaded.
        vectors = await asyncio.to_thread(lambda: [turned(meaning.vector, key) for key in keys])
        asking = {
            "org": org,
            "model": meaning.model,
            "size": len(vectors[0]),
            "files": [*known],
            "meanings": [*map(as_literal, vectors)],
            "limit": limit,
        }
        return _pieces(await fetch(self._pool, _NEAR, asking))

    async def _opened(self, org: OrganizationId, values: Sequence[tuple[str, bytes]]) -> Sequence[bytes | None]:
        try:
            return await self._cipher.open_all(org, values)
        except SealedValueError:
            raise UnavailableError("A file could not be opened.") from None


def _pieces(rows: Sequence[tuple[Any, ...]]) -> Sequence[_Piece]:
    return [(file, place, bytes(text)) for file, place, text in rows]


def _fused(found: Sequence[Sequence[_Piece]]) -> Sequence[_Piece]:
    """One order out of several, by the places in each (reciprocal rank fusion: Cormack et al., SIGIR 2009)."""
    scores: defaultdict[_Piece, float] = defaultdict(float)
    for pieces in found:
        for place, piece in enumerate(pieces, start=1):
            scores[piece] += 1 / (_FUSION + place)
    return sorted(scores, key=lambda piece: -scores[piece])
