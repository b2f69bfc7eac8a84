"""Whoever seals has a bad clock, or writes an id twice."""

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from gateway.audit import GENESIS, Seal, seal_hash
from gateway.audit.envelope import SealedEntry
from tests.unit.audit.exports import ERA, Log, write_export
from tests.unit.audit.tampering import Document, Sample, tamper


def rewritten(log: Log, changes: dict[int, Document]) -> Log:
    """The log as its keys would have sealed it with some entries otherwise. No checkpoints."""
    keys = {key.key_id: key for key in log.keys}
    entries: list[SealedEntry] = []
    head = GENESIS
    for index, each in enumerate(log.entries):
        fields = dict(changes.get(index, {}))
        sealed_at = fields.pop("sealed_at", each.sealed_at)
        entry = replace(each.entry, **fields)
        seal = Seal(index + 1, head, seal_hash(entry, seq=index + 1, prev_hash=head))
        entries.append(SealedEntry(entry, seal, sealed_at, each.key_id, keys[each.key_id].sign(seal.hash)))
        head = seal.hash
    return replace(log, entries=entries, checkpoints=[])


@tamper("the clock goes back between two entries")
def _(sample: Sample, random: Random) -> bytes:
    index = random.randrange(sample.first, sample.last)
    before = sample.log.entries[index - 1]
    back = timedelta(minutes=random.randrange(26, 60))
    name, at = random.choice([("at", before.entry.at), ("sealed_at", before.sealed_at)])
    log = rewritten(sample.log, {index: {name: at - back}})
    return write_export(log, first=sample.first, last=sample.last, start=log.entries[0].entry.at - ERA).encode()


@tamper("an entry is sealed before it was written, or after the export")
def _(sample: Sample, random: Random) -> bytes:
    index = random.randrange(sample.first - 1, sample.last)
    entry = sample.log.entries[index]
    made = datetime.fromisoformat(sample.document["export"]["exported_at"])
    at = random.choice([entry.entry.at - timedelta(hours=1), made + timedelta(hours=1)])
    log = rewritten(sample.log, {index: {"sealed_at": at}})
    return write_export(log, first=sample.first, last=sample.last).encode()


@tamper("an entry lies far outside the range")
def _(sample: Sample, random: Random) -> bytes:
    entry = sample.log.entries[random.randrange(sample.first - 1, sample.last)].entry
    hour = timedelta(hours=1)
    bounds: Document = random.choice([{"start": entry.at + hour, "end": entry.at + 9 * ERA}, {"end": entry.at - hour}])
    return write_export(sample.log, first=sample.first, last=sample.last, **bounds).encode()


@tamper("an id comes twice")
def _(sample: Sample, random: Random) -> bytes:
    one, two = random.sample(range(sample.first - 1, sample.last), 2)
    log = rewritten(sample.log, {one: {"id": sample.log.entries[two].entry.id}})
    return write_export(log, first=sample.first, last=sample.last).encode()
