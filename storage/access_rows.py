"""What the database says of tokens, and of what their organisations allow, in one row each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, LiteralString

from gateway.agents import credential
from gateway.agents.credential import UnusableCredentialError
from gateway.agents.delegation import Delegation
from gateway.agents.grants import load
from gateway.clock import Clock
from gateway.errors import InvalidApiKeyError
from gateway.ids import AcceptanceId, AgentId, ApiKeyId, CredentialId, OrganizationId
from gateway.keys import api_key
from gateway.keys.api_key import ExpiredApiKeyError, RevokedApiKeyError
from gateway.keys.networks import Network, stored_networks
from gateway.phi.findings import Entity
from gateway.phi.screening import SELECTABLE, Profile, Screening
from gateway.tenancy import Agreement, KeyMode, ModelChoices, PhiMode, Policy, Principal, Scope, StorageMode
from storage.agents.usable import USABLE
from storage.auto_modes import OF_CREDENTIAL, OF_KEY, read_auto_mode
from storage.group_commit import GroupCommit
from storage.pool import Pool, fetch
from storage.terms import Terms

_POLICY: Final[LiteralString] = """
  o.phi_mode, o.storage_mode, o.restore_answers, o.unscannable, o.opus_enabled, o.premium_models, o.failover_enabled,
  o.tier, o.phi_profile, o.phi_entities, o.phi_threshold_milli, o.phi_answers,
  o.allowed_tools, o.default_model, o.phi_retrieval_behavior,
  a.id, a.covers, a.effective_at, least(a.expires_at, a.ends_at),
  (select max(least(e.expires_at, e.ends_at) + make_interval(days => e.grace_days))
   from baa_acceptances e where e.org_id = o.id and e.status <> 'pending')
"""

_POLICY_BY_ORG: Final[LiteralString] = f"""
select o.phi_terms, {_POLICY} from organizations o
left join baa_acceptances a on a.org_id = o.id and a.status = 'active'
where o.id = %(org)s
"""  # noqa: S608 - constants of ours
_EVERY_KEY: Final[LiteralString] = f"""
select k.digest, k.org_id, o.phi_terms, k.id, k.family, k.scopes, k.mode, k.revoked_at is not null,
  least(k.expires_at, k.retires_at), k.networks, replaced.id is not null,
  case when k.model_shorthands_enabled then k.model_shorthands else '{{}}' end, {OF_KEY}, {_POLICY}
from api_keys k
join organizations o on o.id = k.org_id
left join baa_acceptances a on a.org_id = o.id and a.status = 'active'
left join api_keys replaced on replaced.id = k.replaces and replaced.retires_at is null and replaced.revoked_at is null
"""  # noqa: S608 - constants of ours
_KEYS: Final[LiteralString] = _EVERY_KEY + "where k.digest = any(%(digests)s)"
_KEY_BY_ID: Final[LiteralString] = _EVERY_KEY + "where k.org_id = %(org)s and k.id = %(id)s"

_EVERY_CREDENTIAL: Final[LiteralString] = f"""
select c.digest, c.org_id, o.phi_terms, c.id, c.agent_id, c.path, c.delegating_user, c.grants, chain.agents,
  chain.models, c.max_concurrent_invocations, c.mode, not ({USABLE}),
  least(c.expires_at, c.retires_at, (select min(above.expires_at) from agent_credentials above
                                     where above.id = any(c.path))), {OF_CREDENTIAL}, {_POLICY}
from agent_credentials c
join agents g on g.id = c.agent_id
join organizations o on o.id = c.org_id
left join baa_acceptances a on a.org_id = o.id and a.status = 'active'
cross join lateral (
  -- Lists of models, of those agents that have one: JSON, for arrays of arrays must be of one length.
  select array_agg(distinct each.id) as agents,
    jsonb_agg(each.allowed_models) filter (where each.allowed_models is not null) as models
  from agent_credentials link join agents each on each.id = link.agent_id
  where link.id = c.id or link.id = any(c.path)) chain
"""  # noqa: S608 - constants of ours
_CREDENTIALS: Final[LiteralString] = _EVERY_CREDENTIAL + "where c.digest = any(%(digests)s)"
_CREDENTIAL_BY_ID: Final[LiteralString] = _EVERY_CREDENTIAL + "where c.org_id = %(org)s and c.id = %(id)s"


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom a token was given to, whether or not it is good for anything still."""

    principal: Principal
    has_ended: bool
    expires_at: datetime | None
    policy: Sequence[Any]
    """A row's part for `policy_of`."""
    terms: bytes | None
    """The organisation's own, sealed."""
    networks: tuple[Network, ...] = ()
    is_awaited: bool = False
    """Whether a key that it replaces waits for its first use."""
    choices: ModelChoices = field(default_factory=ModelChoices)


