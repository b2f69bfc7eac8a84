"""Credentials of agents, and what a revocation takes along, as they are answered."""

from datetime import datetime
from typing import Any

from gateway.agents.cascade import Cascade
from gateway.agents.credential import Credential
from gateway.agents.grants import dump


def receipt(cascade: Cascade) -> dict[str, Any]:
    """How many of its credentials are where."""
    counts = cascade.counts
    return {
        "id": cascade.id,
        "state": cascade.state.value,
        "done": counts.done,
        "pending": counts.pending,
        "irrevocable": counts.irrevocable,
    }


def shown(credential: Credential, now: datetime) -> dict[str, Any]:
    """Never the token."""
    return {
        "id": credential.id,
        "agent_id": credential.agent_id,
        "name": credential.name,
        "description": credential.description,
        "prefix": credential.prefix,
        "last_four": credential.last_four,
        "mode": credential.mode.value,
        "status": credential.status(now).value,
        "granted_scopes": [*map(dump, credential.grants)],
        "delegating_user": credential.delegating_user,
        "parent_id": credential.parent,
        "delegation_path": [*credential.path],
        "replaces": credential.replaces,
        "revocation_policy": credential.revocation_policy.value,
        "max_concurrent_invocations": credential.max_concurrent_invocations,
        "issued_by": credential.issued_by,
        "created_at": credential.created_at.isoformat(),
        "expires_at": credential.expires_at.isoformat(),
        "retires_at": _told(credential.retires_at),
        "last_used_at": _told(credential.last_used_at),
        "revoked_at": _told(credential.revoked_at),
        "revocation_reason": credential.revocation_reason,
    }


def _told(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
