"""A second judge of exports, written from docs/audit-export.md alone: plain, slow, no code shared with the product.

It says only whether an export is sound, not which entry is bad.
"""

import base64
import functools
import hashlib
import json
import re
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_public_key

HEX = re.compile(r"[0-9a-f]{64}")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")
QUARTER_S = 900.0
TWELVE = [
    *("user_id", "org_id", "project_id", "action", "entity_type", "entity_id"),
    *("metadata", "ip_address", "created_at", "phi_disposition", "subject_type", "subject_id_hmac"),
]
NEVER_NULL = {"org_id", "action", "metadata", "created_at"}


class UnsoundError(Exception):
    pass


def is_sound(export: bytes, keys: Any) -> bool:
    """`keys`: the published document, already parsed."""
    try:
        judge(parse(export), keys)
    except (
        UnsoundError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
        InvalidSignature,
    ):
        return False
    return True


def need(fact: object) -> None:
    if not fact:
        raise UnsoundError


def is_a(kind: type, value: Any) -> bool:
    return isinstance(value, kind)


def parse(export: bytes) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        need(len({name for name, _ in pairs}) == len(pairs))
        return dict(pairs)

    def never(_: str) -> None:
        raise UnsoundError

    return json.loads(export.decode(), object_pairs_hook=once, parse_float=never, parse_constant=never)


