"""Checkpoints: the head of a chain at an instant, signed, and held by whoever it was sent to."""

from dataclasses import dataclass
from datetime import datetime

from gateway.audit.chain import canonical_hash, canonical_time
from gateway.audit.signing import SigningKey
from gateway.ids import OrganizationId


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`org`'s chain had `seq` entries at `at`, and `hash` was the last one's: it fixes every entry up to there."""

    org: OrganizationId
    seq: int
    hash: str
    at: datetime
    key_id: str
    signature: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """An RFC 3161 time-stamp of a checkpoint, by somebody else."""

    seq: int
    hash: str
    """What is stamped: the 64 ASCII characters of the last entry's hash."""
    response: bytes
    """The TimeStampResp, in DER, with the authority's certificates."""
    at: datetime
    """The authority's own time."""
    tsa_url: str
    tsa_cacert_url: str
    """Both `https`."""


def checkpoint_digest(org: str, *, seq: int, head: str, at: datetime) -> str:
    """What a checkpoint's signature covers."""
    fields = {"kind": "checkpoint", "org_id": org, "seq": seq, "hash": head, "at": canonical_time(at)}
    return canonical_hash(fields)


def sign_checkpoint(key: SigningKey, org: OrganizationId, *, seq: int, head: str, at: datetime) -> Checkpoint:
    digest = checkpoint_digest(org, seq=seq, head=head, at=at)
    return Checkpoint(org, seq, head, at, key.key_id, key.sign(digest))
