"""Follows the entries of an export in their order: content, place and time of each against those before it."""

from datetime import datetime

from gateway.audit.chain import CLOCK_TOLERANCE, GENESIS, Flaw, content_hash
from gateway.audit.export_format import EntryPart, ExportPart, canonical_instant
from gateway.audit.verdicts import FlawError
from gateway.ids import find_ulid


class ExportWalk:
    def __init__(self, export: ExportPart) -> None:
        self._export = export
        self.seq = export.first_seq - 1
        """Of the last sound entry."""
        self.head: str | None = GENESIS if self.seq == 0 else None
        """Its hash; None while it lies before the range."""
        self._previous: str | None = None
        self._newest = self._newest_seal = canonical_instant("0001-01-01T00:00:00.000000+00:00")

    def step(self, entry: EntryPart) -> datetime:
        """The instant at which the next entry was sealed. Raises `FlawError`."""
        try:
            self._content(entry)
            self._place(entry)
            sealed_at = self._times(entry)
        except FlawError as error:
            error.seq, error.entry_id = self.seq + 1, _entry_id(entry)
            raise
        self.seq, self.head, self._previous = entry["seq"], entry["hash"], entry["prev_hash"]
        return sealed_at

    def _content(self, entry: EntryPart) -> None:
        try:
            computed = content_hash(entry)
        except ValueError:
            raise FlawError(Flaw.MALFORMED, "the entry has text that cannot be written") from None
        if computed != entry["hash"]:
            raise FlawError(Flaw.CHANGED, "the entry's content does not have the hash it was sealed with")
        chain = entry["metadata"].get("_chain")
        if not isinstance(chain, dict) or chain.keys() != {"id", "seq", "prev_hash"}:  # pyright: ignore[reportUnknownMemberType]
            raise FlawError(Flaw.MALFORMED, "'metadata._chain': not the entry's id, seq and prev_hash")
        if type(chain["seq"]) is not int or (chain["seq"], chain["prev_hash"]) != (entry["seq"], entry["prev_hash"]):  # pyright: ignore[reportUnknownArgumentType]
            raise FlawError(Flaw.CHANGED, "the entry's place is not the one it was sealed in")
        if entry["org_id"] != self._export.tenant_id:
            raise FlawError(Flaw.FOREIGN, "the entry is another organization's")

    def _place(self, entry: EntryPart) -> None:
        expected, found = self.seq + 1, entry["seq"]
        if found > expected:
            raise FlawError(Flaw.MISSING, f"entry {found} stands where entry {expected} should")
        if self._previous is not None and found == self.seq:
            raise FlawError(Flaw.FORKED, f"there are two entries {found}")
        if found < expected:
            raise FlawError(Flaw.MOVED, f"entry {found} stands where entry {expected} should")
        if self.head is not None and entry["prev_hash"] != self.head:
            raise FlawError(Flaw.UNLINKED, "the entry follows another than the one before it")

    def _times(self, entry: EntryPart) -> datetime:
        try:
            at, sealed_at = canonical_instant(entry["created_at"]), canonical_instant(entry["sealed"]["at"])
        except ValueError as error:
            raise FlawError(Flaw.MALFORMED, f"'created_at' or 'sealed.at': {error}") from None
        self._in_order(self._newest, at, "it is older than an entry before it")
        self._in_order(self._newest_seal, sealed_at, "it was sealed before an entry before it")
        self._in_order(at, sealed_at, "it was sealed before it was written")
        self._in_order(sealed_at, self._export.exported_at, "it was sealed after the export was made")
        self._in_order(self._export.range.start, at, "it is older than the export's range")
        self._in_order(at, self._export.range.end, "it is newer than the export's range")
        self._newest, self._newest_seal = max(self._newest, at), max(self._newest_seal, sealed_at)
        return sealed_at

    def _in_order(self, earlier: datetime, later: datetime, otherwise: str) -> None:
        if earlier - later > CLOCK_TOLERANCE:
            raise FlawError(Flaw.BACKDATED, otherwise)


def _entry_id(entry: EntryPart) -> str | None:
    chain = entry["metadata"].get("_chain")
    found = chain.get("id") if isinstance(chain, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return find_ulid(found) if isinstance(found, str) else None
