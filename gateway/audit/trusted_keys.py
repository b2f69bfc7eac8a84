"""Which key could sign what, and when."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from gateway.audit.chain import CLOCK_TOLERANCE
from gateway.audit.export_format import KeyPart, UnreadableError
from gateway.audit.signing import KeyStatus, is_signed, raw_public_key


@dataclass(frozen=True, slots=True)
class TrustedKey:
    key_id: str
    raw: bytes
    published_at: datetime
    status: KeyStatus
    retired_at: datetime | None

    def objection(self, at: datetime) -> str | None:
        """Why the key could not sign at `at`, if it could not."""
        if self.status is KeyStatus.REVOKED:
            return f"key {self.key_id} is revoked"
        if self.published_at - at > CLOCK_TOLERANCE:
            return f"key {self.key_id} was published only later"
        if self.status is KeyStatus.RETIRED:
            if self.retired_at is None:
                return f"key {self.key_id} is retired, and nothing says since when"
            if at - self.retired_at > CLOCK_TOLERANCE:
                return f"key {self.key_id} was retired by then"
        return None


class TrustedKeys:
    """One organisation's keys by id. Raises `UnreadableError` where an id stands for two."""

    def __init__(self, parts: Iterable[KeyPart]) -> None:
        self._keys: dict[str, TrustedKey] = {}
        ordered = sorted(parts, key=lambda part: part.published_at)
        for part in ordered:
            if part.key_id in self._keys:
                raise UnreadableError("the keys name one id twice")
            self._keys[part.key_id] = TrustedKey(
                part.key_id,
                raw_public_key(part.public_key_pem),
                part.published_at,
                part.status,
                part.retired_at or _succeeded_at(part, ordered),
            )

    def __iter__(self) -> Iterator[TrustedKey]:
        return iter(self._keys.values())

    def get(self, key_id: str) -> TrustedKey | None:
        return self._keys.get(key_id)

    def signer(self, digest: str, signature: str) -> TrustedKey | None:
        """Whichever key signed, allowed to or not."""
        return next((key for key in self if is_signed(digest, signature, key.raw)), None)


def _succeeded_at(part: KeyPart, ordered: Iterable[KeyPart]) -> datetime | None:
    """A key whose document does not say when it was retired was so when the next one was published, at the latest."""
    return next((other.published_at for other in ordered if other.published_at > part.published_at), None)
