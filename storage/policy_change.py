"""An organisation's policy changes: with its audit entry and what it sets off, whoever asked."""

from collections.abc import Container

from pydantic import JsonValue

from gateway.audit import AuditAction
from gateway.credits.budget import BUDGET_FIELDS
from gateway.errors import PreconditionFailedError
from gateway.ids import OrganizationId
from gateway.organization_policy import Changes, OrganizationPolicy, require_acknowledged, told
from storage.transaction import Transaction


async def change_policy(
    tx: Transaction,
    org: OrganizationId,
    changes: Changes,
    *,
    acknowledges_phi_leaves: bool = False,
    only_versions: Container[int] | None = None,
) -> OrganizationPolicy:
    """The policy with `changes`; what they do not name keeps its value.

    Raises:
        PreconditionFailedError: its version is none of `only_versions`.
        ValidationFailedError: choices that do not go together, or let PHI leave without an acknowledgement.
        NotFoundError: there is no such organisation.
    """
    leaves = require_acknowledged(changes, acknowledged=acknowledges_phi_leaves)
    before, after = await tx.organization.set_policy(**changes)
    if only_versions is not None and before.version not in only_versions:
        raise PreconditionFailedError("The policy or the budget has changed since it was read.")
    facts: dict[str, JsonValue] = {"changes": told(before, after)}
    if leaves:
        facts["acknowledged_phi_leaves"] = True
    if (after.spend_cap, after.alert_thresholds) != (before.spend_cap, before.alert_thresholds):
        for event in await tx.organization.newly_reached():
            tx.tell(event)
    action = AuditAction.BUDGET_UPDATED if changes.keys() <= BUDGET_FIELDS else AuditAction.POLICY_UPDATED
    tx.audit(action, entity_type="organization", entity_id=org, metadata=facts)
    return after
