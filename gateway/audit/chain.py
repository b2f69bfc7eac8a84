"""The hash chain, and the canonical bytes it is made of (spec B8, D17)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import orjson
from pydantic import JsonValue

from gateway.audit.entries import AuditEntry

GENESIS = "0" * 64
"""`prev_hash` of an organisation's first entry."""

CLOCK_TOLERANCE = timedelta(minutes=15)
"""How far apart honest times may be: writers commit late, and machines' clocks differ."""

HASHED = (
    *("user_id", "org_id", "project_id", "action", "entity_type", "entity_id"),
    *("metadata", "ip_address", "created_at", "phi_disposition", "subject_type", "subject_id_hmac"),
)
"""The twelve values under an entry's hash, in their order, by the names they have in an export."""

_CANONICAL = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)


def canonical_time(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")


def canonical_json(value: object) -> bytes:
    """Compact, UTF-8, with sorted keys; of values without floats. Raises `ValueError` for half a surrogate pair."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return _CANONICAL.encode(value).encode()  # the same, five times as slow, with integers beyond 64 bits


def canonical_hash(value: object) -> str:
    """SHA-256, in hex, of the canonical JSON. Raises as `canonical_json` does."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def content_hash(values: Mapping[str, object]) -> str:
    """The hash of the array of the twelve `HASHED` values. Raises as `canonical_json` does."""
    return canonical_hash([values[name] for name in HASHED])


def hashed_values(entry: AuditEntry, *, seq: int, prev_hash: str) -> dict[str, JsonValue]:
    """The twelve values of an entry in its place.

    The entry's id, `prev_hash` and the position ride inside `metadata._chain`, so
    that they are covered by the hash while the layout stays what public verifiers read.
    """
    chain: JsonValue = {"id": entry.id, "seq": seq, "prev_hash": prev_hash}
    return {
        "user_id": entry.actor,
        "org_id": entry.org,
        "project_id": None,
        "action": str(entry.action),
        "entity_type": entry.entity_type,
        "entity_id": entry.entity_id,
        "metadata": {**(entry.metadata or {}), "_chain": chain},
        "ip_address": entry.ip_address,
        "created_at": canonical_time(entry.at),
        "phi_disposition": str(entry.phi),
        "subject_type": entry.subject_type,
        "subject_id_hmac": entry.subject_id_hmac,
    }


def seal_hash(entry: AuditEntry, *, seq: int, prev_hash: str) -> str:
    return content_hash(hashed_values(entry, seq=seq, prev_hash=prev_hash))


class Flaw(StrEnum):
    """What can be wrong with an entry, with its place in the chain, or with an export of them."""

    CHANGED = "changed"
    """The entry's content is not what was sealed."""
    MISSING = "missing"
    """The entry, or one before it, is gone: the numbering has a gap."""
    UNLINKED = "unlinked"
    """It does not follow the entry before it."""
    FORKED = "forked"
    """Another entry has the same place, or a checkpoint names another."""
    MOVED = "moved"
    """It belongs further up."""
    REPEATED = "repeated"
    """An earlier entry has its id."""
    MALFORMED = "malformed"
    """It is no entry: a field is missing, unknown, or of another type."""
    FOREIGN = "foreign"
    """It is another organisation's."""
    BACKDATED = "backdated"
    """Its time is before that of an entry, a checkpoint or a key that it follows, or after one that it precedes."""
    MISSIGNED = "missigned"
    """Its signature is not by a key that could sign it then."""
    MISSTAMPED = "misstamped"
    """A time-stamp does not hold."""
    TRUNCATED = "truncated"
    """The export ends before, or after, the last entry it announces."""
    UNPROVEN = "unproven"
    """What the export says about itself is not what its key signed."""


@dataclass(frozen=True, slots=True)
class Seal:
    """An entry's place: `seq` counts from 1 in its organisation."""

    seq: int
    prev_hash: str
    hash: str


class ChainWalk:
    """Checks one organisation's chain, entry by entry in order of `seq`, in constant memory.

    Begins behind its first `length` entries, of which `head` is the last one's hash.
    """

    def __init__(self, length: int = 0, head: str = GENESIS) -> None:
        self.length = length
        self.head = head
        self._sealed_at = datetime.min.replace(tzinfo=UTC)

    def objection(self, entry: AuditEntry, seal: Seal, sealed_at: datetime) -> Flaw | None:
        """What is wrong with the next entry, if anything."""
        if seal.seq != self.length + 1:
            return Flaw.MISSING
        if seal.prev_hash != self.head:
            return Flaw.UNLINKED
        # Sealing writes over `_chain`: one that was stored is somebody's addition, and the hash would not show it.
        planted = "_chain" in (entry.metadata or {})
        if planted or seal_hash(entry, seq=seal.seq, prev_hash=seal.prev_hash) != seal.hash:
            return Flaw.CHANGED
        if sealed_at < self._sealed_at or entry.at - sealed_at > CLOCK_TOLERANCE:
            return Flaw.BACKDATED
        return None

    def advance(self, seal: Seal, sealed_at: datetime) -> None:
        """Over the next entry, which is sound."""
        self.length, self.head, self._sealed_at = seal.seq, seal.hash, sealed_at
