"""Revoking a credential and archiving an agent: denied when the transaction commits, accounted for afterwards.

The audit entry and the events are written with it. What was revoked is not revoked again: whoever repeats it is
answered with the cascade that there is.
"""

import re

from pydantic import JsonValue

from gateway.agents.agent import Agent, AgentStatus, RevocationPolicy
from gateway.agents.cascade import AGENT_ARCHIVED, Cascade
from gateway.audit import AuditAction
from gateway.events import Event, EventType
from gateway.ids import AgentId, CredentialId
from storage.transaction import Transaction

MOST_LISTED = 1000
"""Ids in one audit entry; of a larger cascade the receipt has them all."""
_WORD = re.compile(r"[a-z][a-z0-9_]{0,63}\Z", re.ASCII)


async def revoke(tx: Transaction, credential_id: CredentialId, *, reason: str) -> Cascade:
    """Refuse the credential, its predecessors and all below them from now on; its calls as its policy says.

    Calls below it are cut in any case (spec B11). Raises `NotFoundError`.
    """
    credential = await tx.agent_cascades.lock(credential_id)
    if credential.revoked_at is not None:
        _tell_again(tx, credential_id)
        return await tx.agent_cascades.with_credential(credential_id)
    policy = credential.revocation_policy
    cascade = await tx.agent_cascades.begin_at_credential(
        credential, reason=reason, cuts_calls=policy is RevocationPolicy.KILL
    )
    about: dict[str, JsonValue] = {"agent_id": credential.agent_id, "revocation_policy": policy.value}
    if credential.path:
        about["delegation_path"] = [*credential.path]
    tx.audit(
        AuditAction.AGENT_CREDENTIAL_REVOKED,
        entity_type="agent_credential",
        entity_id=credential_id,
        metadata=about | _along(cascade),
    )
    told = {"agent_id": credential.agent_id, "credential_id": credential_id, "cascade_id": cascade.id}
    tx.tell(Event(EventType.AGENT_CREDENTIAL_REVOKED, {**told, "reason": _word(reason)}))
    _begin(tx, cascade)
    return cascade


async def archive(tx: Transaction, agent_id: AgentId) -> tuple[Agent, Cascade]:
    """Archive an agent: all its credentials, and all below them, are refused from now on, and their calls cut.

    Raises `NotFoundError`.
    """
    before = await tx.agents.lock(agent_id)
    latest = await tx.agent_cascades.latest(agent_id) if before.status is AgentStatus.ARCHIVED else None
    if latest is not None:
        tx.audit(AuditAction.AGENT_ARCHIVED, entity_type="agent", entity_id=agent_id, metadata={"again": True})
        return before, latest
    agent = await tx.agents.archive(agent_id)
    cascade = await tx.agent_cascades.begin_at_agent(agent_id, reason=AGENT_ARCHIVED)
    tx.audit(AuditAction.AGENT_ARCHIVED, entity_type="agent", entity_id=agent_id, metadata=_along(cascade))
    tx.tell(Event(EventType.AGENT_ARCHIVED, {"agent_id": agent_id, "cascade_id": cascade.id}))
    _begin(tx, cascade)
    return agent, cascade


def _begin(tx: Transaction, cascade: Cascade) -> None:
    tx.tell(Event(EventType.AGENT_CASCADE_BEGUN, {"cascade_id": cascade.id}))


def _along(cascade: Cascade) -> dict[str, JsonValue]:
    return {
        "reason": _word(cascade.reason),
        "cascade_id": cascade.id,
        "cascade_count": len(cascade.along),
        "cascade_revoked_credential_ids": [*cascade.along[:MOST_LISTED]],
    }


def _word(reason: str) -> str:
    """A reason that is one word is told; a text may say anything, and is only shown with the credential."""
    return reason if _WORD.match(reason) else "stated"


def _tell_again(tx: Transaction, credential_id: CredentialId) -> None:
    """That somebody asked again is an act of theirs too."""
    tx.audit(
        AuditAction.AGENT_CREDENTIAL_REVOKED,
        entity_type="agent_credential",
        entity_id=credential_id,
        metadata={"again": True},
    )
