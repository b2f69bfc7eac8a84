"""Filters of lists, as queries give them."""

from collections import Counter
from datetime import datetime

from starlette.datastructures import QueryParams

from gateway.errors import ValidationFailedError


def require_once(given: QueryParams) -> None:
    """Of a filter that is given twice only the last would be heard."""
    for name, times in Counter(name for name, _ in given.multi_items()).items():
        if times > 1:
            raise ValidationFailedError(f"`{name}` is given more than once.", param=name)


def require_in_order(since: datetime | None, until: datetime | None) -> None:
    """Of `from` and `to`. Raises `ValidationFailedError`."""
    if since and until and until < since:
        raise ValidationFailedError("`to` is before `from`.", param="to")
