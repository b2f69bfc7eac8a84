"""Ways to tamper with an export. Each takes a fresh copy of an honest one and returns the bytes of a bad one.

Those under "without a key" do all that arithmetic allows to cover the traces: hashes, links, counts
and digests are made to fit again. Signatures cannot be.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

from gateway.audit import GENESIS, Seal, canonical_time, seal_hash
from gateway.audit.chain import canonical_hash, content_hash
from gateway.audit.envelope import SealedEntry
from gateway.audit.signing import SigningKey
from tests.unit.audit.exports import ERA, Log, as_bytes, make_log, signing_key, write_export

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """An honest export of entries `first` to `last`, and what was published beside it."""

    log: Log
    first: int
    last: int
    text: str
    keys: Document

    @property
    def document(self) -> Document:
        return json.loads(self.text)


Tamper = Callable[[Sample, Random], bytes]
TAMPERS: dict[str, Tamper] = {}


def tamper(kind: str) -> Callable[[Tamper], Tamper]:
    def register(function: Tamper) -> Tamper:
        TAMPERS[kind] = function
        return function

    return register


def cover(document: Document, key: SigningKey | None = None) -> bytes:
    """Make everything fit that is not a signature; with a key, the signatures by it too."""
    entries, verification = document["entries"], document["verification"]
    first = document["export"]["first_seq"] = entries[0]["seq"] if entries else document["export"]["first_seq"]
    document["export"]["entry_count"] = len(entries)
    head: str | None = None
    for seq, entry in enumerate(entries, first):
        prev_hash = head or (GENESIS if seq == 1 else entry["prev_hash"])
        entry["seq"], entry["prev_hash"] = seq, prev_hash
        entry["metadata"]["_chain"] |= {"seq": seq, "prev_hash": prev_hash}
        head = entry["hash"] = content_hash(entry)
        if key is not None:
            entry["signature"] = key.sign(head)
            entry["sealed"] |= {"key_id": key.key_id, "signature": None}
    verification["chain_head_hash"] = head or verification["chain_head_hash"]
    by_seq = {entry["seq"]: entry["hash"] for entry in entries}
    verification["checkpoints"] = [
        point | {"hash": by_seq[point["seq"]]} for point in verification["checkpoints"] if point["seq"] in by_seq
    ]
    if key is not None:
        verification["checkpoints"] = []
    return prove(document, key)


def prove(document: Document, key: SigningKey | None = None) -> bytes:
    """Make the proof's digest fit again; with a key, its signature too."""
    lines = [{name: document[name] for name in ("schema_version", "export", "verification")}]
    lines += [[entry["hash"], entry["signature"], entry["sealed"]] for entry in document["entries"]]
    text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":"), sort_keys=True) + "\n" for line in lines)
    document["proof"]["digest"] = hashlib.sha256(text.encode()).hexdigest()
    if key is not None:
        document["proof"]["signature"] = key.sign(document["proof"]["digest"])
    return as_bytes(document)


def some(document: Document, random: Random) -> tuple[int, Document]:
    index = random.randrange(len(document["entries"]))
    return index, document["entries"][index]


def other(value: object, random: Random) -> object:
    """Something of the same type, but not the same."""
    if isinstance(value, str):
        return value[:-1] + random.choice("abcxyz0189" if value[-1:] != "0" else "abcxyz189") if value else "x"
    if isinstance(value, bool) or value is None:
        return "x"
    if isinstance(value, int):
        return value + random.choice([-1, 1, 1000])
    if isinstance(value, list):
        return [*value, "x"]
    return {**value, "x": 1} if isinstance(value, dict) else "x"


def change_some_value(entry: Document, random: Random) -> None:
    name = random.choice(["user_id", "action", "entity_id", "metadata", "ip_address", "phi_disposition"])
    before = entry[name]
    while entry[name] == before:
        entry[name] = other(before, random)


# ---- without a key: entries ------------------------------------------------------------------------------------------


@tamper("an entry is edited")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    change_some_value(some(document, random)[1], random)
    return random.choice([as_bytes, prove])(document)


@tamper("an entry is edited and its hash made to fit")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    _, entry = some(document, random)
    change_some_value(entry, random)
    entry["hash"] = content_hash(entry)
    return random.choice([as_bytes, prove])(document)


@tamper("an entry is edited and all hashes made to fit")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    change_some_value(some(document, random)[1], random)
    return cover(document)


@tamper("the instant of an entry is edited")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    _, entry = some(document, random)
    at = datetime.fromisoformat(entry["created_at"]) + timedelta(microseconds=random.choice([-1, 1, 10**6]))
    entry["created_at"] = canonical_time(at)
    return random.choice([as_bytes, cover])(document)


