"""Under which credential an authenticated agent acts, and within what."""

from dataclasses import dataclass

from pydantic import JsonValue

from gateway.agents.grants import Grant
from gateway.ids import AgentId, CredentialId


@dataclass(frozen=True, slots=True)
class Delegation:
    agent: AgentId
    credential: CredentialId
    path: tuple[CredentialId, ...]
    """Above the credential, the first first."""
    agents: frozenset[AgentId]
    """Its agent, and those whose credentials are above."""
    user: str
    """On whose behalf."""
    grants: tuple[Grant, ...]
    models: frozenset[str] | None
    """That all of `agents` may call; None: all that the organisation may."""
    max_concurrent_invocations: int

    @property
    def chain(self) -> tuple[CredentialId, ...]:
        """Whatever is revoked of these ends it."""
        return (*self.path, self.credential)

    @property
    def facts(self) -> dict[str, JsonValue]:
        """What audit entries say of it, besides the agent, who is their actor."""
        return {"credential_id": self.credential, "delegation_path": [*self.path], "delegating_user": self.user}
