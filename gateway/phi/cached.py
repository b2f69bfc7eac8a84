"""Remembers verdicts, not texts: clients resend the whole conversation, and only its new part needs a scan."""

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Sequence

from gateway.phi.detector import Detector, Span

_ENTRY_BYTES = 250
_SPAN_BYTES = 130


class CachedDetector:
    """A detector behind an LRU of spans by HMAC-SHA256 of the text under a key that dies with the process.

    Bounded by entries and by approximate bytes. Errors are not cached.
    """

    def __init__(self, detector: Detector, *, max_entries: int = 50_000, max_bytes: int = 64 * 1024 * 1024) -> None:
        self._detector = detector
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._secret = secrets.token_bytes(32)
        self._spans: OrderedDict[bytes, tuple[Span, ...]] = OrderedDict()
        self._bytes = 0

    async def detect(self, texts: Sequence[str]) -> Sequence[Sequence[Span]]:
        keys = [hmac.digest(self._secret, text.encode("utf-8", "surrogatepass"), "sha256") for text in texts]
        found: dict[bytes, tuple[Span, ...]] = {}
        missing: dict[bytes, str] = {}
        for key, text in zip(keys, texts, strict=True):
            if (spans := self._spans.get(key)) is not None:
                self._spans.move_to_end(key)
                found[key] = spans
            else:
                missing[key] = text
        if missing:
            detected = await self._detector.detect(list(missing.values()))
            for key, spans in zip(missing, detected, strict=True):
                found[key] = tuple(spans)
                self._keep(key, found[key])
        return [found[key] for key in keys]

    def _keep(self, key: bytes, spans: tuple[Span, ...]) -> None:
        if key in self._spans:
            return
        self._spans[key] = spans
        self._bytes += _size(spans)
        while len(self._spans) > self._max_entries or self._bytes > self._max_bytes:
            _, evicted = self._spans.popitem(last=False)
            self._bytes -= _size(evicted)


def _size(spans: tuple[Span, ...]) -> int:
    return _ENTRY_BYTES + _SPAN_BYTES * len(spans)
