"""An audit export as CSV (RFC 4180), for spreadsheets. It proves nothing: the JSON does."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import orjson

from api.manage.spreadsheet import cell

COLUMNS = (
    *("seq", "id", "created_at", "action", "entity_type", "entity_id", "user_id", "ip_address", "phi_disposition"),
    *("subject_type", "subject_id_hmac", "metadata", "prev_hash", "hash", "signature", "sealed_at", "key_id"),
)


async def entries_csv(pages: AsyncIterator[str]) -> AsyncIterator[str]:
    """`pages`: an export's text, an entry a line. A header, then a line an entry."""
    yield _lines([COLUMNS])
    async for page in pages:
        entries = [orjson.loads(line.removesuffix(",")) for line in page.split("\n") if line.startswith('{"action":')]
        if entries:
            yield _lines([_row(entry) for entry in entries])


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    metadata = dict(entry["metadata"])
    chain = metadata.pop("_chain")
    shown = entry | {
        "id": chain["id"],
        "metadata": orjson.dumps(metadata, option=orjson.OPT_SORT_KEYS).decode(),
        "sealed_at": entry["sealed"]["at"],
        "key_id": entry["sealed"]["key_id"],
    }
    return tuple("" if shown[name] is None else cell(str(shown[name])) for name in COLUMNS)


def _lines(rows: list[tuple[str, ...]]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue()