@tamper("an entry in the middle is dropped")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    del document["entries"][random.randrange(1, len(document["entries"]) - 1)]
    document["export"]["entry_count"] -= random.choice([0, 1])
    return random.choice([as_bytes, prove])(document)


@tamper("an entry in the middle is dropped and all made to fit")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    del document["entries"][random.randrange(1, len(document["entries"]) - 1)]
    return cover(document)


@tamper("the last entries are dropped")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    del document["entries"][random.randrange(1, len(document["entries"])) :]
    document["export"]["entry_count"] = random.choice([document["export"]["entry_count"], len(document["entries"])])
    return random.choice([as_bytes, prove, cover])(document)


@tamper("the first entries are dropped")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    del document["entries"][: random.randrange(1, len(document["entries"]))]
    return random.choice([as_bytes, prove, cover])(document)


@tamper("all entries are dropped")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    document["entries"] = []
    document["export"]["entry_count"] = 0
    return random.choice([as_bytes, prove, cover])(document)


@tamper("two entries change places")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    one, two = random.sample(range(len(document["entries"])), 2)
    entries = document["entries"]
    entries[one], entries[two] = entries[two], entries[one]
    return random.choice([as_bytes, prove])(document)


@tamper("two entries change places and all is made to fit")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    entries = document["entries"]
    one, two = random.sample(range(len(entries)), 2)
    entries[one], entries[two] = entries[two], entries[one]
    entries[0]["seq"] = document["export"]["first_seq"]
    return cover(document)


@tamper("an entry comes twice")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    index, entry = some(document, random)
    document["entries"].insert(random.randint(index, len(document["entries"])), deepcopy(entry))
    return random.choice([as_bytes, prove, cover])(document)


@tamper("a made-up entry is inserted")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    index, entry = some(document, random)
    forged = deepcopy(entry) | {"action": "api_key.revoked"}
    forged["metadata"]["_chain"]["id"] = f"01JQ{random.randrange(10**12):022}"
    document["entries"].insert(index + 1, forged)
    return cover(document)


@tamper("a made-up entry is appended")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    forged = deepcopy(document["entries"][-1])
    forged["metadata"]["_chain"]["id"] = f"01JQ{random.randrange(10**12):022}"
    document["entries"].append(forged)
    return random.choice([as_bytes, prove, cover])(document)


@tamper("the end is of another history under the same keys")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    twin = make_log(random, length=len(sample.log.entries), eras=len(sample.log.keys))
    forked = json.loads(write_export(twin, first=sample.first, last=sample.last))
    cut = random.randrange(1, len(document["entries"]))
    document["entries"][cut:] = forked["entries"][cut:]
    if random.random() < 0.5:
        document["verification"] |= {"chain_head_hash": forked["verification"]["chain_head_hash"], "checkpoints": []}
    return random.choice([as_bytes, prove])(document)


# ---- without a key: signatures and header ----------------------------------------------------------------------------


@tamper("a signature is edited")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    _, entry = some(document, random)
    raw = bytearray(base64.b64decode(entry["signature"].removeprefix("ed25519:")))
    raw[random.randrange(64)] ^= 1 << random.randrange(8)
    entry["signature"] = "ed25519:" + base64.b64encode(raw).decode()
    return random.choice([as_bytes, prove])(document)


@tamper("a signature is written otherwise")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    _, entry = some(document, random)
    text: str = entry["signature"]
    last = base64.b64encode(base64.b64decode(text[8:])).decode()[-3]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    twin = alphabet[alphabet.index(last) ^ random.randrange(1, 16)]
    entry["signature"] = random.choice(
        [text[8:], text.upper(), text.rstrip("="), text + "\n", f"{text[:-3]}{twin}==", "ed25519:", ""]
    )
    return random.choice([as_bytes, prove])(document)


@tamper("two signatures change places")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    one, two = random.sample(document["entries"], 2)
    one["signature"], two["signature"] = two["signature"], one["signature"]
    return random.choice([as_bytes, prove])(document)


@tamper("a sealing is edited")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    sealed = some(document, random)[1]["sealed"]
    at = datetime.fromisoformat(sealed["at"]) + timedelta(seconds=random.choice([-1, 1, 3600, -3600]))
    edits: list[Document] = [
        {"at": canonical_time(at)},
        {"key_id": sample.log.keys[0].key_id if sealed["signature"] is None else sample.log.keys[-1].key_id},
        {"key_id": "0" * 32},
        {"signature": other(sealed["signature"], random)},
    ]
    before = dict(sealed)
    while sealed == before:
        sealed |= random.choice(edits)
    return random.choice([as_bytes, prove])(document)


