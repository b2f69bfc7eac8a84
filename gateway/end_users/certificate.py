"""The certificate of an erasure: what was done with each class of records, and when the last copy of the key dies.

Signed by the installation's audit key, which is published
(`/trust/keys/{organization}`): a stranger checks it without Hasp. It names the
person by digest alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from pydantic import JsonValue

from gateway.audit.chain import canonical_hash, canonical_time
from gateway.audit.signing import ALGORITHM, SigningKey, is_signed
from gateway.audit.trusted_keys import TrustedKeys
from gateway.end_users.classes import RULES, RecordClass, Rule
from gateway.end_users.erasure import Erasure, Scan

KIND: Final = "end_user.erasure_certificate"
VERSION: Final = "1.0"


@dataclass(frozen=True, slots=True)
class Issue:
    """What a certificate says beside the erasure itself."""

    organization_name: str
    issued_at: datetime
    backup_keep_days: int
    keys_url: str
    """Where the installation's keys are published."""


def keys_gone_on(shredded_at: datetime, backup_keep_days: int) -> date:
    """The day on which the last copy of a key that was destroyed at `shredded_at` is gone, in backups (UTC)."""
    return shredded_at.astimezone(UTC).date() + timedelta(days=backup_keep_days)


def certificate(erasure: Erasure, issue: Issue, key: SigningKey) -> dict[str, JsonValue]:
    """The signed certificate of an erasure whose scan was clean. The same for the same input.

    Raises `ValueError` for an erasure that is not that far.
    """
    said = _said(erasure, issue, key)
    digest = canonical_hash(said)
    proof: dict[str, JsonValue] = {
        "algo": ALGORITHM,
        "key_id": key.key_id,
        "public_key_pem": key.public_key_pem,
        "hash": digest,
        "signature": key.sign(digest),
        "keys_url": issue.keys_url,
    }
    return {**said, "proof": proof}


def is_genuine(document: Mapping[str, JsonValue], public_key: bytes) -> bool:
    """Whether the owner of `public_key` (32 raw bytes) signed `document`, all of it, as a certificate."""
    said = {name: value for name, value in document.items() if name != "proof"}
    proof = document.get("proof")
    if said.get("kind") != KIND or not isinstance(proof, dict):
        return False
    return is_signed(canonical_hash(said), str(proof.get("signature")), public_key)


def objection(document: Mapping[str, JsonValue], keys: TrustedKeys) -> str | None:
    """Why `document` is not to be believed by who trusts `keys`; None: it is. Quotes nothing of it but a key's id."""
    key = keys.get(str(document.get("key_id")))
    if key is None:
        return "it is signed by none of the keys, or by nobody"
    if not is_genuine(document, key.raw):
        return "it is no certificate, or was changed since it was signed"
    return key.objection(datetime.fromisoformat(str(document.get("issued_at"))))


def _said(erasure: Erasure, issue: Issue, key: SigningKey) -> dict[str, JsonValue]:
    shredded_at, gone_on, scan = erasure.shredded_at, erasure.keys_gone_on, erasure.scan
    if shredded_at is None or gone_on is None or scan is None or not scan.is_clean:
        raise ValueError("an erasure without a clean scan has no certificate")
    return {
        "kind": KIND,
        "version": VERSION,
        "erasure_id": erasure.id,
        "reference": erasure.reference,
        "organization": {"id": erasure.org, "name": issue.organization_name},
        "subject": {"end_user_id": erasure.end_user, "digest": f"hmac-sha256:{erasure.digest}"},
        "requested_at": canonical_time(erasure.requested_at),
        "requested_by": erasure.requested_by,
        "restricted_at": None if erasure.restricted_at is None else canonical_time(erasure.restricted_at),
        "shredded_at": canonical_time(shredded_at),
        "issued_at": canonical_time(issue.issued_at),
        "reasons": [reason.value for reason in erasure.reasons],
        "records": [_records(erasure, kind, rule) for kind, rule in RULES.items()],
        "scan": _scan(scan),
        "backups": {"keep_days": issue.backup_keep_days, "keys_gone_on": gone_on.isoformat()},
        "key_id": key.key_id,
    }


def _records(erasure: Erasure, kind: RecordClass, rule: Rule) -> JsonValue:
    count = erasure.counts.get(kind)
    return {"class": kind.value, "fate": rule.fate.value, "basis": rule.basis.value, "count": count}


def _scan(scan: Scan) -> JsonValue:
    return {"at": canonical_time(scan.at), "examined": {**scan.examined}, "found": {**scan.found}}
