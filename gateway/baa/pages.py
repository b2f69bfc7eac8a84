"""What the pages of a signed agreement say, as data for `agreement.typ`."""

from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from gateway.baa.evidence import Evidence, SealDescription, instant
from gateway.baa.outline import Outline, outline
from gateway.baa.template import Template


@dataclass(frozen=True, slots=True)
class Row:
    label: str
    value: str
    code: bool = False
    """Set in a typewriter face: ids, hashes, what a machine compares."""


@dataclass(frozen=True, slots=True)
class Step:
    """A heading, what stands under it, and what to type."""

    heading: str
    text: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """One party's side of the signature block."""

    role: str
    party: str
    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attachment:
    name: str
    content: str
    mime_type: str
    description: str


@dataclass(frozen=True, slots=True)
class Pages:
    """All that the document says, in the order of its pages; `agreement.typ` reads these names."""

    name: str
    label: str
    """Of the running header, and beside it what tells this document from others."""
    code: str
    author: tuple[str, ...]
    description: str
    dated: datetime
    outline: Outline
    sha256: str
    attachments: tuple[Attachment, ...]
    parties: tuple[Row, ...] = ()
    signatures: tuple[Signature, ...] = ()
    """Empty: an offer, which has no acceptance record either."""
    acceptance: tuple[Row, ...] = ()
    statements: tuple[Step, ...] = ()
    verification: tuple[Step, ...] = ()

    def json(self) -> str:
        return orjson.dumps(self, option=orjson.OPT_UTC_Z).decode()


def signed_pages(template: Template, evidence: Evidence) -> Pages:
    record = Attachment("evidence.json", evidence.json().decode(), "application/json", "The acceptance record")
    return Pages(
        name=f"document {evidence.document}",
        label="Document",
        code=evidence.document,
        author=(evidence.operator.name,),
        description=f"{template.version} between {evidence.organization_name} and {evidence.operator.name}",
        dated=evidence.accepted_at.astimezone(UTC),
        outline=outline(template),
        sha256=template.sha256,
        attachments=(_text(template), record),
        parties=_parties(evidence),
        signatures=_signatures(evidence),
        acceptance=_acceptance(evidence),
        statements=_statements(evidence),
        verification=_verification(evidence),
    )


def offered_pages(template: Template) -> Pages:
    """The text alone: who reads it has agreed to nothing yet."""
    year, month = map(int, template.version.split("-"))
    return Pages(
        name="offered text",
        label="Offered for acceptance; not signed",
        code="",
        author=(),
        description=f"{template.version}, as offered",
        dated=datetime(year, month, 1, tzinfo=UTC),
        outline=outline(template),
        sha256=template.sha256,
        attachments=(_text(template),),
    )


def _text(template: Template) -> Attachment:
    return Attachment(f"{template.version}.txt", template.text, "text/plain", "The agreement's text")


def _parties(evidence: Evidence) -> tuple[Row, ...]:
    return (
        Row("Covered Entity", evidence.organization_name),
        Row("Business Associate", evidence.operator.name),
        Row("In effect from", _date(evidence.effective_at)),
        Row("Until", _date(evidence.expires_at) if evidence.expires_at else "terminated or replaced"),
    )


def _signatures(evidence: Evidence) -> tuple[Signature, ...]:
    who, operator = evidence.signatory, evidence.operator
    accepted = f"Signed electronically on {_date(evidence.accepted_at)}"
    # No date: it is the seal's, which is not made yet.
    countersigned = "Signed electronically with the seal of this document, which says when"
    return (
        Signature("Covered Entity", evidence.organization_name, who.name, (who.name, who.title, who.email, accepted)),
        Signature(
            "Business Associate",
            operator.name,
            operator.countersigner,
            (operator.countersigner, operator.countersigner_title, countersigned),
        ),
    )


