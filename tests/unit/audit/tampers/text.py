"""Types, and text."""

import json
from random import Random
from typing import Any

from gateway.audit.chain import canonical_hash
from tests.unit.audit.exports import as_bytes
from tests.unit.audit.tampering import Sample, cover, prove, some, tamper


@tamper("a field of an entry is of another type")
def _(sample: Sample, random: Random) -> bytes:
    document = sample.document
    _, entry = some(document, random)
    name = random.choice(list(entry))
    others: list[Any] = [7, 1.5, True, [], {}, ""]
    entry[name] = random.choice([value for value in others if value != entry[name]])
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
    others: list[Any] = [None, 1, "x", [], {}, True]
    document["entries"][some(document, random)[0]] = random.choice(others)
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
