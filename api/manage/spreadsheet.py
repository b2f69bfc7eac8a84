"""CSV as an answer: who wants it, and text that somebody chose can never be a formula there."""

import re
from collections.abc import Iterable

from api.accepted_types import preferred

CSV = "text/csv"
CSV_WITH_HEADER = f"{CSV}; charset=utf-8; header=present"

# In fullwidth too, as some spreadsheets read them.
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")


def prefers_csv(accept: Iterable[str]) -> bool:
    """Whether the `Accept` headers name CSV and want it more than JSON."""
    return preferred(accept, "application/json", CSV) == CSV


def cell(text: str) -> str:
    """`text`, behind an apostrophe where a spreadsheet would run it."""
    return f"'{text}" if _FORMULA.match(text) else text
