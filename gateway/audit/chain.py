"""The hash chain, and the canonical bytes it is made of (spec B8, D17)."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue

from gateway.audit.entries import AuditEntry

GENESIS = "0" * 64
"""`prev_hash` of an organisation's first entry."""


def canonical_time(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")


def seal_hash(entry: AuditEntry, *, seq: int, prev_hash: str) -> str:
    """SHA-256, in hex, of the compact JSON array of the entry's twelve values.

    The entry's id, `prev_hash` and the position ride inside `metadata._chain`, so
    that they are covered by the hash while the layout stays what public verifiers read.
    """
    chain: JsonValue = {"id": entry.id, "seq": seq, "prev_hash": prev_hash}
    metadata: JsonValue = {**(entry.metadata or {}), "_chain": chain}
    values: list[JsonValue] = [
        entry.actor,
        entry.org,
        None,
        str(entry.action),
        entry.entity_type,
        entry.entity_id,
        _sorted(metadata),
        entry.ip_address,
        canonical_time(entry.at),
        str(entry.phi),
        entry.subject_type,
        entry.subject_id_hmac,
    ]
    return hashlib.sha256(json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def _sorted(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value


class Flaw(StrEnum):
    """What can be wrong with an entry's place in the chain."""

    CHANGED = "changed"
    """The entry's content is not what was sealed."""
    MISSING = "missing"
    """The entry, or one before it, is gone: the numbering has a gap."""
    UNLINKED = "unlinked"
    """It does not follow the entry before it."""


@dataclass(frozen=True, slots=True)
class Seal:
    """An entry's place: `seq` counts from 1 in its organisation."""

    seq: int
    prev_hash: str
    hash: str


class ChainWalk:
    """Checks one organisation's chain, entry by entry in order of `seq`, in constant memory."""

    def __init__(self) -> None:
        self.length = 0
        self.head: str = GENESIS

    def step(self, entry: AuditEntry, seal: Seal) -> Flaw | None:
        """What is wrong with the next entry, if anything; after a flaw the walk has no further meaning."""
        if seal.seq != self.length + 1:
            return Flaw.MISSING
        if seal.prev_hash != self.head:
            return Flaw.UNLINKED
        # Sealing writes over `_chain`: one that was stored is somebody's addition, and the hash would not show it.
        planted = "_chain" in (entry.metadata or {})
        if planted or seal_hash(entry, seq=seal.seq, prev_hash=seal.prev_hash) != seal.hash:
            return Flaw.CHANGED
        self.length, self.head = seal.seq, seal.hash
        return None
