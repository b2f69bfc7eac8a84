"""Remembers verdicts, not texts: clients resend the whole conversation, and only its new part needs a scan."""

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.phi.aside import aside
from gateway.phi.detector import Detector, Span

ENGINE = "hasp-phi-scan-v1"
"""What audit entries call the guard. A change to what it finds is a new number."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a detector found in a text, and whether it had to look for that now."""

    spans: tuple[Span, ...]
    is_new: bool


_ENTRY_BYTES = 250
_SPAN_BYTES = 130


class Verdicts:
    """A detector behind an LRU of spans, bounded by entries and by approximate bytes. Errors are not kept.

    The key is an HMAC-SHA256 of engine, tenant and text under a secret that dies with the process: no tenant can
    learn from the time a scan takes what another one has sent.
    """

    def __init__(self, detector: Detector, *, max_entries: int = 50_000, max_bytes: int = 64 * 1024 * 1024) -> None:
        self._detector = detector
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._secret = secrets.token_bytes(32)
        self._spans: OrderedDict[bytes, tuple[Span, ...]] = OrderedDict()
        self._bytes = 0

    async def of(self, texts: Sequence[str], *, tenant: str) -> Sequence[Verdict]:
        """One for each text. Raises as the detector does."""
        keys = await aside(len(texts), self._keys, texts, tenant)
        found: dict[bytes, Verdict] = {}
        missing: dict[bytes, str] = {}
        for key, text in zip(keys, texts, strict=True):
            if (spans := self._spans.get(key)) is not None:
                self._spans.move_to_end(key)
                found[key] = Verdict(spans, is_new=False)
            else:
                missing[key] = text
        if missing:
            detected = await self._detector.detect(list(missing.values()))
            for key, spans in zip(missing, detected, strict=True):
                found[key] = Verdict(tuple(spans), is_new=True)
                self._keep(key, found[key].spans)
        return [found[key] for key in keys]

    def _keys(self, texts: Sequence[str], tenant: str) -> list[bytes]:
        prefix = f"{ENGINE}\0{tenant}\0".encode()
        return [hmac.digest(self._secret, prefix + text.encode("utf-8", "surrogatepass"), "sha256") for text in texts]

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
