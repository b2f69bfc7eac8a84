"""What a token is good for now, read from the database at each look: nobody else has to trust a cache of ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from gateway.agents import credential
from gateway.agents.grants import Grant, load
from gateway.clock import Clock
from gateway.ids import AgentId, CredentialId, OrganizationId
from gateway.keys.api_key import digests
from gateway.tenancy import KeyMode
from storage.agents.usable import USABLE
from storage.keyring import Ring
from storage.pool import Pool, fetch

_FIND: LiteralString = f"""
select c.id, c.agent_id, c.mode, c.grants, c.delegating_user, c.path, c.created_at, least(c.expires_at, c.retires_at),
  array(select above.agent_id from unnest(c.path) with ordinality as p(id, place)
    join agent_credentials above using (id) order by place),
  {USABLE}
from agent_credentials c join agents g on g.id = c.agent_id
where c.digest = any(%(digests)s) and c.org_id = %(org)s
"""  # noqa: S608 - joins constants


@dataclass(frozen=True, slots=True)
class Introspected:
    """A credential as a service that is shown its token may know it."""

    id: CredentialId
    agent_id: AgentId
    mode: KeyMode
    grants: tuple[Grant, ...]
    delegating_user: str
    path: tuple[CredentialId, ...]
    """Its ancestors, the first first."""
    agents: Sequence[AgentId]
    """Whose those are."""
    issued_at: datetime
    ends_at: datetime
    is_usable: bool


class Introspection:
    def __init__(self, pool: Pool, peppers: Ring, clock: Clock) -> None:
        self._pool = pool
        self._peppers = peppers
        self._clock = clock

    async def find(self, org: OrganizationId, token: str) -> Introspected | None:
        """The credential of `org` whose token this is. Raises `UnavailableError`."""
        if not credential.is_well_formed(token):
            return None
        asked = {"digests": digests(token, self._peppers.keys), "org": org, "now": self._clock.now()}
        rows = await fetch(self._pool, _FIND, asked)
        if not rows:
            return None
        found, agent, mode, grants, user, path, issued_at, ends_at, agents, usable = rows[0]
        return Introspected(
            id=CredentialId(found),
            agent_id=AgentId(agent),
            mode=KeyMode(mode),
            grants=tuple(map(load, grants)),
            delegating_user=user,
            path=tuple(map(CredentialId, path)),
            agents=[*map(AgentId, agents)],
            issued_at=issued_at,
            ends_at=ends_at,
            is_usable=usable,
        )
