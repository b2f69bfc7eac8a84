"""Which of several media types a request wants (RFC 9110, 12.5.1)."""

import re
from collections.abc import Iterable

_QUALITY = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\Z", re.ASCII)


def preferred(accept: Iterable[str], first: str, *others: str) -> str:
    """What the `Accept` headers name and want most. A wildcard is content with `first`, which also wins a tie."""
    wanted = dict.fromkeys((first, *others), 0.0)
    for element in ",".join(accept).split(","):
        media_type, *parameters = (part.strip().lower() for part in element.split(";"))
        if media_type in wanted:
            wanted[media_type] = max(wanted[media_type], _quality(parameters))
    return max(wanted, key=lambda media_type: wanted[media_type])


def _quality(parameters: Iterable[str]) -> float:
    """How much a media type is wanted; one in a form of nobody's is not."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            return float(value) if _QUALITY.match(value.strip()) else 0.0
    return 1.0
