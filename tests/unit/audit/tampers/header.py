"""Without a key: signatures, sealings and the header."""

import base64
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any

from gateway.audit import canonical_time
from tests.unit.audit.exports import as_bytes
from tests.unit.audit.tampering import Document, Sample, other, prove, some, tamper


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
    keys: list[Any] = list(value.keys() if hasattr(value, "keys") else range(len(value)))
    for key in keys:
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
        holder[name] = random.choice([7, True, ["x"], {"a": 1}])
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
