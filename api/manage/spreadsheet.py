"""CSV as an answer: who wants it, and text that somebody chose can never be a formula there."""

import re
from collections.abc import Iterable

CSV = "text/csv"
CSV_WITH_HEADER = f"{CSV}; charset=utf-8; header=present"

# In fullwidth too, as some spreadsheets read them.
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
_QUALITY = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\Z", re.ASCII)


def prefers_csv(accept: Iterable[str]) -> bool:
    """Whether the `Accept` headers name CSV and want it more than JSON. A wildcard is content with JSON."""
    wanted = {"application/json": 0.0, CSV: 0.0}
    for element in ",".join(accept).split(","):
        media_type, *parameters = (part.strip().lower() for part in element.split(";"))
        if media_type in wanted:
            wanted[media_type] = max(wanted[media_type], _quality(parameters))
    return wanted[CSV] > wanted["application/json"]


def cell(text: str) -> str:
    """`text`, behind an apostrophe where a spreadsheet would run it."""
    return f"'{text}" if _FORMULA.match(text) else text


def _quality(parameters: Iterable[str]) -> float:
    """How much a media type is wanted; one in a form of nobody's is not."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            return float(value) if _QUALITY.match(value.strip()) else 0.0
    return 1.0
