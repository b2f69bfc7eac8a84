"""Credentials of agents: how they look and what may be shown of them (spec B11, D2).

`hasp_agent_` or `hasp_agent_test_`, then 32 characters as API keys have them.
Only a keyed hash is stored, under the pepper of the API keys.
"""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.agents.agent import RevocationPolicy
from gateway.agents.grants import Grant
from gateway.errors import GatewayError, InvalidApiKeyError, Kind
from gateway.ids import AgentId, CredentialId
from gateway.keys.api_key import ALPHABET
from gateway.tenancy import KeyMode, Principal

NAME_LENGTH = (2, 255)
INVOCATIONS = (1, 1000)
USUAL_INVOCATIONS = 10
MOST_BELOW = 10_000
"""Credentials below the first of a chain that have not ended: each has a workflow, and any agent could make them."""
_SHAPE = re.compile(r"hasp_agent_(test_)?[0-9A-Za-z]{32}\Z", re.ASCII)


class CredentialStatus(StrEnum):
    ACTIVE = "active"
    REVOKED = "revoked"
    EXPIRED = "expired"
    """By its own end, or because its overlap with a successor is over."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What may be shown of a credential after it was issued."""

    id: CredentialId
    agent_id: AgentId
    name: str
    description: str | None
    mode: KeyMode
    last_four: str
    grants: tuple[Grant, ...]
    delegating_user: str
    path: tuple[CredentialId, ...]
    """Its ancestors, the first first."""
    family: CredentialId
    replaces: CredentialId | None
    revocation_policy: RevocationPolicy
    max_concurrent_invocations: int
    issued_by: str | None
    created_at: datetime
    expires_at: datetime
    retires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    revocation_reason: str | None = None

    @property
    def prefix(self) -> str:
        return prefix(self.mode)

    @property
    def parent(self) -> CredentialId | None:
        return self.path[-1] if self.path else None

    @property
    def ends_at(self) -> datetime:
        """From then on it is refused, by its own end or its overlap's."""
        return self.expires_at if self.retires_at is None else min(self.expires_at, self.retires_at)

    def status(self, now: datetime) -> CredentialStatus:
        if self.revoked_at is not None:
            return CredentialStatus.REVOKED
        return CredentialStatus.EXPIRED if self.ends_at <= now else CredentialStatus.ACTIVE


def mint(mode: KeyMode) -> str:
    """A new credential's token, to be shown once."""
    return prefix(mode) + "".join(secrets.choice(ALPHABET) for _ in range(32))


def prefix(mode: KeyMode) -> str:
    return "hasp_agent_" if mode is KeyMode.LIVE else "hasp_agent_test_"


def is_well_formed(token: str) -> bool:
    """Whether `token` could be a credential at all."""
    return _SHAPE.match(token) is not None


class UnusableCredentialError(InvalidApiKeyError):
    """Revoked or expired, or something above it was: as any other refusal to its sender; the audit log knows whose."""

    def __init__(self, principal: Principal) -> None:
        super().__init__()
        self.principal = principal


class CredentialEndedError(GatewayError):
    kind, code = Kind.CONFLICT, "AGENT_CREDENTIAL_ENDED"
    message = "The credential is revoked or has expired. Issue another."


class TooManyCredentialsError(GatewayError):
    kind, code = Kind.CONFLICT, "TOO_MANY_AGENT_CREDENTIALS"
    message = f"The first credential of the chain has {MOST_BELOW:,} below it, which is all it can have."


class AlreadyRotatedCredentialError(GatewayError):
    kind, code = Kind.CONFLICT, "AGENT_CREDENTIAL_ALREADY_ROTATED"
    message = "The credential has a successor already. Rotate that."
