"""The certificate of an erasure as pages, before they are sealed: what the signed JSON says, in words."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Final

import orjson
from pydantic import JsonValue

from gateway.audit.chain import canonical_json
from gateway.baa.document import require_glyphs, typeset_pages
from gateway.baa.evidence import SealDescription, as_printed, instant
from gateway.baa.pages import Row, Step
from gateway.end_users.classes import RULES, Basis, Fate, RecordClass
from gateway.end_users.erasure import Erasure, Reason, Scan
from gateway.errors import ValidationFailedError

_CLASSES: Final[Mapping[RecordClass, str]] = {
    RecordClass.PROFILE: "The name",
    RecordClass.CONTENT: "Requests and answers",
    RecordClass.FINDINGS: "Findings of identifiers in them",
    RecordClass.IDEMPOTENCY: "Keys to repeat answers",
    RecordClass.EXPORTS: "Exports of their data",
    RecordClass.SHELLS: "Records that there was a call",
    RecordClass.USAGE: "Usage and books",
    RecordClass.AUDIT: "Audit entries",
    RecordClass.WEBHOOKS: "Deliveries of webhooks",
}
_FATES: Final[Mapping[Fate, str]] = {
    Fate.SHREDDED: "key destroyed, then removed",
    Fate.REMOVED: "removed",
    Fate.KEPT: "kept",
}
_BASES: Final[Mapping[Basis, str]] = {
    Basis.ERASURE_REQUEST: "request for erasure (GDPR Art. 17(1))",
    Basis.BILLING_RECORDS: "books, ids and numbers only (Art. 17(3)(b))",
    Basis.HIPAA_DOCUMENTATION: "kept six years (45 CFR 164.316(b)(2)), by digest",
    Basis.IDS_ONLY: "ids that lead to nobody",
}
_REASONS: Final[Mapping[Reason, str]] = {
    Reason.HOLD_CAME_TOO_LATE: "A hold was set after the erasure had been decided; it came too late.",
    Reason.DELEGATING_USER: "Agents had acted for a user of the same name: as whom is kept with those calls and in the "
    "audit log, as it is for staff.",
}


@dataclass(frozen=True, slots=True)
class _Pages:
    """`certificate.typ` reads these names."""

    code: str
    author: str
    dated: str
    hash: str
    statement: str
    facts: tuple[Row, ...]
    classes: tuple[tuple[str, ...], ...]
    scanned: str
    scan: tuple[tuple[str, ...], ...]
    verification: tuple[Step, ...]
    attached: str


def typeset_certificate(
    erasure: Erasure,
    document: Mapping[str, JsonValue],
    *,
    organization_name: str,
    issued_at: datetime,
    seal: SealDescription,
    fonts: Path | None = None,
) -> bytes:
    """The pages of `document`, the signed certificate of `erasure`, which they carry as an attachment.

    Raises `DocumentError`.
    """
    proof = document["proof"]
    scan = erasure.scan
    if not isinstance(proof, dict) or scan is None or erasure.keys_gone_on is None:
        raise ValueError("not a signed certificate")
    pages = _Pages(
        code=erasure.id,
        author=seal.subject,
        dated=issued_at.astimezone(UTC).date().isoformat(),
        hash=str(proof["hash"]),
        statement=_statement(erasure),
        facts=_facts(erasure, _shown(organization_name, fonts), issued_at, proof, seal),
        classes=tuple(
            (_CLASSES[kind], _FATES[rule.fate], _counted(erasure.counts.get(kind)), _BASES[rule.basis])
            for kind, rule in RULES.items()
        ),
        scanned=f"On {_moment(scan.at)}, by queries of their own, not by those that erased:",
        scan=_scan(scan),
        verification=_verification(proof),
        attached=canonical_json(document).decode(),
    )
    source = files("gateway.end_users").joinpath("certificate.typ").read_bytes()
    return typeset_pages(source, {"certificate": orjson.dumps(pages).decode()}, fonts)


def _statement(erasure: Erasure) -> str:
    late = " ".join(_REASONS[reason] for reason in erasure.reasons if reason in _REASONS)
    said = (
        "The person below is named by a keyed digest (HMAC-SHA-256), as in the audit log: nobody can turn it back into "
        "the name. The key to what was kept of this person was destroyed in the database; its last copy, in backups, "
        "is gone on the day that is named here."
    )
    return f"{said} {late}".strip()


def _facts(
    erasure: Erasure, name: str | None, issued_at: datetime, proof: Mapping[str, JsonValue], seal: SealDescription
) -> tuple[Row, ...]:
    rows = (
        ("Organization", name, False),
        ("Its id", erasure.org, True),
        ("Person, by digest", erasure.digest, True),
        ("Id of the person", erasure.end_user, True),
        ("Request", erasure.id, True),
        ("Reference", erasure.reference, True),
        ("Requested", _moment(erasure.requested_at), False),
        ("Restricted", erasure.restricted_at and _moment(erasure.restricted_at), False),
        ("Key destroyed", erasure.shredded_at and _moment(erasure.shredded_at), False),
        ("Last copy of the key gone", erasure.keys_gone_on and f"{erasure.keys_gone_on:%Y-%m-%d}", False),
        ("Certified", _moment(issued_at), False),
        ("Signing key", str(proof["key_id"]), True),
        ("SHA-256 of what is signed", str(proof["hash"]), True),
        ("Seal", f"certificate of {seal.subject}", False),
        ("Its SHA-256", seal.fingerprint, True),
        ("Time of the seal", f"stamped by {seal.timestamp_authority}" if seal.timestamp_authority else None, False),
    )
    return tuple(Row(label, value, code) for label, value, code in rows if value)


def _scan(scan: Scan) -> tuple[tuple[str, ...], ...]:
    found: Counter[str] = Counter()
    for place, count in scan.found.items():
        found[place.partition(".")[0]] += count
    return tuple((table, _counted(count), _counted(found[table])) for table, count in scan.examined.items())


def _verification(proof: Mapping[str, JsonValue]) -> tuple[Step, ...]:
    return (
        Step(
            "The seal",
            "Whether the file is unchanged, and who sealed it. Offline, with the operator's certificate:",
            "hasp baa verify certificate.pdf --certificate operator.pem",
        ),
        Step(
            "The signature",
            "certificate.json is attached to this document; a PDF reader saves it. Offline, with the keys that the "
            f"installation publishes at {proof['keys_url']}:",
            "hasp audit certificate certificate.json --keys keys.json",
        ),
        Step(
            "Without Hasp",
            "Take the member \u201cproof\u201d out of certificate.json and write the rest as compact JSON with "
            "sorted keys: its SHA-256 is proof.hash. proof.signature is an Ed25519 signature over those 64 characters, "
            "by the key that is published under the id on the first page.",
        ),
    )


def _shown(name: str, fonts: Path | None) -> str | None:
    """None for a name that does not print: the organization's id stands for it."""
    try:
        printed = as_printed("organization_name", name)
        require_glyphs({"organization_name": printed}, fonts)
    except ValidationFailedError:
        return None
    return printed


def _counted(count: int | None) -> str:
    return "\u2013" if count is None else f"{count:,}"


def _moment(moment: datetime) -> str:
    return instant(moment).replace("T", " ").replace("Z", " UTC")