def canonical(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def seconds(text: Any) -> float:
    need(isinstance(text, str) and INSTANT.fullmatch(text))
    epoch = datetime.fromisoformat("2000-01-01T00:00:00+00:00")
    return (datetime.fromisoformat(text) - epoch).total_seconds()


def has_fields(value: Any, names: str) -> None:
    need(is_a(dict, value) and set(value) == set(names.split()))


@functools.lru_cache(maxsize=100_000)
def signed(pem: str, signature: str, digest: str) -> bool:
    need(signature.startswith("ed25519:"))
    raw = base64.b64decode(signature[8:], validate=True)
    need(signature == "ed25519:" + base64.b64encode(raw).decode())
    load_pem_public_key(pem.encode()).verify(raw, digest.encode())  # type: ignore[call-arg,union-attr]  # pyright: ignore
    return True


@functools.lru_cache(maxsize=1000)
def material(pem: str) -> bytes:
    return load_pem_public_key(pem.encode()).public_bytes_raw()  # type: ignore[union-attr]  # pyright: ignore


def usable(keys: list[Any], key_id: str, when: float) -> str:
    """The material of key `key_id`, which must have been allowed to sign at `when`."""
    (key,) = [key for key in keys if key["key_id"] == key_id]
    need(key["status"] in {"active", "retired"})
    born = seconds(key["published_at"])
    need(when > born - QUARTER_S or when == born - QUARTER_S)
    if key["status"] == "retired":
        ends = [seconds(other["published_at"]) for other in keys if seconds(other["published_at"]) > born]
        end = seconds(key["retired_at"]) if key.get("retired_at") else min(ends)
        need(when <= end + QUARTER_S)
    return key["public_key_pem"]


def judge(document: Any, published: Any) -> None:
    has_fields(document, "schema_version export verification entries proof")
    export, verification, entries = document["export"], document["verification"], document["entries"]
    header(document, export, verification)
    need(list(document).index("entries") == 3 and list(document)[4] == "proof")
    need(published["tenant_id"] == export["tenant_id"])
    keys = published["keys"]
    made = seconds(export["exported_at"])
    pem = usable(keys, verification["key_id"], made)
    need(material(pem) == material(verification["public_key_pem"]))
    for brought in verification["keys"]:
        need(all(material(k["public_key_pem"]) == material(brought["public_key_pem"])
                 for k in keys if k["key_id"] == brought["key_id"]))  # fmt: skip
    chain(export, verification, entries)
    times(export, entries)
    for entry in entries:
        sealing(entry, keys, verification["key_id"], pem)
    checkpoints(export, verification, entries, keys)
    has_fields(document["proof"], "digest signature")
    lines = [{name: document[name] for name in ("schema_version", "export", "verification")}]
    lines += [[entry["hash"], entry["signature"], entry["sealed"]] for entry in entries]
    need(document["proof"]["digest"] == sha256(b"".join(canonical(line) + b"\n" for line in lines)))
    need(signed(pem, document["proof"]["signature"], document["proof"]["digest"]))


def header(document: Any, export: Any, verification: Any) -> None:
    need(document["schema_version"] == "1.0" and verification["algo"] == "ed25519")
    has_fields(export, "tenant tenant_id range exported_at exported_by entry_count first_seq")
    has_fields(export["range"], "from to")
    need(isinstance(export["tenant"], str) and isinstance(export["tenant_id"], str))
    need(export["exported_by"] is None or isinstance(export["exported_by"], str))
    need(type(export["entry_count"]) is int and type(export["first_seq"]) is int and export["first_seq"] >= 1)
    optional = {"keys_url", "instructions"} & set(verification)
    names = "algo key_id public_key_pem key_published_at chain_head_hash tsa_anchor_chain keys checkpoints"
    has_fields(verification, " ".join([names, *optional]))
    need(HEX.fullmatch(verification["chain_head_hash"]) and type(verification["key_id"]) is str)
    seconds(verification["key_published_at"])
    for name in ("tsa_anchor_chain", "keys", "checkpoints"):
        need(isinstance(verification[name], list))


def chain(export: Any, verification: Any, entries: Any) -> None:
    need(is_a(list, entries) and len(entries) == export["entry_count"])
    head = "0" * 64 if export["first_seq"] == 1 else None
    for place, entry in enumerate(entries, export["first_seq"]):
        has_fields(entry, " ".join([*TWELVE, "seq prev_hash hash signature sealed"]))
        for name in set(TWELVE) - {"metadata"}:
            need(isinstance(entry[name], str) or (name not in NEVER_NULL and entry[name] is None))
        need(type(entry["seq"]) is int and entry["seq"] == place and entry["action"])
        need(HEX.fullmatch(entry["prev_hash"]) and head in {None, entry["prev_hash"]})
        need(entry["org_id"] == export["tenant_id"])
        link = entry["metadata"]["_chain"]
        has_fields(link, "id seq prev_hash")
        need(type(link["seq"]) is int and [link["seq"], link["prev_hash"]] == [place, entry["prev_hash"]])
        head = sha256(canonical([entry[name] for name in TWELVE]))
        need(entry["hash"] == head)
    need(head in {None, verification["chain_head_hash"]})
    ids = [entry["metadata"]["_chain"]["id"] for entry in entries]
    need(len(set(ids)) == len(ids) and all(re.fullmatch("[0-7][0-9A-HJKMNP-TV-Z]{25}", each) for each in ids))


def times(export: Any, entries: Any) -> None:
    written = [seconds(entry["created_at"]) for entry in entries]
    sealed = [seconds(entry["sealed"]["at"]) for entry in entries]
    start, end, made = map(seconds, (export["range"]["from"], export["range"]["to"], export["exported_at"]))
    for at, (mine, seal) in enumerate(zip(written, sealed, strict=True)):
        need(mine >= max(written[: at + 1]) - QUARTER_S and seal >= max(sealed[: at + 1]) - QUARTER_S)
        need(seal >= mine - QUARTER_S and made >= seal - QUARTER_S)
        need(start - QUARTER_S <= mine <= end + QUARTER_S)


def sealing(entry: Any, keys: list[Any], export_key: str, pem: str) -> None:
    has_fields(entry["sealed"], "at key_id signature")
    sealer = usable(keys, entry["sealed"]["key_id"], seconds(entry["sealed"]["at"]))
    need(signed(pem, entry["signature"], entry["hash"]))
    if entry["sealed"]["key_id"] == export_key:
        need(entry["sealed"]["signature"] is None)
    else:
        need(signed(sealer, entry["sealed"]["signature"], entry["hash"]))


def checkpoints(export: Any, verification: Any, entries: Any, keys: list[Any]) -> None:
    by_place = {entry["seq"]: entry for entry in entries}
    for point in verification["checkpoints"]:
        has_fields(point, "seq hash at key_id signature")
        entry = by_place[point["seq"]]
        need(point["hash"] == entry["hash"] and type(point["seq"]) is int)
        when = seconds(point["at"])
        need(seconds(entry["sealed"]["at"]) - QUARTER_S <= when <= seconds(export["exported_at"]) + QUARTER_S)
        said = {"kind": "checkpoint", "org_id": export["tenant_id"], "seq": point["seq"], "hash": point["hash"]}
        digest = sha256(canonical({**said, "at": point["at"]}))
        need(signed(usable(keys, point["key_id"], when), point["signature"], digest))
    for anchor in verification["tsa_anchor_chain"]:
        place = export["first_seq"] + anchor["checkpoint_after_entry"] - 1
        need(by_place[place]["hash"] == anchor["anchored_data"])
