"""An organisation's policy changes: with its audit entry and what it sets off, whoever asked."""

from collections.abc import Container

from pydantic import JsonValue

from gateway.audit import AuditAction
from gateway.credits.budget import BUDGET_FIELDS
from gateway.errors import MissingScopeError, PreconditionFailedError
from gateway.events import Event, EventType
from gateway.ids import OrganizationId
from gateway.organization_policy import Changes, OrganizationPolicy, require_acknowledged, told
from gateway.retention import Retention
from storage.transaction import Transaction


async def change_policy(
    tx: Transaction,
    org: OrganizationId,
    changes: Changes,
    *,
    acknowledges_phi_leaves: bool = False,
    only_versions: Container[int] | None = None,
    keeps_retention: bool = False,
) -> OrganizationPolicy:
    """The policy with `changes`; what they do not name keeps its value.

    Raises:
        PreconditionFailedError: its version is none of `only_versions`.
        MissingScopeError: it changes how long content is kept, and `keeps_retention`.
        ValidationFailedError: choices that do not go together, or let PHI leave without an acknowledgement.
        NotFoundError: there is no such organisation.
    """
    leaves = require_acknowledged(changes, acknowledged=acknowledges_phi_leaves)
    before, after = await tx.organization.set_policy(**changes)
    if only_versions is not None and before.version not in only_versions:
        raise PreconditionFailedError("The policy or the budget has changed since it was read.")
    if keeps_retention and _kept(before) != _kept(after):
        raise MissingScopeError("A test key cannot change how long content is kept: it is the live calls' too.")
    facts: dict[str, JsonValue] = {"changes": told(before, after)}
    if leaves:
        facts["acknowledged_phi_leaves"] = True
    if (after.spend_cap, after.alert_thresholds) != (before.spend_cap, before.alert_thresholds):
        for event in await tx.organization.newly_reached():
            tx.tell(event)
    if (reduced := _reduced(before, after)) is not None:
        tx.tell(reduced)
    action = AuditAction.BUDGET_UPDATED if changes.keys() <= BUDGET_FIELDS else AuditAction.POLICY_UPDATED
    tx.audit(action, entity_type="organization", entity_id=org, metadata=facts)
    return after


def _kept(policy: OrganizationPolicy) -> tuple[Retention, int]:
    return policy.retention, policy.minimum_retention_days


def _reduced(before: OrganizationPolicy, after: OrganizationPolicy) -> Event | None:
    """Tells those who can still take it back that content will be destroyed sooner, and from when on."""
    delays = {
        each
        for each, known in (
            (after.retention_floor_until, before.retention_floor_until),
            (after.hold_until, before.hold_until),
        )
        if each is not None and each != known
    }
    if not delays:
        return None
    data: dict[str, JsonValue] = {
        "retention_days": after.retention_days,
        "legal_hold": after.legal_hold,
        "takes_effect_at": max(delays).isoformat(),
    }
    return Event(EventType.RETENTION_REDUCED, data)
