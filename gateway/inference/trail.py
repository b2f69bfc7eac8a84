"""What an inference leaves behind besides its record: its audit entry's facts and its events.

Ids, numbers, enums and declared names only; nothing a caller wrote.
"""

from collections.abc import Iterable

from pydantic import JsonValue

from gateway.agents.scope import ToolNotInScopeError
from gateway.audit import AuditAction, PhiDisposition
from gateway.audit.compliance import ComplianceEvent, Gate, gate_of
from gateway.credits import pricing
from gateway.errors import PhiBlockedError, PhiInToolSchemaError
from gateway.events import Event, EventType
from gateway.ids import InferenceId, request_id
from gateway.inference.admission import needs_opt_in
from gateway.inference.call import Call, Outcome, Status, Surface
from gateway.inference.counting import Countable
from gateway.inference.ports import Refusal
from gateway.inference.records import InferenceRecord
from gateway.limits.buckets import LimitName
from gateway.phi.report import PhiReport, kinds, phi_of
from gateway.phi.verdicts import ENGINE
from gateway.routing.route import Delivery

_ACTIONS = {
    Status.COMPLETED: AuditAction.AI_REQUEST_COMPLETED,
    Status.CANCELLED: AuditAction.AI_REQUEST_COMPLETED,
    Status.BLOCKED: AuditAction.AI_REQUEST_REFUSED,
    Status.FAILED: AuditAction.AI_REQUEST_FAILED,
}


def action(outcome: Outcome) -> AuditAction:
    """What is audited. A call that was hung up on counts as completed once it produced something to charge."""
    if outcome.call.tool is not None:
        return AuditAction.AI_TOOL_USED
    if outcome.status is Status.CANCELLED and outcome.completion is None:
        return AuditAction.AI_REQUEST_FAILED
    return _ACTIONS[outcome.status]


def disposition(outcome: Outcome) -> PhiDisposition:
    """What became of PHI on its way to the provider and back."""
    policy = outcome.call.access.policy
    whole = outcome.status is Status.COMPLETED
    partly = outcome.status is Status.CANCELLED and outcome.call.stream and policy.screening.answers == "record"
    shown = whole or partly
    return _disposition(outcome.report, restored=shown and outcome.completion is not None and policy.restore_answers)


def counting_disposition(report: PhiReport) -> PhiDisposition:
    """What became of PHI in a prompt whose tokens were counted: only a number came back."""
    return _disposition(report, restored=False)


def reading_disposition(record: InferenceRecord, *, redacted: bool) -> PhiDisposition:
    """What of PHI is shown to whoever retrieves `record`; `redacted`, as the provider saw it."""
    if record.content is None or not record.findings:
        return PhiDisposition.NOT_PRESENT
    if record.phi_action != "redacted":
        return PhiDisposition.CONTAINS_PHI
    return PhiDisposition.REDACTED if redacted else PhiDisposition.REIDENTIFIED


def _disposition(report: PhiReport | None, *, restored: bool) -> PhiDisposition:
    if report is None or not (report.findings or report.answer_findings):
        return PhiDisposition.NOT_PRESENT
    if report.action != "redacted":
        return PhiDisposition.CONTAINS_PHI
    return PhiDisposition.REIDENTIFIED if restored else PhiDisposition.REDACTED


def audit_metadata(outcome: Outcome) -> dict[str, JsonValue]:
    """Who asked what of which model, and which compliance events fired."""
    call, model = outcome.call, outcome.model
    agreement = call.access.policy.agreement
    facts: dict[str, JsonValue] = {
        "request_id": request_id(call.id),
        "surface": call.surface.value,
        "route": call.surface.route,
        "model": model.id,
        "provider": model.provider,
        "key_mode": call.access.principal.mode.value,
        "status": outcome.status.value,
        "streamed": call.stream,
        "stored": call.keeps_content,
        "baa": {"acceptance_id": agreement.id if agreement else None, "cover": model.covered_by},
        "credits": outcome.charge,
        "compliance_events": [*compliance_events(outcome)],
    }
    facts |= _circumstances(outcome)
    if outcome.completion is not None:
        usage = outcome.completion.usage
        facts["input_tokens"] = usage.total_input
        facts["output_tokens"] = usage.output
    if outcome.delivery is not None:
        facts |= _delivered(outcome.delivery)
    if outcome.report is not None:
        facts["phi_scan"] = phi_scan(outcome.report)
    if outcome.error is not None:
        facts["error_code"] = outcome.error.code
    if outcome.status is not Status.COMPLETED and (because := call.running.because):
        facts["ended_because"] = because
    if gate := _gate(outcome):
        facts["gate"] = gate
    return facts