def leaves(value: Any) -> Iterator[tuple[Any, Any]]:
    for key in value if isinstance(value, dict) else range(len(value)):
        if isinstance(value[key], dict | list) and value[key]:
            yield from leaves(value[key])
        else:
            yield value, key


@tamper("a field of the header is edited")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    part = random.choice(["export", "verification", "proof"])
    holder, name = random.choice(list(leaves(document[part])))
    before = holder[name]
    while holder[name] == before:
        holder[name] = other(before, random)
    return random.choice([as_bytes, prove])(document) if part != "proof" else as_bytes(document)


@tamper("a field of the header is removed, added or of another type")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    holder, name = random.choice(list(leaves({part: document[part] for part in ("export", "verification", "proof")})))
    if random.random() < 0.4:
        del holder[name]
    elif random.random() < 0.5 and isinstance(holder, dict):
        holder["note"] = "x"
    else:
        holder[name] = random.choice([7, True, [], {"a": 1}])
    return as_bytes(document)


@tamper("a part is removed, doubled or moved")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    part = random.choice(list(document))
    if random.random() < 0.5:
        del document[part]
        return as_bytes(document)
    text = as_bytes(document).decode()
    return f'{text[:-1]}, "{part}": {json.dumps(document[part])}}}'.encode()


@tamper("a checkpoint is edited or removed")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    points = document["verification"]["checkpoints"]
    if not points:
        points.append({"seq": sample.last, "hash": "0" * 64, "at": document["export"]["exported_at"],
                       "key_id": sample.log.keys[-1].key_id, "signature": "ed25519:"})  # fmt: skip
        return prove(document)
    index = random.randrange(len(points))
    if random.random() < 0.3:
        del points[index]
    else:
        name = random.choice(list(points[index]))
        points[index][name] = other(points[index][name], random)
    return random.choice([as_bytes, prove])(document)


# ---- with a key, but not the one ------------------------------------------------------------------------------------


def forged_by(key: SigningKey, sample: Sample, random: Random, *, key_id: str | None = None) -> bytes:
    """The whole export with an edit, rewritten from there and signed by `key`, which says it is `key_id`."""
    document = sample.document
    change_some_value(some(document, random)[1], random)
    document["verification"] |= {"key_id": key_id or key.key_id, "public_key_pem": key.public_key_pem}
    document["verification"]["keys"].append(
        document["verification"]["keys"][-1] | {"key_id": key.key_id, "public_key_pem": key.public_key_pem}
    )
    cover(document, key)
    for entry in document["entries"]:
        entry["sealed"]["key_id"] = key_id or key.key_id
    return prove(document, key)


@tamper("all is signed again by an unknown key")
def _(sample: Sample, random: Random) -> bytes:
    return forged_by(signing_key(random.randrange(1000, 10**6)), sample, random)


@tamper("all is signed again by an unknown key under a published id")
def _(sample: Sample, random: Random) -> bytes:
    return forged_by(signing_key(random.randrange(1000, 10**6)), sample, random, key_id=sample.log.keys[-1].key_id)


@tamper("all is signed again by a retired key")
def _(sample: Sample, random: Random) -> bytes:
    return forged_by(sample.log.keys[0], sample, random)


@tamper("an entry is signed again by a retired key")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    _, entry = some(document, random)
    old = sample.log.keys[0]
    if random.random() < 0.5:
        change_some_value(entry, random)
        entry["hash"] = content_hash(entry)
    entry["signature"] = old.sign(entry["hash"])
    return random.choice([as_bytes, prove])(document)


@tamper("one who holds a retired key seals under it after its time")
def _(sample: Sample, random: Random) -> bytes:
    old = sample.log.keys[0]
    late = [replace(each, key_id=old.key_id, signature=old.sign(each.seal.hash)) for each in sample.log.entries]
    log = replace(sample.log, entries=late, checkpoints=[])
    return write_export(log, first=sample.first, last=len(late)).encode()


@tamper("a key is revoked")
def _(sample: Sample, random: Random) -> bytes:
    key = random.choice([sample.document["verification"]["key_id"], sample.document["entries"][0]["sealed"]["key_id"]])
    for published in sample.keys["keys"]:
        if published["key_id"] == key:
            published["status"] = "revoked"
    return sample.text.encode()


# ---- another organisation -------------------------------------------------------------------------------------------


@tamper("the export is said to be another organisation's")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    document["export"]["tenant_id"] = f"01JQ{random.randrange(10**12):022}"
    return random.choice([as_bytes, prove])(document)


