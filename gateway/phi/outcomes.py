"""What counted in the texts that a conversation began with, so that only what is new in it is weighed.

Which spans count depends on a text, on the organisation's choices and on what
was said before, and on nothing else. So they are kept under a keyed digest of
all that: a chain with a link for each text.
"""

import hmac
import secrets
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from gateway.phi.detector import Span
from gateway.phi.memory import Memory
from gateway.phi.packing import pack, unpack
from gateway.phi.screening import Screening
from gateway.phi.verdicts import Verdict

_ENTRY_BYTES = 350


@dataclass(frozen=True, slots=True)
class Outcome:
    """`counting` are a text's spans to mask; `telling` those whose values later texts are looked through for."""

    counting: tuple[Span, ...]
    telling: tuple[Span, ...]


class Outcomes:
    """The secret dies with the process; nothing of a text is kept."""

    def __init__(self, *, max_entries: int = 50_000, max_bytes: int = 64 * 1024 * 1024) -> None:
        self._secret = secrets.token_bytes(32)
        self._memory: Memory[tuple[bytes, bytes]] = Memory(_size, max_entries=max_entries, max_bytes=max_bytes)

    def beginning(self, screening: Screening) -> bytes:
        """The first link: before anything was said."""
        return self._link(_fingerprint(screening))

    def link(self, before: bytes, verdict: Verdict, *, answered: bool) -> bytes:
        """The link of a text that follows those of `before`. Verdicts' keys are of one tenant already."""
        return self._link(before + verdict.key + (b"a" if answered else b"u"))

    def get(self, link: bytes) -> Outcome | None:
        packed = self._memory.get(link)
        return packed and Outcome(unpack(packed[0]), unpack(packed[1]))

    def keep(self, link: bytes, outcome: Outcome) -> None:
        self._memory.keep(link, (pack(outcome.counting), pack(outcome.telling)))

    def _link(self, content: bytes) -> bytes:
        return hmac.digest(self._secret, content, "sha256")


@lru_cache(maxsize=32)
def _fingerprint(screening: Screening) -> bytes:
    choices = (screening.threshold_milli, sorted(screening.masked), screening.deny_terms, screening.allow_terms)
    return sha256(repr(choices).encode("utf-8", "surrogatepass")).digest()


def _size(packed: tuple[bytes, bytes]) -> int:
    return _ENTRY_BYTES + len(packed[0]) + len(packed[1])
