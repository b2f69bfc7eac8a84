"""Checkpoints that somebody outside kept, as the event `audit.checkpoint` told them.

Whoever writes a log, or an export of it, cannot choose them, and is held to them.
"""

from collections import defaultdict
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.audit.chain import CLOCK_TOLERANCE, Flaw
from gateway.audit.checkpoints import Checkpoint, checkpoint_digest
from gateway.audit.export_format import Canonical, ExportPart, Hash, Name, Place, Text, UnreadableError, where
from gateway.audit.signing import is_signed
from gateway.audit.trusted_keys import TrustedKeys
from gateway.audit.verdicts import FlawError
from gateway.ids import OrganizationId


class _Told(BaseModel):
    """Fields of later versions are passed over."""

    model_config = ConfigDict(strict=True, frozen=True)

    organization_id: Name
    seq: Place
    hash: Hash
    at: Canonical
    key_id: Name
    signature: Text


class _Event(BaseModel):
    data: _Told = Field(strict=True)


def read_checkpoint(document: object) -> Checkpoint:
    """An event `audit.checkpoint`, or its `data` alone. Raises `UnreadableError`."""
    try:
        is_event = isinstance(document, dict) and "data" in document
        told = _Event.model_validate(document).data if is_event else _Told.model_validate(document)
    except ValidationError as error:
        raise UnreadableError(f"the checkpoint's {where(error)}") from None
    return Checkpoint(OrganizationId(told.organization_id), told.seq, told.hash, told.at, told.key_id, told.signature)


class HeldCheckpoints:
    """Compares them with an export's entries, in one walk."""

    def __init__(self, held: Sequence[Checkpoint], export: ExportPart, keys: TrustedKeys) -> None:
        self._held = held
        self._export = export
        self._keys = keys
        self._left: dict[int, list[Checkpoint]] = defaultdict(list)
        for checkpoint in held:
            self._left[checkpoint.seq].append(checkpoint)
        self.compared = 0

    def check(self) -> None:
        """Whether they are this organisation's, signed by keys that could. Raises `FlawError`."""
        for checkpoint in self._held:
            if checkpoint.org != self._export.tenant_id:
                raise FlawError(Flaw.FOREIGN, "the export and the kept checkpoint are of two organizations")
            digest = checkpoint_digest(checkpoint.org, seq=checkpoint.seq, head=checkpoint.hash, at=checkpoint.at)
            key = self._keys.get(checkpoint.key_id)
            if key is None or not is_signed(digest, checkpoint.signature, key.raw):
                raise FlawError(Flaw.MISSIGNED, "the kept checkpoint is not signed by a known key", checkpoint.seq)
            if objection := key.objection(checkpoint.at):
                raise FlawError(Flaw.MISSIGNED, f"of the kept checkpoint: {objection}", checkpoint.seq)

    def compare(self, seq: int, head: str) -> None:
        """Whether the chain had the hash `head` in place `seq`. Raises `FlawError`."""
        for checkpoint in self._left.pop(seq, ()):
            if checkpoint.hash != head:
                raise FlawError(Flaw.FORKED, f"the kept checkpoint after entry {seq} names another entry", seq)
            self.compared += 1

    def leftover(self, last: int) -> None:
        """Whether one is of an entry that the export, ending with entry `last`, had to have by its time."""
        before = min(self._export.range.end, self._export.exported_at) - CLOCK_TOLERANCE
        for seq, checkpoints in sorted(self._left.items()):
            if seq > last and min(each.at for each in checkpoints) < before:
                raise FlawError(Flaw.TRUNCATED, f"there was an entry {seq}, and the export ends before it", last + 1)
