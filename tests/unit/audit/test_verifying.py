"""What the verifier says: the first bad entry, by its place, and why."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from gateway.audit import Flaw, Seal, seal_hash
from gateway.audit.checkpoints import sign_checkpoint
from gateway.audit.envelope import EnvelopeWriter, Extract, SealedEntry
from gateway.audit.export_format import UnreadableError, read_keys
from gateway.audit.signing import KeyStatus, PublishedKey
from gateway.audit.verdicts import ExportVerdict, FlawError
from gateway.audit.verifying import verify_export
from gateway.ids import AuditEntryId
from tests.unit.audit.exports import BEGIN, ERA, ORG, as_bytes, keys_document, make_log, signing_key, write_export

LOG = make_log(Random(1), length=9, eras=3)
DAMAGE: dict[str, tuple[Callable[[dict[str, Any]], object], Flaw, int | None]] = {
    "an edited entry": (lambda export: export["entries"][2].update(action="x"), Flaw.CHANGED, 4),
    "an edit with its hash": (lambda export: export["entries"][2].update(hash="ab" * 32), Flaw.CHANGED, 4),
    "a dropped entry": (lambda export: export["entries"].pop(2), Flaw.MISSING, 4),
    "a dropped first entry": (lambda export: export["entries"].pop(0), Flaw.MISSING, 2),
    "a dropped last entry": (lambda export: export["entries"].pop(), Flaw.TRUNCATED, 8),
    "swapped entries": (lambda export: export["entries"].insert(1, export["entries"].pop(3)), Flaw.MISSING, 3),
    "an entry twice": (lambda export: export["entries"].insert(3, export["entries"][2]), Flaw.FORKED, 5),
    "an entry again later": (lambda export: export["entries"].insert(5, export["entries"][2]), Flaw.MOVED, 7),
    "one entry more": (lambda export: export["entries"].append(export["entries"][0]), Flaw.TRUNCATED, 9),
    "a stale signature": (
        lambda export: export["entries"][3].update(signature=export["entries"][2]["signature"]),
        Flaw.MISSIGNED,
        5,
    ),
    "a stale signature, and a later edit": (
        lambda export: (
            export["entries"][3].update(signature=export["entries"][2]["signature"]),
            export["entries"][5].update(action="x"),
        ),
        Flaw.MISSIGNED,
        5,
    ),
    "a float": (lambda export: export["entries"][2]["metadata"].update(x=1.5), Flaw.MALFORMED, 4),
    "a missing field": (lambda export: export["entries"][2].pop("ip_address"), Flaw.MALFORMED, 4),
    "an unknown field": (lambda export: export["entries"][2].update(note=1), Flaw.MALFORMED, 4),
    "another head": (lambda export: export["verification"].update(chain_head_hash="ab" * 32), Flaw.TRUNCATED, 9),
    "another tenant": (lambda export: export["export"].update(tenant="x"), Flaw.UNPROVEN, None),
    "no proof": (lambda export: export.pop("proof"), Flaw.UNPROVEN, None),
    "another key": (lambda export: export["verification"].update(key_id="0" * 32), Flaw.MISSIGNED, None),
}


def judged(export: bytes, keys: object = None) -> ExportVerdict:
    return verify_export(io.BytesIO(export), keys=read_keys(keys or keys_document(LOG)))


def flaw_of(export: bytes, keys: object = None) -> FlawError:
    flaw = judged(export, keys).flaw
    assert flaw is not None
    return flaw


@pytest.mark.parametrize("damage", DAMAGE)
def test_the_first_bad_entry_is_named_with_the_flaw(damage: str) -> None:
    export = json.loads(write_export(LOG, first=2, last=8))
    act, kind, seq = DAMAGE[damage]
    act(export)

    flaw = flaw_of(as_bytes(export))

    assert (flaw.flaw, flaw.seq) == (kind, seq)


def test_the_bad_entrys_id_is_given_where_it_can_be_believed_to_be_one() -> None:
    export = json.loads(write_export(LOG, first=1, last=9))
    export["entries"][4]["action"] = "x"
    assert flaw_of(as_bytes(export)).entry_id == LOG.entries[4].entry.id

    export["entries"][4]["metadata"]["_chain"]["id"] = "\x1b[2J"
    assert flaw_of(as_bytes(export)).entry_id is None


def test_without_published_keys_the_verdict_says_so() -> None:
    stranger = make_log(Random(3), length=3, seed=77)
    export = write_export(stranger, first=1, last=3).encode()

    verdict = verify_export(io.BytesIO(export))

    assert (verdict.flaw, verdict.keys_published) == (None, False)
    assert flaw_of(export).flaw is Flaw.MISSIGNED


def test_a_sealing_key_that_was_revoked_since_is_named_with_its_first_entry() -> None:
    flaw = flaw_of(write_export(LOG, first=1, last=9).encode(), keys_document(LOG, _1="revoked"))

    assert (flaw.flaw, flaw.seq) == (Flaw.MISSIGNED, 4)
    assert "revoked" in flaw.reason


def test_a_retired_key_without_its_end_was_retired_by_its_successor() -> None:
    keys = keys_document(LOG)
    for key in keys["keys"]:
        key["retired_at"] = None

    assert judged(write_export(LOG, first=1, last=9).encode(), keys).flaw is None


def test_a_checkpoint_of_an_entry_beyond_the_end_shows_that_it_was_cut() -> None:
    beyond = sign_checkpoint(LOG.keys[-1], ORG, seq=9, head="ab" * 32, at=LOG.entries[8].sealed_at)

    flaw = flaw_of(write_export(LOG, first=1, last=7, checkpoints=[beyond]).encode())

    assert (flaw.flaw, flaw.seq) == (Flaw.TRUNCATED, 8)


def test_a_checkpoint_of_another_history_shows_the_fork() -> None:
    other = sign_checkpoint(LOG.keys[-1], ORG, seq=5, head="ab" * 32, at=LOG.entries[8].sealed_at)

    flaw = flaw_of(write_export(LOG, first=1, last=7, checkpoints=[other]).encode())

    assert (flaw.flaw, flaw.seq) == (Flaw.FORKED, 5)


@pytest.mark.parametrize(
    "export",
    [
        *(b"", b"{", b"[]", b"null", b'{"entries":[]}', b"\xff\xfe", b'{"a":1}', b'{"schema_version":"1.0"}'),
        *(b'{"schema_version":"2.0","export":{},"verification":{},"entries":[]}', b"[" * 10**6),
        write_export(LOG, first=1, last=9).encode()[:-200],
        write_export(LOG, first=1, last=9).encode() + b"{}",
        write_export(LOG, first=1, last=9).replace('"1.0"', '"1.0","schema_version":"1.0"').encode(),
    ],
)
def test_what_is_no_export_cannot_be_read(export: bytes) -> None:
    with pytest.raises(UnreadableError):
        judged(export)


@pytest.mark.parametrize("keys", [None, [], {}, {"tenant_id": ORG}, {"tenant_id": ORG, "keys": [{"key_id": "x"}]}])
def test_what_is_no_document_of_keys_cannot_be_read(keys: object) -> None:
    with pytest.raises(UnreadableError):
        read_keys(keys)


def test_a_thousand_signatures_and_more_are_checked_as_well() -> None:
    key, entries = signing_key(1), list[SealedEntry]()
    head = "0" * 64
    for seq in range(1, 2302):
        entry = replace(LOG.entries[0].entry, id=AuditEntryId(f"01JQ{seq:022}"), at=BEGIN)
        seal = Seal(seq, head, seal_hash(entry, seq=seq, prev_hash=head))
        head = seal.hash
        entries.append(SealedEntry(entry, seal, BEGIN, key.key_id, key.sign(head if seq != 1500 else "0" * 64)))
    published = PublishedKey(key.key_id, key.public_key_pem, BEGIN, KeyStatus.ACTIVE)
    extract = Extract(ORG, "T", BEGIN, BEGIN, BEGIN + ERA, None, 1, len(entries), head, [published])
    writer = EnvelopeWriter(extract, key)
    export = "".join([writer.head(), *map(writer.entry, entries), writer.tail()])

    flaw = verify_export(io.BytesIO(export.encode())).flaw

    assert flaw is not None
    assert (flaw.flaw, flaw.seq) == (Flaw.MISSIGNED, 1500)


def test_a_writer_refuses_entries_that_are_not_the_extracts() -> None:
    with pytest.raises(ValueError, match="not the next one"):
        write_export(LOG, first=2, last=5, first_seq=1)
    with pytest.raises(ValueError, match="not all written"):
        write_export(LOG, first=2, last=5, entry_count=5)
    with pytest.raises(ValueError, match="exporter's key"):
        write_export(LOG, first=2, last=5, keys=[])


def test_half_a_surrogate_pair_is_no_text_of_an_entry() -> None:
    export = json.loads(write_export(LOG, first=2, last=8))
    export["entries"][2]["sealed"]["signature"] = "\ud800"

    flaw = flaw_of(json.dumps(export).encode())

    assert (flaw.flaw, flaw.seq) == (Flaw.MALFORMED, 4)


def test_half_a_surrogate_pair_in_the_header_cannot_be_read() -> None:
    export = json.loads(write_export(LOG, first=2, last=8))
    export["verification"]["keys"][0]["note"] = "\ud800"

    with pytest.raises(UnreadableError):
        judged(json.dumps(export).encode())
