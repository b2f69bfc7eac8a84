"""The parts of an export in their rows. A set begins with its schema; its records follow, file by file."""

import asyncio
import hashlib
from dataclasses import dataclass, field
from typing import Self

from gateway.end_users.bag import BagFile
from gateway.end_users.exports import Dataset, ExportState
from gateway.end_users.records import schema
from storage.end_users.exports.composing import END, Lines
from storage.end_users.exports.sealing import ExportKey
from storage.pool import Pool, fetch

_DATASETS = tuple(Dataset)

_POSITION = """
select x.state, x.bytes_written, p.number, p.dataset, p.cursor,
  (select count(*) - 1 from end_user_export_parts s where s.export_id = x.id and s.dataset = p.dataset)
from end_user_exports x left join lateral (
  select number, dataset, cursor from end_user_export_parts where export_id = x.id order by number desc limit 1
) p on true
where x.id = %s and x.org_id = %s
"""

# Of two that write at once the second finds more bytes written than it knows of, and begins anew behind them.
_STORE = """
with mine as (
  update end_user_exports set bytes_written = bytes_written + %(size)s, counts = case when %(records)s = 0 then counts
    else counts || jsonb_build_object(%(dataset)s::text, coalesce((counts ->> %(dataset)s)::bigint, 0) + %(records)s)
    end
  where id = %(id)s and state = 'running' and bytes_written = %(before)s returning id, org_id)
insert into end_user_export_parts (export_id, number, org_id, dataset, path, records, size, sha256, cursor, content)
select id, %(number)s, org_id, %(dataset)s, %(path)s, %(records)s, %(size)s, %(sha256)s, %(cursor)s, %(content)s
from mine returning number
"""

_FILES = """
select number, dataset, records, path, size, sha256 from end_user_export_parts where export_id = %s
order by path collate "C"
"""


@dataclass(frozen=True, slots=True)
class Position:
    """How far an export is written: `size` bytes in `number` parts, the last of them of `dataset`."""

    state: ExportState
    size: int
    number: int
    dataset: Dataset | None
    """None before the first part."""
    cursor: str
    files: int
    """Of the set's records."""

    @property
    def is_whole(self) -> bool:
        return self.dataset is _DATASETS[-1] and self.cursor == END

    @property
    def next(self) -> tuple[Dataset, bool]:
        """Of which set the next part is, and whether that is its schema, with which it begins."""
        if self.dataset is None:
            return _DATASETS[0], True
        if self.cursor == END:
            return _DATASETS[_DATASETS.index(self.dataset) + 1], True
        return self.dataset, False

    def behind(self, part: "Part") -> Self:
        return type(self)(
            self.state, self.size + len(part.content), part.number, part.dataset, part.cursor, part.file_number
        )


@dataclass(frozen=True, slots=True)
class Part:
    """One file, to be appended. `file_number` counts the set's records' files; 0 is its schema."""

    number: int
    dataset: Dataset
    file_number: int
    records: int
    cursor: str
    content: bytes = field(repr=False)

    @classmethod
    def of_schema(cls, position: Position, dataset: Dataset) -> Self:
        return cls(position.number + 1, dataset, 0, 0, "", schema(dataset))

    @classmethod
    def of_records(cls, position: Position, dataset: Dataset, lines: Lines) -> Self:
        return cls(position.number + 1, dataset, position.files + 1, lines.records, lines.cursor, lines.content)

    @property
    def path(self) -> str:
        if self.file_number == 0:
            return f"data/schemas/{self.dataset}.schema.json"
        return f"data/{self.dataset}-{self.file_number:06}.ndjson"


async def read_position(pool: Pool, key: ExportKey) -> Position | None:
    """None: there is no such export."""
    rows = await fetch(pool, _POSITION, [key.export_id, key.org])
    if not rows:
        return None
    state, size, number, dataset, cursor, files = rows[0]
    if number is None:
        return Position(ExportState(state), size, 0, None, "", 0)
    return Position(ExportState(state), size, number, Dataset(dataset), cursor, files)


async def append(pool: Pool, key: ExportKey, position: Position, part: Part) -> Position | None:
    """Where it ends then. None: `position` was not the end any more, or nothing may be written; look again."""
    sha256, content = await asyncio.to_thread(_sealed, key, part)
    row = {
        "id": key.export_id,
        "before": position.size,
        "number": part.number,
        "dataset": part.dataset.value,
        "path": part.path,
        "records": part.records,
        "size": len(part.content),
        "sha256": sha256,
        "cursor": part.cursor,
        "content": content,
    }
    return position.behind(part) if await fetch(pool, _STORE, row) else None


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of the bag, and the number of the part that it is."""

    number: int
    dataset: Dataset
    records: int
    file: BagFile


async def read_files(pool: Pool, export_id: str) -> list[StoredFile]:
    """What is written, in the order of paths."""
    rows = await fetch(pool, _FILES, [export_id])
    return [
        StoredFile(number, Dataset(dataset), records, BagFile(path, size, sha256))
        for number, dataset, records, path, size, sha256 in rows
    ]


def _sealed(key: ExportKey, part: Part) -> tuple[str, bytes]:
    return hashlib.sha256(part.content).hexdigest(), key.seal(part.number, part.content)
