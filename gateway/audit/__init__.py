"""The audit log: what is written, how it is chained and signed, and how a stranger checks it."""

from gateway.audit.chain import GENESIS, ChainWalk, Flaw, Seal, canonical_time, seal_hash
from gateway.audit.entries import AuditAction, AuditEntry, PhiDisposition

__all__ = [
    "GENESIS",
    "AuditAction",
    "AuditEntry",
    "ChainWalk",
    "Flaw",
    "PhiDisposition",
    "Seal",
    "canonical_time",
    "seal_hash",
]
