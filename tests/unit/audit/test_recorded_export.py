"""An export that the published verifier accepted, held byte for byte: what others read stays what we write.

`record.py` says how it was made, and what another one has to pass.
"""

import io
import json
from base64 import b64decode
from datetime import datetime
from typing import Any

import pytest

from gateway.audit import AuditEntry, Seal
from gateway.audit.checkpoints import Anchor, Checkpoint
from gateway.audit.envelope import EnvelopeWriter, Extract, SealedEntry
from gateway.audit.export_format import read_keys
from gateway.audit.signing import KeyStatus, PublishedKey
from gateway.audit.verifying import verify_export
from gateway.ids import AuditEntryId, OrganizationId
from gateway.timestamps.stamps import Authorities
from tests.unit.audit.exports import signing_key
from tests.unit.audit.record import RECORDED
from tests.unit.audit.referee import is_sound

TEXT = (RECORDED / "export.json").read_text()
KEYS = json.loads((RECORDED / "keys.json").read_text())


@pytest.fixture
def export() -> dict[str, Any]:
    return json.loads(TEXT)


def time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def sealed(written: dict[str, Any]) -> SealedEntry:
    metadata = dict(written["metadata"])
    chain = metadata.pop("_chain")
    entry = AuditEntry(
        id=AuditEntryId(chain["id"]),
        org=OrganizationId(written["org_id"]),
        action=written["action"],
        at=time(written["created_at"]),
        entity_type=written["entity_type"],
        entity_id=written["entity_id"],
        actor=written["user_id"],
        ip_address=written["ip_address"],
        metadata=metadata,
        phi=written["phi_disposition"],
        subject_type=written["subject_type"],
        subject_id_hmac=written["subject_id_hmac"],
    )
    seal, by = Seal(written["seq"], written["prev_hash"], written["hash"]), written["sealed"]
    return SealedEntry(entry, seal, time(by["at"]), by["key_id"], by["signature"] or written["signature"])


def extract(export: dict[str, Any]) -> Extract:
    about, proof = export["export"], export["verification"]
    org, first = OrganizationId(about["tenant_id"]), about["first_seq"]
    return Extract(
        org=org,
        tenant=about["tenant"],
        start=time(about["range"]["from"]),
        end=time(about["range"]["to"]),
        exported_at=time(about["exported_at"]),
        exported_by=about["exported_by"],
        first_seq=first,
        entry_count=about["entry_count"],
        head=proof["chain_head_hash"],
        keys=[_key(key) for key in proof["keys"]],
        checkpoints=[
            Checkpoint(org, each["seq"], each["hash"], time(each["at"]), each["key_id"], each["signature"])
            for each in proof["checkpoints"]
        ],
        anchors=[
            Anchor(
                first + each["checkpoint_after_entry"] - 1,
                each["anchored_data"],
                b64decode(each["tsa_tsr_base64"]),
                time(each["anchored_at"]),
                each["tsa_url"],
                each["tsa_cacert_url"],
            )
            for each in proof["tsa_anchor_chain"]
        ],
        keys_url=proof["keys_url"],
    )


def _key(key: dict[str, Any]) -> PublishedKey:
    retired_at = key["retired_at"] and time(key["retired_at"])
    return PublishedKey(
        key["key_id"], key["public_key_pem"], time(key["published_at"]), KeyStatus(key["status"]), retired_at
    )


def test_the_same_log_is_still_written_the_same(export: dict[str, Any]) -> None:
    writer = EnvelopeWriter(extract(export), signing_key(2))

    assert "".join([writer.head(), *(writer.entry(sealed(each)) for each in export["entries"]), writer.tail()]) == TEXT


def test_it_is_still_sound() -> None:
    authorities = Authorities.from_pem((RECORDED / "authority.pem").read_bytes())

    verdict = verify_export(io.BytesIO(TEXT.encode()), keys=read_keys(KEYS), authorities=authorities)

    assert (verdict.flaw, verdict.time_stamps_verified) == (None, 2)
    assert is_sound(TEXT.encode(), KEYS)
