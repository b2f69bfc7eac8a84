"""Honest exports: chains sealed under a key or several, written out by the product's own writer."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from gateway.audit import GENESIS, AuditEntry, Seal, seal_hash
from gateway.audit.checkpoints import Anchor, Checkpoint, sign_checkpoint
from gateway.audit.entries import AuditAction, PhiDisposition
from gateway.audit.envelope import EnvelopeWriter, Extract, SealedEntry, published
from gateway.audit.signing import SEED_BYTES, KeyStatus, PublishedKey, SigningKey
from gateway.ids import AuditEntryId, OrganizationId

ORG = OrganizationId("01JQ0000000000000000000001")
BEGIN = datetime(2026, 5, 27, 12, tzinfo=UTC)
ERA = timedelta(days=1)
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def signing_key(number: int) -> SigningKey:
    return SigningKey(number.to_bytes(SEED_BYTES, "big"))


@dataclass(frozen=True, slots=True)
class Log:
    """One organisation's whole chain. Key `n` sealed during day `n`; the last is the active one."""

    org: OrganizationId
    keys: Sequence[SigningKey]
    entries: Sequence[SealedEntry]
    checkpoints: Sequence[Checkpoint]

    @property
    def published(self) -> list[PublishedKey]:
        last = len(self.keys) - 1
        return [
            PublishedKey(
                key.key_id,
                key.public_key_pem,
                BEGIN + era * ERA,
                KeyStatus.ACTIVE if era == last else KeyStatus.RETIRED,
                None if era == last else BEGIN + (era + 1) * ERA,
            )
            for era, key in enumerate(self.keys)
        ]


def make_log(random: Random, *, length: int, eras: int = 1, org: OrganizationId = ORG, seed: int = 1) -> Log:
    keys = [signing_key(seed + era) for era in range(eras)]
    entries: list[SealedEntry] = []
    checkpoints: list[Checkpoint] = []
    head = GENESIS
    for seq in range(1, length + 1):
        era = (seq - 1) * eras // length
        written = BEGIN + era * ERA + timedelta(hours=1, minutes=seq, microseconds=random.randrange(10**6))
        entry = make_entry(random, org, at=written - timedelta(seconds=random.randrange(600)))
        seal = Seal(seq, head, seal_hash(entry, seq=seq, prev_hash=head))
        sealed_at = written + timedelta(milliseconds=random.randrange(900))
        entries.append(SealedEntry(entry, seal, sealed_at, keys[era].key_id, keys[era].sign(seal.hash)))
        head = seal.hash
        if random.random() < 0.3:
            checkpoints.append(sign_checkpoint(keys[era], org, seq=seq, head=head, at=sealed_at))
    return Log(org, keys, entries, checkpoints)


def make_entry(random: Random, org: OrganizationId, *, at: datetime) -> AuditEntry:
    return AuditEntry(
        id=AuditEntryId("0" + "".join(random.choices(_CROCKFORD, k=25))),
        org=org,
        action=random.choice([*AuditAction, "some.later.action"]),
        at=at,
        entity_type=random.choice([None, "inference", "api_key"]),
        entity_id=random.choice([None, "01JQ0000000000000000000002"]),
        actor=random.choice([None, "key:01JQ0000000000000000000003", "system:sweeper"]),
        ip_address=random.choice([None, "192.0.2.1", "2001:db8::1"]),
        metadata=random.choice(
            [
                None,
                {},
                {"model": "claude/é", "counts": {"b": 2, "a": 1, "Z": 0}, "kinds": ["NAME", "MRN"]},
                {"quote": 'a "b" \\ \u0007 \u2028', "deep": {"z": [{"y": None, "x": True}]}, "big": -(2**53)},
            ]
        ),
        phi=random.choice([*PhiDisposition, "later"]),
        subject_type=random.choice([None, "patient"]),
        subject_id_hmac=random.choice([None, "ab" * 32]),
    )


def write_export(log: Log, *, first: int, last: int, anchors: Sequence[Anchor] = (), **changes: Any) -> str:
    """Entries `first` to `last` of a log, as exported by its active key an hour after the last one."""
    entries = log.entries[first - 1 : last]
    before = GENESIS if first == 1 else log.entries[first - 2].seal.hash
    at = log.entries[last - 1].sealed_at if log.entries else BEGIN
    fields: dict[str, Any] = {
        "org": log.org,
        "tenant": "Northwind Pediatrics",
        "start": entries[0].entry.at if entries else BEGIN,
        "end": at,
        "exported_at": BEGIN + (len(log.keys) - 1) * ERA + timedelta(hours=23),
        "exported_by": "key:01JQ0000000000000000000003",
        "first_seq": first,
        "entry_count": len(entries),
        "head": entries[-1].seal.hash if entries else before,
        "keys": log.published,
        "checkpoints": [checkpoint for checkpoint in log.checkpoints if first <= checkpoint.seq <= last],
        "anchors": anchors,
    }
    writer = EnvelopeWriter(Extract(**(fields | changes)), log.keys[-1])
    return "".join([writer.head(), *map(writer.entry, entries), writer.tail()])


def keys_document(log: Log, **status: str) -> dict[str, Any]:
    """What the organisation publishes. `status` changes keys by era, `_0="revoked"`."""
    keys: list[Mapping[str, Any]] = [published(key) for key in log.published]
    return {
        "tenant_id": log.org,
        "keys": [{**key, "status": status.get(f"_{era}", key["status"])} for era, key in enumerate(keys)],
    }


def as_bytes(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()
