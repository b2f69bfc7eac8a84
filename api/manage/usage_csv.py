"""Usage as CSV (RFC 4180), for spreadsheets: text that somebody chose can never be a formula there."""

import csv
import io
import re
from collections.abc import Iterable, Mapping

from api.accepted_types import preferred
from gateway.inference.records import UsageLine, UsageSummary

MEDIA_TYPE = "text/csv"
COLUMNS = (
    "period_start",
    "group",
    "id",
    "name",
    "requests",
    "input_tokens",
    "output_tokens",
    "credits",
    "cost_usd",
)
# In fullwidth too, as some spreadsheets read them.
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")


def prefers_csv(accept: Iterable[str]) -> bool:
    """Whether the `Accept` headers name CSV and want it more than JSON."""
    return preferred(accept, "application/json", MEDIA_TYPE) == MEDIA_TYPE


def usage_csv(summary: UsageSummary, key_names: Mapping[str, str]) -> str:
    """A header, then the period's days, models and keys, one a line, as `group` says."""
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\r\n")
    rows.writerow(COLUMNS)
    start = summary.first_day.isoformat()
    for group, lines in (("day", summary.by_day), ("model", summary.by_model), ("key", summary.by_key)):
        for line in lines:
            name = key_names.get(line.label, "") if group == "key" else ""
            rows.writerow((start, group, _text(line.label), _text(name), *_totals(line)))
    return written.getvalue()


def _totals(line: UsageLine) -> tuple[int, int, int, int, str]:
    return line.requests, line.input_tokens, line.output_tokens, line.credits, _dollars(line.cost_micro_usd)


def _dollars(micro: int | None) -> str:
    return "" if micro is None else f"{micro // 1_000_000}.{micro % 1_000_000:06}"


def _text(cell: str) -> str:
    """`cell`, behind an apostrophe where a spreadsheet would run it."""
    return f"'{cell}" if _FORMULA.match(cell) else cell
