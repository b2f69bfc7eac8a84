"""Who is asking, and what their organisation allows: the snapshot every request is judged by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from gateway.agents.delegation import Delegation
from gateway.ids import AcceptanceId, ApiKeyId, CredentialId, OrganizationId
from gateway.phi.screening import Screening

AUTO = "auto"
"""What callers send for a model to have one chosen."""
EVERY_TOOL = "*"
"""Among an organisation's allowed tools: all that there are, by themselves."""

DEFAULT_TIER = "enterprise"
"""Of an organisation for which nobody chose one: it has no limits unless the operator gives that tier some."""


class Scope(StrEnum):
    AI_CHAT = "ai:chat"
    AI_DOCUMENTS = "ai:documents"
    AI_EMBEDDINGS = "ai:embeddings"
    AI_SUMMARIZE = "ai:summarize"
    CONTROL_READ = "control:read"
    CONTROL_WRITE = "control:write"
    CONTROL_WEBHOOKS = "control:webhooks"
    WORKFLOW_INVOKE = "workflow:invoke"
    END_USERS_READ = "org.end_users.read"
    END_USERS_WRITE = "org.end_users.write"


class KeyMode(StrEnum):
    """A test key reaches the sandbox upstream only (spec O8); everything else about it is real."""

    LIVE = "live"
    TEST = "test"


class PhiMode(StrEnum):
    REDACT = "redact"
    BLOCK = "block"
    ALLOW = "allow"


class StorageMode(StrEnum):
    FULL = "full"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller. `network` is the address the request came from, for the audit log."""

    org: OrganizationId
    key: ApiKeyId | None
    scopes: frozenset[Scope]
    mode: KeyMode
    family: ApiKeyId | None = None
    """The first key of the line of successors that `key` is in: limits are of the line."""
    user: str | None = None
    delegation: Delegation | None = None
    """Of an agent, which has no key: what it acts under."""

    @property
    def actor(self) -> str | None:
        """Who acts, in the audit log's spelling."""
        if self.delegation is not None:
            return f"agent:{self.delegation.agent}"
        return f"key:{self.key}" if self.key else self.user

    @property
    def line(self) -> str | None:
        """Whom rates are of: an agent, or the line of successors that a key is in."""
        return self.delegation.agent if self.delegation is not None else self.family or self.key


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose token asked for work that goes on without it: a key's, or an agent's credential's; one of the two."""

    org: OrganizationId
    key: ApiKeyId | None
    credential: CredentialId | None

    @classmethod
    def of(cls, principal: Principal) -> "Caller":
        delegation = principal.delegation
        return cls(principal.org, principal.key, delegation.credential if delegation else None)


@dataclass(frozen=True, slots=True)
class Agreement:
    """An accepted BAA in force. `covers` are the upstream covers it extends to (`hasp_anthropic_baa_2026`).

    `expires_at` is its end, whether agreed or decided since.
    """

    id: AcceptanceId
    covers: frozenset[str]
    effective_at: datetime
    expires_at: datetime | None

    def is_active(self, now: datetime) -> bool:
        return self.effective_at <= now and (self.expires_at is None or now < self.expires_at)


Unscannable = Literal["refuse", "pass"]


@dataclass(frozen=True, slots=True)
class Policy:
    """An organisation's choices that bear on one inference."""

    phi_mode: PhiMode = PhiMode.REDACT
    screening: Screening = field(default_factory=Screening)
    storage_mode: StorageMode = StorageMode.FULL
    restore_answers: bool = True
    unscannable: Unscannable = "refuse"
    """What happens to images and PDFs, which the guard cannot read (D18); block mode always refuses."""
    opus_enabled: bool = False
    premium_models: frozenset[str] = frozenset()
    failover_enabled: bool = False
    """Whether an equivalent model of another vendor, under the same or a better cover, may answer (D12)."""
    agreement: Agreement | None = None
    readable_until: datetime | None = None
    """How long records can be read though no agreement is in force any more."""
    tier: str = DEFAULT_TIER
    """Its name in the table of rate limits (`gateway.limits.tiers`)."""
    allowed_tools: tuple[str, ...] = (EVERY_TOOL,)
    """Of those that the gateway runs: their names, or what a name begins with and `*`."""
    default_model: str | None = None
    """Of native chats that name none: a model's id, or `AUTO`."""
    phi_retrieval_behavior: PhiMode = PhiMode.REDACT
    """What PHI in the input of a tool that the gateway runs comes to: with `block` the chat ends."""

    def allows_tool(self, name: str) -> bool:
        """Whether the organisation's chats may use the tool of that name."""
        return any(
            name.startswith(each.removesuffix("*")) if each.endswith("*") else name == each
            for each in self.allowed_tools
        )


class AutoMode(StrEnum):
    """How far `model: "auto"` may reach (spec U25)."""

    LITE = "lite"
    PERFORMANCE = "performance"
    TURBO = "turbo"


@dataclass(frozen=True, slots=True)
class ModelChoices:
    """What whoever uses a key has chosen about names of models."""

    shorthands: Mapping[str, str] = field(default_factory=dict[str, str])
    """Models by the shorthands of `/v1/anthropic/*` (`sonnet`); empty while the mapping is switched off."""
    auto_mode: AutoMode = AutoMode.PERFORMANCE


@dataclass(frozen=True, slots=True)
class Access:
    """One consistent snapshot of a key and its organisation, at most a few seconds old."""

    principal: Principal
    policy: Policy
    choices: ModelChoices = field(default_factory=ModelChoices)
