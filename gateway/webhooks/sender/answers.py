"""What a receiver answered: a verdict from the head, and a little of the body for people to read."""

import asyncio
import codecs
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp

from gateway.webhooks.attempts import Failure
from gateway.webhooks.sender.scrubbing import scrubbed

HEAD_CHARS = 512
"""Kept of a body's text."""

_LOOKED_AT_CHARS = 2 * HEAD_CHARS
"""Scrubbed, before it is cut: what is cut through the middle is not recognised."""
_LARGEST_BODY = 16 * 1024
_TEXTUAL = ("text/", "application/json", "application/xml", "application/problem+", "application/x-www-form-urlencoded")
_LONGEST_WAIT_S = 7 * 86_400
_ABORT = "abort-message"


def failure_of(status: int) -> Failure | None:
    """None for any 2xx."""
    match status:
        case _ if 200 <= status < 300:
            return None
        case _ if 300 <= status < 400:
            return Failure.REDIRECTED
        case 410:
            return Failure.GONE
        case 429:
            return Failure.THROTTLED
        case _:
            return Failure.REFUSED


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that `Retry-After` asks for, as a number or as a date; at most a week. None without one."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(min(_LONGEST_WAIT_S, int(value[:9])))
    try:
        until = parsedate_to_datetime(value)
    except (ValueError, IndexError, OverflowError):
        return None
    seconds = (until.replace(tzinfo=until.tzinfo or UTC) - now).total_seconds()
    return float(min(_LONGEST_WAIT_S, max(0, math.ceil(seconds))))


def aborts(headers: Mapping[str, str]) -> bool:
    """Whether the receiver wants no further try of this delivery."""
    return headers.get("webhook-delivery", "").strip().lower() == _ABORT


async def read_head(response: aiohttp.ClientResponse, limit_s: float) -> str | None:
    """The first of a text, scrubbed; None for what is no text, or is empty. Never raises for what was answered.

    Reads 16 kB and `limit_s` at most. A connection whose answer was not read to its end is
    closed when the answer is released.
    """
    body = await _read(response, limit_s)
    if not body or not _is_text(response.headers):
        return None
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = "".join(c if c.isprintable() or c in "\n\t" else " " for c in decoder.decode(body)[:_LOOKED_AT_CHARS])
    return scrubbed(text.strip())[:HEAD_CHARS] or None


async def _read(response: aiohttp.ClientResponse, limit_s: float) -> bytes:
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limit_s):
            while size <= _LARGEST_BODY and (piece := await response.content.readany()):
                pieces.append(piece)
                size += len(piece)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        pass  # the head is the answer; what was to follow does not change it
    return b"".join(pieces)


def _is_text(headers: Mapping[str, str]) -> bool:
    """Compressed bodies are none: nothing here decompresses."""
    kind = headers.get("content-type", "text/plain").strip().lower()
    return headers.get("content-encoding", "identity").strip().lower() == "identity" and (
        kind.startswith(_TEXTUAL) or "+json" in kind or "+xml" in kind
    )
