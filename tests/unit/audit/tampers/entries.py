"""Without a key: entries."""

import json
from copy import deepcopy
from datetime import datetime, timedelta
from random import Random

from gateway.audit import canonical_time
from gateway.audit.chain import content_hash
from tests.unit.audit.exports import as_bytes, make_log, write_export
from tests.unit.audit.tampering import Document, Sample, change_some_value, cover, prove, some, tamper


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
    forged: Document = deepcopy(entry) | {"action": "api_key.revoked"}
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
