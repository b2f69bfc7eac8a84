"""Checkpoints and time-stamps of an export: what somebody fixed of the chain, compared when the walk gets there."""

import binascii
from base64 import b64decode
from collections import defaultdict
from datetime import datetime

from gateway.audit.chain import CLOCK_TOLERANCE, Flaw
from gateway.audit.checkpoints import checkpoint_digest
from gateway.audit.export_format import AnchorPart, CheckpointPart, Header
from gateway.audit.signing import is_signed
from gateway.audit.trusted_keys import TrustedKeys
from gateway.audit.verdicts import FlawError
from gateway.timestamps.stamps import Authorities, TimeStamp, read_time_stamp


class Marks:
    def __init__(self, header: Header, keys: TrustedKeys, authorities: Authorities | None) -> None:
        self._export = header.export
        self._keys = keys
        self._authorities = authorities
        self._checkpoints: dict[int, list[CheckpointPart]] = defaultdict(list)
        self._anchors: dict[int, list[AnchorPart]] = defaultdict(list)
        self._stamped_at: datetime | None = None
        for checkpoint in header.verification.checkpoints:
            self._checkpoints[checkpoint.seq].append(checkpoint)
        for anchor in header.verification.tsa_anchor_chain:
            self._anchors[header.export.first_seq + anchor.checkpoint_after_entry - 1].append(anchor)
        self.time_stamps = len(header.verification.tsa_anchor_chain)
        self.time_stamps_verified = 0

    def compare(self, seq: int, head: str, sealed_at: datetime) -> None:
        """Whether what was fixed of entry `seq` holds. Raises `FlawError`."""
        for checkpoint in self._checkpoints.pop(seq, ()):
            self._checkpoint(checkpoint, head, sealed_at)
        for anchor in self._anchors.pop(seq, ()):
            self._anchor(anchor, seq, head, sealed_at)

    def leftover(self, last: int) -> None:
        """Whether something was fixed of entries that the export, ending with entry `last`, does not have."""
        for seq in sorted({*self._checkpoints, *self._anchors}):
            if seq > last:
                raise FlawError(Flaw.TRUNCATED, f"there was an entry {seq}, and the export ends before it", last + 1)
            raise FlawError(Flaw.MISSING, f"there was an entry {seq}, and the export begins after it", seq)

    def _checkpoint(self, checkpoint: CheckpointPart, head: str, sealed_at: datetime) -> None:
        seq = checkpoint.seq
        digest = checkpoint_digest(self._export.tenant_id, seq=seq, head=checkpoint.hash, at=checkpoint.at)
        key = self._keys.get(checkpoint.key_id)
        if key is None or not is_signed(digest, checkpoint.signature, key.raw):
            raise FlawError(Flaw.MISSIGNED, f"the checkpoint after entry {seq} is not signed by a known key", seq)
        objection = key.objection(checkpoint.at)
        if objection is not None:
            raise FlawError(Flaw.MISSIGNED, f"of the checkpoint after entry {seq}: {objection}", seq)
        if checkpoint.hash != head:
            raise FlawError(Flaw.FORKED, f"the checkpoint after entry {seq} names another entry", seq)
        if sealed_at - checkpoint.at > CLOCK_TOLERANCE or checkpoint.at - self._export.exported_at > CLOCK_TOLERANCE:
            raise FlawError(Flaw.BACKDATED, f"the checkpoint after entry {seq} is older than it, or not made yet", seq)

    def _anchor(self, anchor: AnchorPart, seq: int, head: str, sealed_at: datetime) -> None:
        if anchor.anchored_data != head:
            raise FlawError(Flaw.FORKED, f"the time-stamp after entry {seq} is of another entry", seq)
        try:
            stamp = read_time_stamp(b64decode(anchor.tsa_tsr_base64, validate=True))
        except (ValueError, binascii.Error):
            raise FlawError(Flaw.MISSTAMPED, f"the time-stamp after entry {seq} cannot be read", seq) from None
        if not stamp.is_of(anchor.anchored_data):
            raise FlawError(Flaw.MISSTAMPED, f"the time-stamp after entry {seq} is of something else", seq)
        if self._authorities is not None:
            if not self._authorities.stamped(stamp, anchor.anchored_data):
                raise FlawError(Flaw.MISSTAMPED, f"no trusted authority stamped entry {seq}", seq)
            self.time_stamps_verified += 1
        self._stamp_in_order(stamp, seq, sealed_at)

    def _stamp_in_order(self, stamp: TimeStamp, seq: int, sealed_at: datetime) -> None:
        if sealed_at - stamp.at > CLOCK_TOLERANCE or stamp.at - self._export.exported_at > CLOCK_TOLERANCE:
            raise FlawError(Flaw.BACKDATED, f"entry {seq} was sealed after its time-stamp, or exported before it", seq)
        if self._stamped_at is not None and stamp.at < self._stamped_at:
            raise FlawError(Flaw.BACKDATED, f"the time-stamp after entry {seq} is older than the one before it", seq)
        self._stamped_at = stamp.at
