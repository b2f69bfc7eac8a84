"""Checks an export offline, with nothing but the file, published keys and time-stamp authorities (spec B8, D17).

The first bad entry is named, with the reason.
"""

from collections.abc import Iterator, Sequence
from typing import IO

from gateway.audit.chain import Flaw
from gateway.audit.checkpoints import Checkpoint
from gateway.audit.envelope import ProofDigest
from gateway.audit.export_format import EntryPart, KeysDocument, read_entry, read_proof
from gateway.audit.export_reading import ExportReader
from gateway.audit.export_walk import ExportWalk
from gateway.audit.held_checkpoints import HeldCheckpoints
from gateway.audit.marks import Marks
from gateway.audit.repeats import IdLog
from gateway.audit.signature_checks import SignatureChecks, Signed
from gateway.audit.signing import is_signed, raw_public_key
from gateway.audit.trusted_keys import TrustedKey, TrustedKeys
from gateway.audit.verdicts import ExportVerdict, FlawError
from gateway.timestamps.stamps import Authorities


def verify_export(
    stream: IO[bytes],
    *,
    keys: KeysDocument | None = None,
    authorities: Authorities | None = None,
    held: Sequence[Checkpoint] = (),
) -> ExportVerdict:
    """Judge one export. Raises `UnreadableError` for what is none.

    Without `keys` the export's own are used, so that a forger's export with a forger's
    keys passes; without `authorities` time-stamps are compared, not verified. `held` are checkpoints that were kept
    outside; those beyond the export's ends are passed over. The verdict says so.
    Memory grows by 16 bytes an entry.
    """
    return _Verification(ExportReader(stream), keys, authorities, held).verdict()


class _Verification:
    def __init__(
        self,
        reader: ExportReader,
        keys: KeysDocument | None,
        authorities: Authorities | None,
        held: Sequence[Checkpoint],
    ) -> None:
        self._reader = reader
        self._export, self._verification = reader.header.export, reader.header.verification
        self._published = keys
        self._keys = TrustedKeys(self._verification.keys if keys is None else keys.keys)
        self._walk = ExportWalk(self._export)
        self._marks = Marks(reader.header, self._keys, authorities)
        self._held = HeldCheckpoints(held, self._export, self._keys)
        self._proof = ProofDigest(reader.members)
        self._ids = IdLog()

    def verdict(self) -> ExportVerdict:
        try:
            self._judge()
            flaw = None
        except FlawError as found:
            flaw = found
        return ExportVerdict(
            organization=self._export.tenant_id,
            first_seq=self._export.first_seq,
            entries=self._export.entry_count,
            head=self._verification.chain_head_hash,
            keys_published=self._published is not None,
            time_stamps=self._marks.time_stamps,
            time_stamps_verified=self._marks.time_stamps_verified,
            checkpoints_compared=self._held.compared,
            flaw=flaw,
        )

    def _judge(self) -> None:
        key = self._export_key()
        self._held.check()
        with SignatureChecks(self._keys) as signatures:
            try:
                for entry in self._entries():
                    self._step(entry, key, signatures)
            except FlawError:
                # An entry before this one may have a bad signature, which takes longer to see.
                signatures.finish()
                raise
            signatures.finish()
        self._ending(key)

    def _export_key(self) -> TrustedKey:
        """The key that the export names as its own."""
        if self._published is not None and self._published.tenant_id != self._export.tenant_id:
            raise FlawError(Flaw.FOREIGN, "the export and the keys are of two organizations")
        for brought in TrustedKeys(self._verification.keys):
            known = self._keys.get(brought.key_id)
            if known is not None and known.raw != brought.raw:
                raise FlawError(Flaw.MISSIGNED, f"the export's key {known.key_id} is not the one published as that")
        key = self._keys.get(self._verification.key_id)
        if key is None or key.raw != raw_public_key(self._verification.public_key_pem):
            raise FlawError(Flaw.MISSIGNED, f"the export's key {self._verification.key_id} is not a published one")
        objection = key.objection(self._export.exported_at)
        if objection is not None:
            raise FlawError(Flaw.MISSIGNED, f"of the export: {objection}")
        return key

    def _entries(self) -> Iterator[EntryPart]:
        try:
            for document in self._reader.entries():
                yield read_entry(document)
        except ValueError as error:
            raise FlawError(Flaw.MALFORMED, f"the entry {error}", self._walk.seq + 1) from None

    def _step(self, entry: EntryPart, key: TrustedKey, signatures: SignatureChecks) -> None:
        if self._walk.seq - self._export.first_seq + 1 >= self._export.entry_count:
            raise FlawError(Flaw.TRUNCATED, "there are more entries than the export announces", self._walk.seq + 1)
        sealed_at = self._walk.step(entry)
        seq, entry_id, sealed = entry["seq"], entry["metadata"]["_chain"]["id"], entry["sealed"]
        self._held.compare(seq - 1, entry["prev_hash"])
        self._proof.add_entry(entry)
        if not self._ids.add(entry_id):
            raise FlawError(Flaw.MALFORMED, "the entry is malformed at 'metadata._chain.id': not an id", seq)
        sealer = self._keys.get(sealed["key_id"])
        objection = f"key {sealed['key_id']} is not published" if sealer is None else sealer.objection(sealed_at)
        if sealer is None or objection is not None:
            raise FlawError(Flaw.MISSIGNED, f"of its sealing: {objection}", seq, entry_id)
        signatures.add(Signed(seq, entry_id, entry["hash"], entry["signature"], key))
        if sealer.key_id != key.key_id or sealed["signature"] is not None:
            signatures.add(Signed(seq, entry_id, entry["hash"], sealed["signature"] or "", sealer))
        self._marks.compare(seq, entry["hash"], sealed_at)

    def _ending(self, key: TrustedKey) -> None:
        """What shows only when all entries were read."""
        first, last = self._export.first_seq, self._walk.seq
        announced = first + self._export.entry_count - 1
        if last < announced:
            raise FlawError(Flaw.TRUNCATED, f"the export announces entries up to {announced}", last + 1)
        if self._walk.head not in {None, self._verification.chain_head_hash}:
            raise FlawError(Flaw.TRUNCATED, "the chain's head is another entry than the last one", last + 1)
        self._held.compare(last, self._verification.chain_head_hash)
        self._marks.leftover(last)
        self._held.leftover(last)
        repeat = self._ids.first_repeat()
        if repeat is not None:
            raise FlawError(Flaw.REPEATED, "an earlier entry has its id", first + repeat)
        proof = read_proof(self._reader.proof)
        if proof is None:
            raise FlawError(Flaw.UNPROVEN, "the export has no proof")
        if proof.digest != self._proof.hex() or not is_signed(proof.digest, proof.signature, key.raw):
            raise FlawError(Flaw.UNPROVEN, "the header, or an entry's signature or sealing, is not what its key signed")
