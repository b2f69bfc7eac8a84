"""Checkpoints kept outside: the one thing that whoever holds key and database cannot rewrite."""

import io
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from gateway.audit import Flaw, canonical_time
from gateway.audit.checkpoints import Checkpoint, sign_checkpoint
from gateway.audit.export_format import UnreadableError, read_keys
from gateway.audit.held_checkpoints import read_checkpoint
from gateway.audit.verdicts import ExportVerdict
from gateway.audit.verifying import verify_export
from gateway.ids import OrganizationId
from tests.unit.audit.exports import ORG, Log, keys_document, make_log, write_export

LOG = make_log(Random(1), length=6)
REWRITTEN = make_log(Random(2), length=6)
"""Another history under the same key."""


def kept(log: Log, seq: int, *, org: OrganizationId = ORG, at: datetime | None = None) -> Checkpoint:
    sealed = log.entries[seq - 1]
    return sign_checkpoint(log.keys[-1], org, seq=seq, head=sealed.seal.hash, at=at or sealed.sealed_at)


def judge(held: Checkpoint, *, first: int = 1, last: int = 6, end: datetime | None = None) -> ExportVerdict:
    changes: dict[str, Any] = {"end": end} if end else {}
    export = write_export(LOG, first=first, last=last, **changes).encode()
    return verify_export(io.BytesIO(export), keys=read_keys(keys_document(LOG)), held=[held])


@pytest.mark.parametrize(("seq", "first"), [(1, 1), (6, 1), (3, 4)], ids=["first", "last", "before the first"])
def test_an_export_that_has_what_was_kept_holds(seq: int, first: int) -> None:
    verdict = judge(kept(LOG, seq), first=first)

    assert (verdict.flaw, verdict.checkpoints_compared) == (None, 1)


@pytest.mark.parametrize(("seq", "first"), [(1, 1), (6, 1), (3, 4)], ids=["first", "last", "before the first"])
def test_another_history_under_the_same_key_is_a_fork(seq: int, first: int) -> None:
    verdict = judge(kept(REWRITTEN, seq), first=first)

    assert verdict.flaw is not None
    assert (verdict.flaw.flaw, verdict.flaw.seq) == (Flaw.FORKED, seq)


def test_a_tail_that_was_cut_off_before_the_export_was_made_is_missed() -> None:
    """The export says that it is of all that day, and the checkpoint is of its morning."""
    verdict = judge(kept(LOG, 6), last=4, end=LOG.entries[5].sealed_at + timedelta(hours=1))

    assert verdict.flaw is not None
    assert (verdict.flaw.flaw, verdict.flaw.seq) == (Flaw.TRUNCATED, 5)


@pytest.mark.parametrize(("seq", "first", "last"), [(6, 1, 4), (1, 3, 6)], ids=["after its end", "before its start"])
def test_a_checkpoint_outside_of_the_export_is_passed_over(seq: int, first: int, last: int) -> None:
    verdict = judge(kept(LOG, seq), first=first, last=last)

    assert (verdict.flaw, verdict.checkpoints_compared) == (None, 0)


def test_a_checkpoint_of_another_organisation_is_foreign() -> None:
    verdict = judge(kept(LOG, 2, org=OrganizationId("01JQ0000000000000000000009")))

    assert verdict.flaw is not None
    assert verdict.flaw.flaw is Flaw.FOREIGN


@pytest.mark.parametrize(
    "forged",
    [
        kept(make_log(Random(1), length=6, seed=9), 2),
        kept(LOG, 2, at=LOG.entries[0].sealed_at - timedelta(days=1)),
    ],
    ids=["by an unknown key", "before the key was"],
)
def test_a_checkpoint_that_no_key_could_sign_is_missigned(forged: Checkpoint) -> None:
    verdict = judge(forged)

    assert verdict.flaw is not None
    assert verdict.flaw.flaw is Flaw.MISSIGNED


TOLD = {
    "organization_id": ORG,
    "seq": 2,
    "entry_count": 2,
    "hash": "ab" * 32,
    "at": canonical_time(LOG.entries[1].sealed_at),
    "key_id": "k",
    "signature": "ed25519:",
}


@pytest.mark.parametrize("document", [TOLD, {"type": "audit.checkpoint", "data": TOLD}], ids=["data", "event"])
def test_a_checkpoint_is_read_as_it_was_told(document: object) -> None:
    assert read_checkpoint(document) == Checkpoint(ORG, 2, "ab" * 32, LOG.entries[1].sealed_at, "k", "ed25519:")


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ([], "content"),
        ({}, "organization_id"),
        ({**TOLD, "seq": 0}, "seq"),
        ({**TOLD, "seq": "2"}, "seq"),
        ({**TOLD, "hash": "Quillfeather"}, "hash"),
        ({**TOLD, "at": "yesterday"}, "at"),
        ({"data": {**TOLD, "signature": 1}}, "signature"),
        ({"data": "Quillfeather"}, "data"),
    ],
)
def test_a_file_that_is_no_checkpoint_names_the_field_and_not_the_value(document: object, field: str) -> None:
    with pytest.raises(UnreadableError, match=field) as raised:
        read_checkpoint(document)

    assert "Quillfeather" not in str(raised.value)