def _circumstances(outcome: Outcome) -> dict[str, JsonValue]:
    """What only some calls have."""
    call = outcome.call
    facts: dict[str, JsonValue] = {}
    if call.tool is not None:
        facts["tool"] = call.tool
        facts["duration_ms"] = round((outcome.at - call.received_at).total_seconds() * 1000)
    if delegation := call.access.principal.delegation:
        facts |= delegation.facts
    if limits := call.quota.limits:
        facts["rate_limits"] = [*limits]
    if call.history_turns:
        facts["history_turns"] = call.history_turns
    if call.recalled_items:
        facts["recalled_items"] = call.recalled_items
    return facts


def _gate(outcome: Outcome) -> Gate | None:
    """Which kept an opened call, or its answer, back."""
    if outcome.status is Status.BLOCKED:
        return Gate.PHI
    return Gate.SCOPE if isinstance(outcome.error, ToolNotInScopeError) else None


def compliance_events(outcome: Outcome) -> Iterable[ComplianceEvent]:
    """What fired on a call's way, once it was opened."""
    call, completion, delivery = outcome.call, outcome.completion, outcome.delivery
    yield from call.passed
    yield ComplianceEvent.CREDITS_RESERVED
    if outcome.report is not None:
        yield from scan_events(outcome.report)
    if isinstance(outcome.error, PhiBlockedError | PhiInToolSchemaError) and completion is None:
        yield ComplianceEvent.PHI_BLOCKED
    if delivery is not None and delivery.is_failover:
        yield ComplianceEvent.PROVIDER_FAILOVER
        if needs_opt_in(delivery.model) and not needs_opt_in(delivery.asked):
            yield ComplianceEvent.MODEL_OPT_IN_VERIFIED
    if completion is not None:
        yield from _answer_events(outcome)
    yield ComplianceEvent.CREDITS_SETTLED if completion else ComplianceEvent.CREDITS_RETURNED
    keeps = completion is not None and call.keeps_content
    yield ComplianceEvent.CONTENT_STORED if keeps else ComplianceEvent.CONTENT_NOT_STORED


def scan_events(report: PhiReport) -> Iterable[ComplianceEvent]:
    """What the guard did with a prompt."""
    yield ComplianceEvent.PHI_SCANNED
    if report.action == "redacted":
        yield ComplianceEvent.PHI_REDACTED
    elif report.action == "allowed":
        yield ComplianceEvent.PHI_ALLOWED
    if report.unscanned:
        yield ComplianceEvent.PHI_UNSCANNED


def _answer_events(outcome: Outcome) -> Iterable[ComplianceEvent]:
    findings = outcome.report.answer_findings if outcome.report else None
    if findings is not None:
        yield ComplianceEvent.ANSWER_SCANNED
    if outcome.error is not None:
        yield ComplianceEvent.ANSWER_WITHHELD
    elif findings:
        yield ComplianceEvent.ANSWER_PHI_RECORDED
    if disposition(outcome) is PhiDisposition.REIDENTIFIED:
        yield ComplianceEvent.ANSWER_RESTORED


def recalled(call: Call) -> Iterable[ComplianceEvent]:
    """What was opened of earlier records for `call`."""
    if call.history_turns or call.recalled_items:
        yield ComplianceEvent.HISTORY_READ
    elif call.known:
        yield ComplianceEvent.PLACEHOLDERS_RECALLED


def _delivered(delivery: Delivery) -> dict[str, JsonValue]:
    """How often it was sent unless once, to whom besides the model named, and why another answered (spec D12)."""
    told: dict[str, JsonValue] = {} if delivery.tries == 1 else {"tries": delivery.tries}
    if set(delivery.sent_to) - {delivery.model.id}:
        told["sent_to"] = list(dict.fromkeys(delivery.sent_to))
    if delivery.is_failover:
        because = delivery.because.code if delivery.because else "CIRCUIT_OPEN"
        told["failover"] = {"asked": delivery.asked.id, "because": because}
    return told


