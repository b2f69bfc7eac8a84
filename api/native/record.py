"""A stored inference as `GET /v1/ai/messages/{id}` shows it (spec B3, D23)."""

from typing import Any

from api.content import metering
from gateway import ids
from gateway.inference.records import InferenceRecord


def record_data(record: InferenceRecord) -> dict[str, Any]:
    """`messages`, `system` and `content` are null when the call or the organisation keeps no content."""
    content = record.content
    return {
        "id": ids.message_id(record.id),
        "object": "inference",
        "request_id": ids.request_id(record.id),
        "surface": record.surface.value,
        "status": record.status.value,
        "model": record.model,
        "conversation_id": ids.conversation_id(record.conversation) if record.conversation else None,
        "created_at": record.created_at.isoformat(),
        "completed_at": record.completed_at.isoformat() if record.completed_at else None,
        "store": record.stored,
        "system": content.system if content else None,
        "messages": [dict(message) for message in content.messages] if content else None,
        "first_message_index": content.first_message if content else None,
        "content": [dict(block) for block in content.answer] if content else None,
        "stop_reason": record.stop_reason,
        "stop_sequence": content.stop_sequence if content else None,
        "usage": _usage(record),
        "phi": _phi(record),
        "audit": _audit(record),
    }


def _usage(record: InferenceRecord) -> dict[str, Any] | None:
    if record.usage is None:
        return None
    return metering.usage_lines(record.model, record.usage, record.credits, record.cost_micro_usd)


def _phi(record: InferenceRecord) -> dict[str, Any] | None:
    if record.phi_mode is None:
        return None
    return {
        "mode": record.phi_mode.value,
        "action": record.phi_action,
        "entity_types": list(record.entity_types),
        "redaction_count": record.redaction_count,
        "findings": [
            {
                "entity_type": finding.entity.value,
                "slot": finding.slot,
                "start": finding.start,
                "end": finding.end,
                "score": finding.score_milli / 1000,
                "placeholder": finding.placeholder,
            }
            for finding in record.findings
        ],
    }


def _audit(record: InferenceRecord) -> dict[str, Any] | None:
    if record.audit_entry_id is None:
        return None
    return {"entry_id": record.audit_entry_id, "integrity_hash": record.integrity_hash}
