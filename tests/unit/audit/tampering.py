"""Ways to tamper with an export. Each takes a fresh copy of an honest one and returns the bytes of a bad one.

Those under "without a key" do all that arithmetic allows to cover the traces: hashes, links, counts
and digests are made to fit again. Signatures cannot be.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from gateway.audit import GENESIS
from gateway.audit.chain import content_hash
from gateway.audit.signing import SigningKey
from tests.unit.audit.exports import Log, as_bytes

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


def other(value: Any, random: Random) -> Any:
    """Something of the same type, but not the same."""
    if isinstance(value, str):
        return value[:-1] + random.choice([letter for letter in "abcxyz0189" if letter != value[-1:]])
    if isinstance(value, bool) or value is None:
        return "x"
    if isinstance(value, int):
        return value + random.choice([-1, 1, 1000])
    if isinstance(value, list):
        return [*value, "x"]
    return dict(value, x=1)


def change_some_value(entry: Document, random: Random) -> None:
    name = random.choice(["user_id", "action", "entity_id", "metadata", "ip_address", "phi_disposition"])
    before = entry[name]
    while entry[name] == before:
        entry[name] = other(before, random)
