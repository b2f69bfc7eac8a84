"""An export of the audit log, written piece by piece: the published layout (spec B8, version two), and its gaps closed.

One entry a line. Beside the published fields, which any verifier of the layout reads, there are:

- `entries[].sealed`: when the entry was sealed, by which key, and that key's signature where it is not the export's;
- `verification.keys` and `verification.checkpoints`;
- `proof`, over everything else: nobody can drop, add or change a field without the export's key.

`signature` is by the export's key in every entry, the ones sealed under an earlier key
included, since the layout has one key an export.
"""

import hashlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from gateway.audit.chain import Seal, canonical_json, canonical_time, hashed_values
from gateway.audit.checkpoints import Anchor, Checkpoint
from gateway.audit.entries import AuditEntry
from gateway.audit.signing import ALGORITHM, PublishedKey, SigningKey
from gateway.ids import OrganizationId

SCHEMA_VERSION = "1.0"


@dataclass(frozen=True, slots=True)
class SealedEntry:
    entry: AuditEntry
    seal: Seal
    sealed_at: datetime
    key_id: str
    """Whose `signature` is over `seal.hash`."""
    signature: str


@dataclass(frozen=True, slots=True)
class Extract:
    """What an export is of: `entry_count` entries without a gap, of which `head` is the last one's hash.

    With no entry, `head` is the hash of the entry before the range, `GENESIS` if there is none.
    Checkpoints and anchors are those of entries within, in order of `seq`; `keys` has all that sealed one
    or signed a checkpoint, and the exporter's.
    """

    org: OrganizationId
    tenant: str
    start: datetime
    end: datetime
    """Both inclusive. Entries may lie outside by as much as writers' clocks and commits are apart."""
    exported_at: datetime
    exported_by: str | None
    first_seq: int
    entry_count: int
    head: str
    keys: Sequence[PublishedKey]
    checkpoints: Sequence[Checkpoint] = ()
    anchors: Sequence[Anchor] = ()
    keys_url: str | None = None
    """`https`, where the keys are published."""
    instructions: str | None = None


class EnvelopeWriter:
    """Texts of one export, to be written one after the other: `head()`, `entry()` for each in order, `tail()`.

    Raises `ValueError` where the entries are not those of the extract: such an export would accuse its owner.
    """

    def __init__(self, extract: Extract, key: SigningKey) -> None:
        self._extract = extract
        self._key = key
        self._written = 0
        self._last = extract.head
        self._header: dict[str, JsonValue] = {
            "schema_version": SCHEMA_VERSION,
            "export": _export(extract),
            "verification": _verification(extract, key),
        }
        self._digest = ProofDigest(self._header)

    def head(self) -> str:
        members = ",\n".join(f'"{name}":{_text(part)}' for name, part in self._header.items())
        return f'{{{members},\n"entries":['

    def entry(self, sealed: SealedEntry) -> str:
        if sealed.seal.seq != self._extract.first_seq + self._written or sealed.entry.org != self._extract.org:
            raise ValueError("the entry is not the next one of the extract")
        written = self._entry(sealed)
        self._digest.add_entry(written)
        self._last = sealed.seal.hash
        self._written += 1
        return f"{',' if self._written > 1 else ''}\n{_text(written)}"

    def tail(self) -> str:
        if (self._written, self._last) != (self._extract.entry_count, self._extract.head):
            raise ValueError("the extract's entries are not all written, or its head is another")
        digest = self._digest.hex()
        proof = {"digest": digest, "signature": self._key.sign(digest)}
        return f'\n],\n"proof":{_text(proof)}}}\n'

    def _entry(self, sealed: SealedEntry) -> dict[str, JsonValue]:
        seal = sealed.seal
        own = sealed.key_id == self._key.key_id
        return {
            "seq": seal.seq,
            **hashed_values(sealed.entry, seq=seal.seq, prev_hash=seal.prev_hash),
            "prev_hash": seal.prev_hash,
            "hash": seal.hash,
            "signature": sealed.signature if own else self._key.sign(seal.hash),
            "sealed": {
                "at": canonical_time(sealed.sealed_at),
                "key_id": sealed.key_id,
                "signature": None if own else sealed.signature,
            },
        }


class ProofDigest:
    """SHA-256 over the lines that a proof covers: the header, then of each entry its hash, signature and sealing."""

    def __init__(self, header: Mapping[str, object]) -> None:
        self._sha256 = hashlib.sha256()
        self._add(header)

    def add_entry(self, entry: Mapping[str, object]) -> None:
        self._add([entry["hash"], entry["signature"], entry["sealed"]])

    def hex(self) -> str:
        return self._sha256.hexdigest()

    def _add(self, value: object) -> None:
        self._sha256.update(canonical_json(value) + b"\n")


def _text(value: object) -> str:
    return canonical_json(value).decode()


def published(key: PublishedKey) -> dict[str, JsonValue]:
    """A key as published documents and exports have it."""
    return {
        "key_id": key.key_id,
        "public_key_pem": key.public_key_pem,
        "published_at": canonical_time(key.published_at),
        "status": str(key.status),
        "retired_at": None if key.retired_at is None else canonical_time(key.retired_at),
    }


def _export(extract: Extract) -> dict[str, JsonValue]:
    return {
        "tenant": extract.tenant,
        "tenant_id": extract.org,
        "range": {"from": canonical_time(extract.start), "to": canonical_time(extract.end)},
        "exported_at": canonical_time(extract.exported_at),
        "exported_by": extract.exported_by,
        "entry_count": extract.entry_count,
        "first_seq": extract.first_seq,
    }


def _verification(extract: Extract, key: SigningKey) -> dict[str, JsonValue]:
    own = next((candidate for candidate in extract.keys if candidate.key_id == key.key_id), None)
    if own is None:
        raise ValueError("the exporter's key is not among the extract's keys")
    optional: dict[str, JsonValue] = {"keys_url": extract.keys_url, "instructions": extract.instructions}
    return {
        "algo": ALGORITHM,
        "key_id": key.key_id,
        "public_key_pem": key.public_key_pem,
        "key_published_at": canonical_time(own.published_at),
        "chain_head_hash": extract.head,
        "tsa_anchor_chain": [_anchor(anchor, extract.first_seq) for anchor in extract.anchors],
        "keys": [published(key) for key in extract.keys],
        "checkpoints": [_checkpoint(checkpoint) for checkpoint in extract.checkpoints],
        **{name: value for name, value in optional.items() if value is not None},
    }


def _anchor(anchor: Anchor, first_seq: int) -> JsonValue:
    return {
        "checkpoint_after_entry": anchor.seq - first_seq + 1,
        "tsa_url": anchor.tsa_url,
        "tsa_cacert_url": anchor.tsa_cacert_url,
        "tsa_tsr_base64": b64encode(anchor.response).decode(),
        "anchored_data": anchor.hash,
        "anchored_at": canonical_time(anchor.at),
    }


def _checkpoint(checkpoint: Checkpoint) -> JsonValue:
    return {
        "seq": checkpoint.seq,
        "hash": checkpoint.hash,
        "at": canonical_time(checkpoint.at),
        "key_id": checkpoint.key_id,
        "signature": checkpoint.signature,
    }