class Bearers:
    """Looks tokens up. What nobody has is looked up each time: a flood of it shares two connections at most."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._keys = GroupCommit(self._look_up_keys)
        self._credentials = GroupCommit(self._look_up_credentials)

    async def find(self, token: str, digests: Sequence[bytes]) -> Bearer | None:
        """Whose `token`, whose digests these are, is. Raises `UnavailableError`."""
        if credential.is_well_formed(token):
            row = await self._credentials.submit(digests)
            return None if row is None else _of_credential(row)
        row = await self._keys.submit(digests)
        return None if row is None else _of_key(row)

    async def close(self) -> None:
        await self._keys.close()
        await self._credentials.close()

    async def _look_up_keys(self, wanted: Sequence[Sequence[bytes]]) -> Sequence[Sequence[Any] | None]:
        return await self._look_up(_KEYS, wanted)

    async def _look_up_credentials(self, wanted: Sequence[Sequence[bytes]]) -> Sequence[Sequence[Any] | None]:
        return await self._look_up(_CREDENTIALS, wanted)

    async def _look_up(
        self, statement: LiteralString, wanted: Sequence[Sequence[bytes]]
    ) -> Sequence[Sequence[Any] | None]:
        """For the digests of each token its row, if there is one."""
        asked = {"digests": [digest for digests in wanted for digest in digests], "now": self._clock.now()}
        known: dict[bytes, Sequence[Any]] = {row[0]: row for row in await fetch(self._pool, statement, asked)}
        return [next((known[digest] for digest in digests if digest in known), None) for digests in wanted]


async def bearer_by_id(
    pool: Pool, org: OrganizationId, *, key: ApiKeyId | None, credential: CredentialId | None, now: datetime
) -> Bearer | None:
    """Who has a key, or else an agent's credential, by its id. Raises `UnavailableError`."""
    statement = _CREDENTIAL_BY_ID if key is None else _KEY_BY_ID
    rows = await fetch(pool, statement, {"org": org, "id": credential if key is None else key, "now": now})
    if not rows:
        return None
    return _of_credential(rows[0]) if key is None else _of_key(rows[0])


async def policy_by_org(pool: Pool, org: OrganizationId) -> tuple[bytes | None, Sequence[Any]] | None:
    """Terms as they are sealed, and what `policy_of` reads; None for an unknown organisation. Raises as above."""
    rows = await fetch(pool, _POLICY_BY_ORG, {"org": org})
    return (rows[0][0], rows[0][1:]) if rows else None


def is_well_formed(token: str) -> bool:
    """Whether `token` could be anybody's: what fails here is refused without a look-up."""
    return api_key.is_well_formed(token) or credential.is_well_formed(token)


def ended(principal: Principal, *, expired: bool) -> InvalidApiKeyError:
    """What refuses `principal`, whose token was revoked, or has expired."""
    if principal.key is None:
        return UnusableCredentialError(principal)
    return (ExpiredApiKeyError if expired else RevokedApiKeyError)(principal.org, principal.key)


def _of_key(row: Sequence[Any]) -> Bearer:
    _, org, terms, key, family, scopes, mode, revoked, expires_at, networks, awaited, shorthands, auto, *policy = row
    principal = Principal(
        org=OrganizationId(org),
        key=ApiKeyId(key),
        scopes=frozenset(map(Scope, scopes)),
        mode=KeyMode(mode),
        family=ApiKeyId(family),
    )
    choices = ModelChoices(shorthands, read_auto_mode(auto))
    return Bearer(principal, revoked, expires_at, policy, terms, stored_networks(networks), awaited, choices)


def _of_credential(row: Sequence[Any]) -> Bearer:
    _, org, terms, found, agent, path, user, grants, agents, models, most, mode, unusable, ends_at, auto, *policy = row
    delegation = Delegation(
        agent=AgentId(agent),
        credential=CredentialId(found),
        path=tuple(map(CredentialId, path)),
        agents=frozenset(map(AgentId, agents)),
        user=user,
        grants=tuple(map(load, grants)),
        models=None if models is None else frozenset[str].intersection(*map(frozenset[str], models)),
        max_concurrent_invocations=most,
    )
    principal = Principal(
        org=OrganizationId(org),
        key=None,
        scopes=frozenset({Scope.AI_CHAT}),
        mode=KeyMode(mode),
        delegation=delegation,
    )
    choices = ModelChoices(auto_mode=read_auto_mode(auto))
    return Bearer(principal, unusable, ends_at, policy, terms, choices=choices)


def policy_of(row: Sequence[Any], terms: Terms) -> Policy:
    phi_mode, storage_mode, restore_answers, unscannable, opus_enabled, premium_models, failover_enabled = row[:7]
    acceptance, covers, effective_at, expires_at, readable_until = row[15:]
    agreement = Agreement(AcceptanceId(acceptance), frozenset(covers), effective_at, expires_at) if acceptance else None
    return Policy(
        phi_mode=PhiMode(phi_mode),
        screening=_screening(row[8:12], terms),
        storage_mode=StorageMode(storage_mode),
        restore_answers=restore_answers,
        unscannable=unscannable,
        opus_enabled=opus_enabled,
        premium_models=frozenset(premium_models),
        failover_enabled=failover_enabled,
        agreement=agreement,
        tier=row[7],
        allowed_tools=tuple(row[12]),
        default_model=row[13],
        phi_retrieval_behavior=PhiMode(row[14]),
        readable_until=readable_until,
    )


def _screening(row: Sequence[Any], terms: Terms) -> Screening:
    profile, entities, threshold_milli, answers = row
    return Screening(
        profile=Profile(profile),
        entities=SELECTABLE if entities is None else frozenset(map(Entity, entities)),
        threshold_milli=threshold_milli,
        deny_terms=terms.deny,
        allow_terms=terms.allow,
        answers=answers,
    )
