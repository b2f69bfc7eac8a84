"""Agents and their credentials, put straight into the database, for every ring that needs some that are there."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.types.json import Jsonb

from gateway.agents import credential
from gateway.agents.grants import ExternalToolInvoke, Grant, dump
from gateway.ids import AgentId, CredentialId, OrganizationId, new_ulid
from gateway.keys.api_key import digest
from gateway.tenancy import KeyMode
from storage import Storage
from storage.pool import fetch

LOOKUP = ExternalToolInvoke("lookup_appointment")


@dataclass(frozen=True, slots=True)
class MadeCredential:
    id: CredentialId
    agent: AgentId
    token: str
    path: tuple[CredentialId, ...] = ()


async def make_agent(
    storage: Storage,
    org: OrganizationId,
    *,
    allowed_models: tuple[str, ...] | None = None,
    credit_cap: int | None = None,
) -> AgentId:
    agent, now = AgentId(new_ulid()), storage.clock.now()
    await fetch(
        storage.pool,
        "insert into agents (id, org_id, name, capabilities, default_expiry_hours, default_revocation_policy,"
        " allowed_models, credit_cap, created_at, updated_at)"
        " values (%s, %s, %s, '{}', 8, 'kill', %s, %s, %s, %s) on conflict do nothing",
        [agent, org, f"Agent {agent}", [*allowed_models] if allowed_models else None, credit_cap, now, now],
    )
    return agent


async def make_credential(
    storage: Storage,
    org: OrganizationId,
    agent: AgentId | None = None,
    *,
    parent: MadeCredential | None = None,
    grants: tuple[Grant, ...] = (LOOKUP,),
    mode: KeyMode = KeyMode.LIVE,
    user: str = "j.reyes",
    policy: str = "kill",
    most: int = 10,
    expires_at: datetime | None = None,
) -> MadeCredential:
    """One that may be used at once; of a new agent unless one is given."""
    agent = agent or await make_agent(storage, org)
    token, made, now = credential.mint(mode), CredentialId(new_ulid()), storage.clock.now()
    path = (*parent.path, parent.id) if parent else ()
    newest = storage.keyring.pepper.newest
    row = {
        "id": made,
        "org_id": org,
        "agent_id": agent,
        "name": "Night shift",
        "mode": mode,
        "last_four": token[-4:],
        "digest": digest(token, storage.keyring.pepper.keys[newest]),
        "pepper": newest,
        "grants": Jsonb([*map(dump, grants)]),
        "delegating_user": user,
        "parent_id": parent.id if parent else None,
        "path": [*path],
        "family": made,
        "revocation_policy": policy,
        "max_concurrent_invocations": most,
        "created_at": now,
        "expires_at": expires_at or now + timedelta(hours=8),
    }
    names = ", ".join(row)
    values = ", ".join(f"%({name})s" for name in row)
    await fetch(
        storage.pool,
        f"insert into agent_credentials ({names}, agent_epoch)"
        f" select {values}, epoch from agents where id = %(agent_id)s on conflict do nothing",  # pyright: ignore[reportArgumentType]
        row,
    )
    return MadeCredential(made, agent, token, path)
