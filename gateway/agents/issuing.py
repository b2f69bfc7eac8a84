"""What a credential is issued with: by an API key, or by an agent out of what it has itself (spec B11, D30)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.agents.agent import EXPIRY_HOURS, Agent, RevocationPolicy
from gateway.agents.credential import USUAL_INVOCATIONS, Credential
from gateway.agents.grants import DEEPEST, AgentDelegate, Grant, is_within
from gateway.errors import GatewayError, Kind, ValidationFailedError
from gateway.ids import AgentId, CredentialId
from gateway.tenancy import KeyMode

LONGEST_LIFE = timedelta(hours=EXPIRY_HOURS[1])


class DelegationExceedsParentError(GatewayError):
    """`param` names what is more than the credential has itself."""

    kind, code = Kind.FORBIDDEN, "DELEGATION_EXCEEDS_PARENT"
    message = "A credential hands on no more than it has itself."


@dataclass(frozen=True, slots=True)
class Wish:
    """A credential as somebody asks for it; None: whatever is usual."""

    name: str
    grants: tuple[Grant, ...]
    description: str | None = None
    mode: KeyMode | None = None
    delegating_user: str | None = None
    revocation_policy: RevocationPolicy | None = None
    max_concurrent_invocations: int | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewCredential:
    """What a credential is made of. `path` is empty for one that no agent issued."""

    name: str
    description: str | None
    mode: KeyMode
    grants: tuple[Grant, ...]
    delegating_user: str
    path: tuple[CredentialId, ...]
    revocation_policy: RevocationPolicy
    max_concurrent_invocations: int
    expires_at: datetime


def granted(wish: Wish, agent: Agent, *, by: KeyMode, owner: str | None, now: datetime) -> NewCredential:
    """What an API key of mode `by`, which belongs to the user `owner`, may give to `agent`.

    Raises `ValidationFailedError`, which names the field.
    """
    mode = wish.mode or by
    if by is KeyMode.TEST and mode is KeyMode.LIVE:
        raise ValidationFailedError("A test key can issue test credentials only.", param="mode")
    _require_allowed(wish, agent)
    return NewCredential(
        name=wish.name,
        description=wish.description,
        mode=mode,
        grants=wish.grants,
        delegating_user=_user(wish, owner),
        path=(),
        revocation_policy=wish.revocation_policy or agent.default_revocation_policy,
        max_concurrent_invocations=wish.max_concurrent_invocations or USUAL_INVOCATIONS,
        expires_at=_end(wish, agent, now),
    )


def handed_on(wish: Wish, agent: Agent, chain: Sequence[Credential], *, now: datetime) -> NewCredential:
    """What the last of `chain`, with those above it, the first first, may give to `agent`: in no respect more.

    Raises `DelegationExceedsParentError`, and `ValidationFailedError` for what nobody may give.
    """
    parent = chain[-1]
    _require_way(chain, agent.id)
    _require_allowed(wish, agent)
    for index, grant in enumerate(wish.grants):
        if not is_within(grant, parent.grants):
            raise DelegationExceedsParentError(param=f"granted_scopes[{index}]")
    _require_no_other("mode", wish.mode, parent.mode)
    _require_no_other("delegating_user", wish.delegating_user, parent.delegating_user)
    expires_at = _end(wish, agent, now)
    if wish.expires_at is not None and expires_at > parent.ends_at:
        raise DelegationExceedsParentError(param="expires_at")
    most = wish.max_concurrent_invocations or min(USUAL_INVOCATIONS, parent.max_concurrent_invocations)
    if most > parent.max_concurrent_invocations:
        raise DelegationExceedsParentError(param="max_concurrent_invocations")
    return NewCredential(
        name=wish.name,
        description=wish.description,
        mode=parent.mode,
        grants=wish.grants,
        delegating_user=parent.delegating_user,
        path=(*parent.path, parent.id),
        revocation_policy=wish.revocation_policy or agent.default_revocation_policy,
        max_concurrent_invocations=most,
        expires_at=min(expires_at, parent.ends_at),
    )


def require_owner(user: str, owner: str | None) -> None:
    """Raises `ValidationFailedError` where the key of one user would get a credential of another's."""
    if owner not in (None, user):
        raise ValidationFailedError("`delegating_user` is not the API key's owner.", param="delegating_user")


def _require_way(chain: Sequence[Credential], to: AgentId) -> None:
    """Every credential of `chain` let the next one's agent in, and for at least as many as there are now below it."""
    nexts = (*(each.agent_id for each in chain[1:]), to)
    for place, (above, below) in enumerate(zip(chain, nexts, strict=True)):
        if len(chain) - place > min(_depth(above, below), DEEPEST):
            raise DelegationExceedsParentError(
                "No grant `agent.delegate` lets the credential issue one of this agent's, or none so deep.",
                param="agent_id",
            )


def _depth(credential: Credential, to: AgentId) -> int:
    """How many credentials may follow one another below `credential` that begin with one of the agent `to`."""
    found = (each for each in credential.grants if isinstance(each, AgentDelegate) and each.to_agent_id == to)
    return max((each.max_chain_depth for each in found), default=0)


def _require_allowed(wish: Wish, agent: Agent) -> None:
    for index, grant in enumerate(wish.grants):
        if agent.allowed_scope_types is not None and grant.type not in agent.allowed_scope_types:
            param = f"granted_scopes[{index}].type"
            raise ValidationFailedError(f"`{param}` is not of the agent's `allowed_scope_types`.", param=param)


def _require_no_other(field: str, wanted: str | None, given: str) -> None:
    if wanted is not None and wanted != given:
        raise DelegationExceedsParentError(param=field)


def _user(wish: Wish, owner: str | None) -> str:
    user = wish.delegating_user or owner
    if user is None:
        raise ValidationFailedError("`delegating_user` is required: the API key has no owner.", param="delegating_user")
    require_owner(user, owner)
    return user


def _end(wish: Wish, agent: Agent, now: datetime) -> datetime:
    if wish.expires_at is None:
        return now + timedelta(hours=agent.default_expiry_hours)
    if not now < wish.expires_at <= now + LONGEST_LIFE:
        raise ValidationFailedError(
            f"`expires_at` must be in the future, and within {EXPIRY_HOURS[1]} hours.", param="expires_at"
        )
    return wish.expires_at
