"""With a key that is not the one, or for another organisation."""

import json
from dataclasses import replace
from random import Random

from gateway.audit.chain import content_hash
from gateway.audit.signing import SigningKey
from tests.unit.audit.exports import as_bytes, signing_key, write_export
from tests.unit.audit.tampering import Sample, change_some_value, cover, prove, some, tamper
from tests.unit.audit.tampers.sealers import rewritten


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
