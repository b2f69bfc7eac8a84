"""What a vendor's error status means here (spec D35). Their bodies stay behind, but for the one message to scrub."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.errors import (
    GatewayError,
    ProviderRejectedError,
    TooLargeError,
    UpstreamBusyError,
    UpstreamMisconfiguredError,
    UpstreamThrottledError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)

MAX_MESSAGE_CHARS = 2_000
MAX_RETRY_AFTER_S = 3_600

# 401 and 403 are about our key, 402 about our bill, 404 about our catalog: none is the caller's business, and
# neither is a redirect.
_OURS = frozenset({401, 402, 403, 404})
_BUSY = frozenset({503, 529})
_TIMEOUT = frozenset({408, 504, 524})


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer of a vendor. `message` is their words about the request, raw."""

    status: int
    message: str = ""
    retry_after_s: int | None = None

    def as_error(self) -> GatewayError:
        if self.status == 429:
            return UpstreamThrottledError(retry_after_s=self.retry_after_s)
        if self.status in _BUSY:
            return UpstreamBusyError(retry_after_s=self.retry_after_s)
        if self.status in _TIMEOUT:
            return UpstreamTimeoutError()
        if self.status == 413:
            return TooLargeError()
        if self.status in _OURS or self.status < 400:
            return UpstreamMisconfiguredError()
        if 400 <= self.status < 500:
            return ProviderRejectedError(upstream_message=self.message[:MAX_MESSAGE_CHARS])
        return UpstreamUnreachableError()


def retry_after_s(headers: Mapping[str, str]) -> int | None:
    """Seconds of a `Retry-After` header, at most an hour; None when absent or a date (neither vendor sends dates)."""
    value = headers.get("retry-after", "").strip()
    if not value.replace(".", "", 1).isdecimal() or not value.isascii():
        return None
    return math.ceil(min(MAX_RETRY_AFTER_S, float(value)))
