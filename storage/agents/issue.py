"""Credentials of agents come and are replaced: each time with its audit entry and its event, whoever asked."""

from datetime import datetime, timedelta

from pydantic import JsonValue

from gateway.agents import issuing
from gateway.agents.agent import Agent
from gateway.agents.credential import Credential, CredentialEndedError
from gateway.agents.delegation import Delegation
from gateway.agents.issuing import NewCredential, Wish
from gateway.audit import AuditAction
from gateway.errors import InvalidApiKeyError
from gateway.events import Event, EventType
from gateway.ids import AgentId, CredentialId
from gateway.tenancy import KeyMode
from storage.transaction import Transaction


async def issue_credential(
    tx: Transaction, agent_id: AgentId, wish: Wish, *, by: KeyMode, owner: str | None, now: datetime
) -> tuple[Credential, str]:
    """A credential from an API key of mode `by` that belongs to the user `owner`, and its token, kept nowhere.

    Raises `NotFoundError`, `AgentArchivedError`, and as `issuing.granted` does.
    """
    agent = await tx.agents.hold(agent_id)
    return await _issue(tx, agent, issuing.granted(wish, agent, by=by, owner=owner, now=now))


async def hand_on(
    tx: Transaction, agent_id: AgentId, wish: Wish, *, by: Delegation, now: datetime
) -> tuple[Credential, str]:
    """A credential from an agent, out of its own, and its token, kept nowhere.

    Either a revocation of anything above it waits, and takes it along, or it is refused: nothing slips through.

    Raises `InvalidApiKeyError` when the agent's own has ended, whatever this process still believed,
    `NotFoundError`, `AgentArchivedError`, `TooManyCredentialsError`, and as `issuing.handed_on` does.
    """
    agent = await tx.agents.hold(agent_id)
    try:
        chain = await tx.agent_credentials.hold_chain(by.chain)
    except CredentialEndedError:
        raise InvalidApiKeyError from None
    wanted = issuing.handed_on(wish, agent, chain, now=now)
    await tx.agent_credentials.require_room(chain[0].id)
    return await _issue(tx, agent, wanted)


async def rotate_credential(
    tx: Transaction, agent_id: AgentId, credential_id: CredentialId, *, overlap: timedelta
) -> tuple[Credential, Credential, str]:
    """The credential, its successor and that one's token. Raises as `CredentialStore.rotate` does."""
    agent = await tx.agents.hold(agent_id)
    old, successor, token = await tx.agent_credentials.rotate(agent, credential_id, overlap=overlap, by=tx.actor)
    retires_at = old.ends_at.isoformat()
    tx.audit(
        AuditAction.AGENT_CREDENTIAL_ROTATED,
        entity_type="agent_credential",
        entity_id=old.id,
        metadata={**_path(old), "successor_id": successor.id, "retires_at": retires_at},
    )
    _audit_issued(tx, successor)
    told = {"agent_id": agent_id, "credential_id": old.id, "successor_id": successor.id, "retires_at": retires_at}
    tx.tell(Event(EventType.AGENT_CREDENTIAL_ROTATED, told))
    _tell_issued(tx, successor)
    return old, successor, token


async def _issue(tx: Transaction, agent: Agent, wanted: NewCredential) -> tuple[Credential, str]:
    credential, token = await tx.agent_credentials.issue(agent, wanted, by=tx.actor)
    _audit_issued(tx, credential)
    _tell_issued(tx, credential)
    return credential, token


def _audit_issued(tx: Transaction, credential: Credential) -> None:
    about: dict[str, JsonValue] = {
        **_path(credential),
        "delegating_user": credential.delegating_user,
        "mode": credential.mode.value,
        "scope_types": [*dict.fromkeys(grant.type.value for grant in credential.grants)],
        "max_concurrent_invocations": credential.max_concurrent_invocations,
        "expires_at": credential.expires_at.isoformat(),
    }
    if credential.replaces is not None:
        about["replaces"] = credential.replaces
    tx.audit(
        AuditAction.AGENT_CREDENTIAL_ISSUED, entity_type="agent_credential", entity_id=credential.id, metadata=about
    )


def _tell_issued(tx: Transaction, credential: Credential) -> None:
    told: dict[str, JsonValue] = {
        "agent_id": credential.agent_id,
        "credential_id": credential.id,
        "expires_at": credential.expires_at.isoformat(),
    }
    if credential.parent is not None:
        told["parent_id"] = credential.parent
    tx.tell(Event(EventType.AGENT_CREDENTIAL_ISSUED, told))


def _path(credential: Credential) -> dict[str, JsonValue]:
    return {"agent_id": credential.agent_id, "delegation_path": [*credential.path]}
