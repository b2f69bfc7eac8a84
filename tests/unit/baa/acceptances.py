"""Evidence of acceptances, for tests of what is made from it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gateway.baa.evidence import Evidence, Operator, Origin, SealDescription, Signatory
from gateway.baa.template import Cover, Template, current_template
from gateway.ids import AcceptanceId, ApiKeyId, OrganizationId

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

SIGNATORY = Signatory(
    name="Anna Müller",
    title="Chief Privacy Officer",
    email="anna.mueller@mercy.example",
    authority="I am authorized to enter into this agreement on behalf of the organization named above.",
)

SEAL = SealDescription(
    subject="Example Health Cloud, Inc.",
    fingerprint="ab" * 32,
    self_signed=True,
    timestamp_authority=None,
    timestamp_root=None,
)


def evidence(template: Template | None = None, signatory: Signatory = SIGNATORY) -> Evidence:
    accepted = template or current_template()
    return Evidence(
        document=AcceptanceId("01KAN0Q6W3Z5J8R2T4V6X8Y9ZA"),
        organization=OrganizationId("01KAN0PFG1A2B3C4D5E6F7G8H9"),
        organization_name="Mercy General Hospital",
        operator=Operator("Example Health Cloud, Inc.", "Jordan Reyes", "General Counsel"),
        signatory=signatory,
        origin=Origin(ApiKeyId("01KAN0Q0000000000000000000"), "203.0.113.7", "Mozilla/5.0 (X11; Linux x86_64) curl/8"),
        template_version=accepted.version,
        template_sha256=accepted.sha256,
        acceptance_text="I have read the agreement and accept it by typing my name. I consent to use an electronic "
        "record and an electronic signature.",
        covers=tuple(Cover),
        text_fetched_at=NOON - timedelta(minutes=11),
        accepted_at=NOON,
        effective_at=NOON,
        expires_at=NOON + timedelta(days=365),
        seal=SEAL,
    )


def named(name: str) -> Evidence:
    return evidence(signatory=replace(SIGNATORY, name=name))
