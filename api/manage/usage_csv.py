"""Usage as CSV (RFC 4180), for spreadsheets."""

import csv
import io
from collections.abc import Mapping

from api.manage.spreadsheet import cell
from gateway.inference.records import UsageLine, UsageSummary

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


def usage_csv(summary: UsageSummary, names: Mapping[str, str]) -> str:
    """A header, then the period's days, models, keys and agents, one a line, as `group` says.

    `names` are of keys and agents, by their ids.
    """
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\r\n")
    rows.writerow(COLUMNS)
    start = summary.first_day.isoformat()
    groups = {"day": summary.by_day, "model": summary.by_model, "key": summary.by_key, "agent": summary.by_agent}
    for group, lines in groups.items():
        for line in lines:
            rows.writerow((start, group, cell(line.label), cell(names.get(line.label, "")), *_totals(line)))
    return written.getvalue()


def _totals(line: UsageLine) -> tuple[int, int, int, int, str]:
    return line.requests, line.input_tokens, line.output_tokens, line.credits, _dollars(line.cost_micro_usd)


def _dollars(micro: int | None) -> str:
    return "" if micro is None else f"{micro // 1_000_000}.{micro % 1_000_000:06}"