@tamper("an entry is another organisation's, under the same key")
def _(sample: Sample, random: Random) -> bytes:
    index = random.randrange(sample.first - 1, sample.last)
    foreign = replace(sample.log.entries[index].entry, org="01JQ0000000000000000000009")
    document = json.loads(write_export(rewritten(sample.log, {index: {}}), first=sample.first, last=sample.last))
    entry = document["entries"][index - sample.first + 1]
    entry["org_id"] = foreign.org
    return cover(document, sample.log.keys[-1])


@tamper("the export is of another organisation than the keys")
def _(sample: Sample, random: Random) -> bytes:
    sample.keys["tenant_id"] = "01JQ0000000000000000000009"
    return sample.text.encode()


# ---- whoever seals has a bad clock, or writes an id twice -----------------------------------------------------------


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
    bounds = random.choice([{"start": entry.at + hour, "end": entry.at + 9 * ERA}, {"end": entry.at - hour}])
    return write_export(sample.log, first=sample.first, last=sample.last, **bounds).encode()


@tamper("an id comes twice")
def _(sample: Sample, random: Random) -> bytes:
    one, two = random.sample(range(sample.first - 1, sample.last), 2)
    log = rewritten(sample.log, {one: {"id": sample.log.entries[two].entry.id}})
    return write_export(log, first=sample.first, last=sample.last).encode()


# ---- types and text -------------------------------------------------------------------------------------------------


@tamper("a field of an entry is of another type")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    _, entry = some(document, random)
    name = random.choice(list(entry))
    entry[name] = random.choice([value for value in (7, 1.5, True, [], {}, "") if value != entry[name]])
    return random.choice([as_bytes, prove])(document)


@tamper("an entry lacks a field or has one more")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    _, entry = some(document, random)
    holder = random.choice([entry, entry["sealed"], entry["metadata"]["_chain"]])
    if random.random() < 0.5:
        del holder[random.choice(list(holder))]
    else:
        holder["note"] = "x"
    return as_bytes(document)


@tamper("an entry is no object")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    document["entries"][some(document, random)[0]] = random.choice([None, 1, "x", [], {}, True])
    return as_bytes(document)


@tamper("the text is hostile JSON")
def _(sample: Sample, random: Random) -> bytes:
    planted = random.choice(
        [
            *('"x":1,"x":1', '"x":NaN', '"x":Infinity', '"x":1.5', '"x":1e3', '"x":"\\ud800"', '"x":"\\udc00"'),
            *(f'"x":{"[" * 200}{"]" * 200}', f'"x":{"[" * 100_000}', f'"x":{"9" * 5000}'),
            *('"x":01', "'x':1", '"x":\u0000'),
        ]
    )
    start = random.choice(["{", '"metadata":{', '"export":{', '"verification":{', '"sealed":{', '"proof":{'])
    at = random.choice([i for i in range(len(sample.text)) if sample.text.startswith(start, i)]) + len(start)
    return f"{sample.text[:at]}{planted},{sample.text[at:]}".encode()


@tamper("a key comes twice")
def _(sample: Sample, random: Random) -> bytes:
    name = random.choice(["action", "org_id", "hash", "seq", "entry_count", "key_id", "digest", "at", "_chain"])
    places = [i for i in range(len(sample.text)) if sample.text.startswith(f'"{name}":', i)]
    at = random.choice(places)
    return f'{sample.text[:at]}"{name}":null,{sample.text[at:]}'.encode()


@tamper("the file is cut off or goes on")
def _(sample: Sample, random: Random) -> bytes:
    data = sample.text.encode()
    return random.choice([data[: random.randrange(len(data) - 1)], data + b"x", data + data, b"\xef\xbb\xbf" + data])


@tamper("a byte is changed")
def _(sample: Sample, random: Random) -> bytes:
    data = bytearray(sample.text.encode())
    while True:
        changed = bytearray(data)
        changed[random.randrange(len(data))] = random.randrange(256)
        try:
            if json.loads(changed) != sample.document:
                return bytes(changed)
        except ValueError:
            return bytes(changed)


@tamper("the numbering is moved")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    by = random.choice([1, 5])
    document["export"]["first_seq"] += by
    for entry in document["entries"]:
        entry["seq"] += by
        entry["metadata"]["_chain"]["seq"] += by
    return random.choice([as_bytes, cover])(document)


@tamper("what a checkpoint covers is named otherwise")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    key = sample.log.keys[-1]
    entry = document["entries"][-1]
    at = document["export"]["exported_at"]
    fields = {"kind": "checkpoint", "org_id": sample.log.org, "seq": entry["seq"], "hash": "ab" * 32, "at": at}
    point = {"seq": entry["seq"], "hash": "ab" * 32, "at": at, "key_id": key.key_id}
    document["verification"]["checkpoints"].append(point | {"signature": key.sign(canonical_hash(fields))})
    return prove(document, key)