def _acceptance(evidence: Evidence) -> tuple[Row, ...]:
    origin, who, operator = evidence.origin, evidence.signatory, evidence.operator
    by = f"API key {origin.key}" if origin.key else "the operator, who recorded it at the command line"
    return (
        Row("Document", evidence.document, code=True),
        Row("Organization", evidence.organization_name),
        Row("Organization's id", evidence.organization, code=True),
        Row("Accepted by", f"{who.name}, {who.title}"),
        Row("E-mail", who.email),
        Row("Authenticated by", by),
        Row("IP address", origin.ip_address or "none: not over the network", code=origin.ip_address is not None),
        Row("User agent", origin.user_agent or "not given"),
        Row("Text handed out", _moment(evidence.text_fetched_at)),
        Row("Accepted", _moment(evidence.accepted_at)),
        Row("In effect from", _moment(evidence.effective_at)),
        Row("Until", _moment(evidence.expires_at) if evidence.expires_at else "terminated or replaced"),
        Row("Countersigned by", f"{operator.countersigner}, {operator.countersigner_title}, for {operator.name}"),
        Row("Coverage accepted", ", ".join(evidence.covers) or "none", code=True),
        Row("Agreement", f"Template {evidence.template_version}"),
        Row("SHA-256 of its text", evidence.template_sha256, code=True),
        *_seal(evidence.seal),
    )


def _seal(seal: SealDescription) -> list[Row]:
    made_by = (
        "self-signed: no certification authority vouches for the name in it"
        if seal.self_signed
        else "issued by a certification authority of the operator's choice"
    )
    time = (
        f"stamped by the time-stamp authority at {seal.timestamp_authority} (RFC 3161)"
        if seal.timestamp_authority
        else "as the operator's server says; no time-stamp authority was asked"
    )
    return [
        Row("Seal", f"{'PAdES B-T' if seal.timestamp_authority else 'PAdES B-B'}, certificate of {seal.subject}"),
        Row("Certificate", made_by),
        Row("Its SHA-256", seal.fingerprint, code=True),
        Row("Time of the seal", time),
        *([Row("Authority's root", seal.timestamp_root)] if seal.timestamp_root else []),
    ]


def _statements(evidence: Evidence) -> tuple[Step, ...]:
    return (
        Step("Statement of authority, affirmed by the signer", evidence.signatory.authority),
        Step("Statement of acceptance, affirmed by the signer", evidence.acceptance_text),
    )


def _verification(evidence: Evidence) -> tuple[Step, ...]:
    text = f"{evidence.template_version}.txt"
    stamped = evidence.seal.timestamp_authority is not None
    return (
        Step(
            "In Hasp",
            "Says whether the file is unchanged and who sealed it. Needs the certificates that you trust, of the "
            "operator and of the time-stamp authority if there was one, and neither network nor database:",
            "hasp baa verify agreement.pdf --certificate operator.pem" + " --certificate authority.pem" * stamped,
        ),
        Step(
            "In pyHanko",
            "An independent, open validator (https://github.com/MatthiasValvekens/pyHanko):",
            "pyhanko sign validate --pretty-print --trust operator.pem"
            + " --trust authority.pem" * stamped
            + " agreement.pdf",
        ),
        Step(
            "In a PDF reader",
            "Open the signature panel. The reader must say that the document has not been changed since it was signed, "
            "and show a certificate whose SHA-256 is the one on the acceptance record. Unless the certificate was "
            "issued by an authority that the reader knows, it calls the signer unknown until you add the certificate "
            "to those you trust: compare the SHA-256 with one that you got from the operator by another way first.",
        ),
        Step(
            "The text of the agreement",
            "The text and this record are attached to this document as files. Save the text; its hash must be the one "
            "on the record:",
            f"pdfdetach -saveall agreement.pdf\nsha256sum {text}",
        ),
    )


def _date(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%B} {moment.astimezone(UTC).day}, {moment.astimezone(UTC).year}"


def _moment(moment: datetime) -> str:
    return instant(moment).replace("T", " ").replace("Z", " UTC")