def phi_scan(report: PhiReport) -> dict[str, JsonValue]:
    """What the guard found and did, as audit entries say it; `answer` is what the model itself wrote."""
    answer = report.answer_findings
    return {
        "engine": ENGINE,
        "mode": report.mode.value,
        "action": report.action,
        "redaction_count": report.redaction_count,
        "categories_detected": list(report.entity_types),
        "answer": None if answer is None else {"count": len(answer), "categories_detected": list(kinds(answer))},
    }


def counting_metadata(
    prompt: Countable, surface: Surface, request: InferenceId, *, route: str, limits: Iterable[LimitName]
) -> dict[str, JsonValue]:
    """What is about to be counted, for which nothing is charged and nothing kept. `limits` are those that let it in."""
    rated = [ComplianceEvent.RATE_ADMITTED] if (names := [*limits]) else []
    facts: dict[str, JsonValue] = {
        "request_id": request_id(request),
        "surface": surface.value,
        "route": route,
        "model": prompt.model.id,
        "provider": prompt.model.provider,
        "compliance_events": [*rated, *prompt.passed, *scan_events(prompt.report)],
        "phi_scan": phi_scan(prompt.report),
    }
    if names:
        facts["rate_limits"] = [*names]
    return facts


def events(outcome: Outcome) -> list[Event]:
    call = outcome.call
    if call.tool is not None:
        return []
    about: dict[str, JsonValue] = {
        "request_id": request_id(call.id),
        "model": outcome.model.id,
        "surface": call.surface.value,
        "key_id": call.access.principal.key,
    }
    if delegation := call.access.principal.delegation:
        about |= {"agent_id": delegation.agent, "credential_id": delegation.credential}
    told = [_ending(outcome, about)]
    if outcome.report is not None and (event := _guarded(outcome, outcome.report)):
        told.append(Event(event[0], {**about, **event[1]}))
    return told


def _guarded(outcome: Outcome, report: PhiReport) -> tuple[EventType, dict[str, JsonValue]] | None:
    """What the guard did to the prompt, or to an answer that it kept back."""
    blocked = outcome.status is Status.BLOCKED
    found = report.answer_findings if blocked and report.answer_findings else report.findings
    types = kinds(found)
    if not types or (report.action == "allowed" and not blocked):
        return None
    return EventType.PHI_BLOCKED if blocked else EventType.PHI_REDACTED, {
        "entity_types": [*types],
        "count": len(phi_of(found)),
    }


def refusal_metadata(refusal: Refusal) -> dict[str, JsonValue]:
    """What was asked for, as far as it is known, and which gate refused it."""
    facts: dict[str, JsonValue] = {
        "request_id": request_id(refusal.id),
        "surface": refusal.surface.value if refusal.surface else None,
        "route": refusal.path,
        "model": refusal.model,
        "error_code": refusal.error.code,
        "kind": refusal.error.kind.value,
        "gate": gate_of(refusal.error),
    }
    if refusal.delegation:
        facts |= refusal.delegation.facts
    if refusal.passed:
        facts["compliance_events"] = [*refusal.passed]
    if refusal.history_turns:
        facts["history_turns"] = refusal.history_turns
    return facts


def cost_micro_usd(outcome: Outcome) -> int | None:
    completion = outcome.completion
    return pricing.cost_micro_usd(outcome.model, completion.usage) if completion else None


def _ending(outcome: Outcome, about: dict[str, JsonValue]) -> Event:
    if outcome.status in (Status.COMPLETED, Status.CANCELLED) and outcome.completion is not None:
        usage = outcome.completion.usage
        return Event(
            EventType.AI_REQUEST_COMPLETED,
            {
                **about,
                "status": outcome.status.value,
                "input_tokens": usage.total_input,
                "output_tokens": usage.output,
                "credits": outcome.charge,
            },
        )
    code = outcome.error.code if outcome.error else None
    return Event(EventType.AI_REQUEST_FAILED, {**about, "status": outcome.status.value, "error_code": code})
