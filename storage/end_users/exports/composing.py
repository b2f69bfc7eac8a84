"""What stands in the next file of a set: as many records as fit."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import orjson

from gateway.end_users.exports import Dataset
from storage.end_users.exports.datasets import READERS
from storage.end_users.exports.subject import Source

END: Final = "end"
"""The cursor behind all records of a set."""

MOST_RECORDS = 1000
MOST_BYTES = 4_000_000
"""Of one file; a record that is longer has a file of its own."""

_LINE = orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE


@dataclass(frozen=True, slots=True)
class Lines:
    """`cursor` is behind the last of the records."""

    content: bytes = field(repr=False)
    records: int
    cursor: str


async def compose(source: Source, dataset: Dataset, after: str, goes_on: Callable[[], bool]) -> Lines | None:
    """The records behind `after`, without any when there are none. None: `goes_on`, asked after a query, said no."""
    lines: list[bytes] = []
    size, cursor = 0, after
    while cursor != END:
        scan = await READERS[dataset](source, cursor)
        if not goes_on():
            return None
        for behind, record in scan.records:
            line = orjson.dumps(record, option=_LINE)
            if lines and size + len(line) > MOST_BYTES:
                return Lines(b"".join(lines), len(lines), cursor)
            lines.append(line)
            size, cursor = size + len(line), behind
            if len(lines) == MOST_RECORDS:
                return Lines(b"".join(lines), len(lines), cursor)
        cursor = scan.reached or END
    return Lines(b"".join(lines), len(lines), cursor)
