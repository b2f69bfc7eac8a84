"""`Prefer: wait=N`: how long a request for work that goes on by itself may be held until it is done (spec O4)."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from fastapi import Request

from api.state import gateway_of

T = TypeVar("T")

DEFAULT_WAIT_S: Final = 10
LONGEST_WAIT_S: Final = 60
_LOOK_EVERY_S: Final = 0.5

PARAMETER: Final = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": f"`wait=N`: answer 202 after so many seconds, at most {LONGEST_WAIT_S}. `respond-async`: at once.",
    "schema": {"type": "string", "default": f"wait={DEFAULT_WAIT_S}"},
}


def preferred_wait_s(request: Request) -> int:
    """Preferences that we do not know, or cannot read, are none (RFC 7240, section 2)."""
    preferences = [each.strip().lower() for line in request.headers.getlist("prefer") for each in line.split(",")]
    for each in preferences:
        if found := re.fullmatch(r'wait\s*=\s*"?([0-9]{1,6})"?', each):
            return min(int(found[1]), LONGEST_WAIT_S)
    return 0 if "respond-async" in preferences else DEFAULT_WAIT_S


async def once_done(request: Request, look: Callable[[], Awaitable[T]], *, is_done: Callable[[T], bool]) -> T | None:
    """What `look` shows once it `is_done`; None when that takes longer than is preferred, or nobody waits any more."""
    loop = asyncio.get_running_loop()
    until = loop.time() + preferred_wait_s(request)
    while (left := until - loop.time()) > 0:
        if is_done(seen := await look()):
            return seen
        if gateway_of(request).draining or await request.is_disconnected():
            return None
        await asyncio.sleep(min(_LOOK_EVERY_S, left))
    return None
