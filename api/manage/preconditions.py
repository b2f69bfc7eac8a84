"""`ETag` and `If-Match` of what an organisation decided: one version over its policy and its budget."""

import re
from typing import Annotated

from fastapi import Header, Response

_STRONG_TAG = re.compile(r'(?<!W/)"([0-9]{1,18})"')

IfMatch = Annotated[
    list[str] | None, Header(alias="if-match", description="The `ETag` that was read: 412 if something changed since.")
]


def versions(if_match: list[str] | None) -> set[int] | None:
    """The versions that may be changed, None for any. A tag that is not ours, or a weak one, matches none."""
    tags = ",".join(if_match or ("*",))
    return None if tags.strip() == "*" else {int(tag) for tag in _STRONG_TAG.findall(tags)}


def tagged(response: Response, version: int) -> Response:
    """`response` with the version that it shows."""
    response.headers["etag"] = f'"{version}"'
    return response
