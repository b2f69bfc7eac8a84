"""What a check of an export finds."""

from dataclasses import dataclass

from gateway.audit.chain import Flaw


class FlawError(Exception):
    """The first thing wrong with an export. `reason` tells a person; it holds ids, places and times, no content."""

    def __init__(self, flaw: Flaw, reason: str, seq: int | None = None, entry_id: str | None = None) -> None:
        super().__init__(reason)
        self.flaw = flaw
        self.reason = reason
        self.seq = seq
        """The bad entry's place in its organisation's chain, None where the export as a whole is bad."""
        self.entry_id = entry_id


@dataclass(frozen=True, slots=True)
class ExportVerdict:
    """`flaw` is None for a sound export."""

    organization: str
    first_seq: int
    entries: int
    head: str
    """As the export itself says, like the two above."""
    keys_published: bool
    """Whether the keys came from outside. If not, whoever wrote the export may have made them too."""
    time_stamps: int
    time_stamps_verified: int
    """Those up to the first bad entry that a trusted authority made; 0 without authorities."""
    checkpoints_compared: int
    """Of those that were kept outside, how many are of the export's entries, up to the first bad one."""
    flaw: FlawError | None
