"""What a scan of one text shows, over HTTP and at the command line."""

from pydantic import JsonValue

from gateway.phi.findings import Finding
from gateway.phi.report import PhiReport
from gateway.phi.screening import Profile


def shown(report: PhiReport, redacted: str, profile: Profile) -> dict[str, JsonValue]:
    """Places, kinds and the redacted text; the values only where that text left them."""
    return {
        "entities": [_entity(finding) for finding in report.findings],
        "entity_types": [*report.entity_types],
        "redaction_count": report.redaction_count,
        "redacted_text": redacted,
        "phi_profile": profile.value,
    }


def _entity(finding: Finding) -> dict[str, JsonValue]:
    return {
        "type": finding.entity.value,
        "placeholder": finding.placeholder,
        "start": finding.start,
        "end": finding.end,
        "score": finding.score_milli / 1000,
    }
