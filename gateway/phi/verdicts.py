"""Remembers verdicts, not texts: clients resend the whole conversation, and only its new part needs a scan."""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.phi.aside import aside
from gateway.phi.detector import Detector, Span
from gateway.phi.memory import Memory
from gateway.phi.packing import pack, unpack

ENGINE = "hasp-phi-scan-v1"
"""What audit entries call the guard."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a detector found in a text, whose keyed digest is `key`, and whether it had to look for that now."""

    key: bytes
    spans: tuple[Span, ...]
    is_new: bool


_ENTRY_BYTES = 250


class Verdicts:
    """A detector that looks at a text once, as long as it is remembered. Errors are not.

    The key is an HMAC-SHA256 of engine, tenant and text under a secret that dies with the process: no tenant can
    learn from the time a scan takes what another one has sent.
    """

    def __init__(self, detector: Detector, *, max_entries: int = 50_000, max_bytes: int = 64 * 1024 * 1024) -> None:
        self._detector = detector
        self._secret = secrets.token_bytes(32)
        self._memory: Memory[bytes] = Memory(_size, max_entries=max_entries, max_bytes=max_bytes)

    async def of(self, texts: Sequence[str], *, tenant: str) -> Sequence[Verdict]:
        """One for each text. Raises as the detector does."""
        keys = await aside(len(texts), self._keys, texts, tenant)
        found: dict[bytes, Verdict] = {}
        missing: dict[bytes, str] = {}
        for key, text in zip(keys, texts, strict=True):
            if (packed := self._memory.get(key)) is not None:
                found[key] = Verdict(key, unpack(packed), is_new=False)
            else:
                missing[key] = text
        if missing:
            detected = await self._detector.detect(list(missing.values()))
            for key, spans in zip(missing, detected, strict=True):
                found[key] = Verdict(key, tuple(spans), is_new=True)
                self._memory.keep(key, pack(spans))
        return [found[key] for key in keys]

    def _keys(self, texts: Sequence[str], tenant: str) -> list[bytes]:
        prefix = f"{ENGINE}\0{tenant}\0".encode()
        return [hmac.digest(self._secret, prefix + text.encode("utf-8", "surrogatepass"), "sha256") for text in texts]


def _size(packed: bytes) -> int:
    return _ENTRY_BYTES + len(packed)
