"""When tokens were last used: a note for people, written every few seconds and never worth a request."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, LiteralString

from gateway.ids import ApiKeyId, CredentialId
from gateway.tenancy import Principal
from storage.pool import Pool, fetch

_KEYS: Final[LiteralString] = """
with used as (select * from unnest(%s::text[], %s::timestamptz[]) as u(id, at)),
locked as (select k.id from api_keys k join used using (id) order by k.id for update of k)
update api_keys k set last_used_at = used.at
from used join locked using (id)
where k.id = used.id and (k.last_used_at is null or k.last_used_at < used.at)
"""

# No key update: whoever hands a credential on refers to it, and need not wait for this.
_CREDENTIALS: Final[LiteralString] = """
with used as (select * from unnest(%s::text[], %s::timestamptz[]) as u(id, at)),
locked as (select c.id from agent_credentials c join used using (id) order by c.id for no key update of c)
update agent_credentials c set last_used_at = used.at
from used join locked using (id)
where c.id = used.id and (c.last_used_at is null or c.last_used_at < used.at)
"""


class LastUse:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._keys: dict[ApiKeyId, datetime] = {}
        self._credentials: dict[CredentialId, datetime] = {}

    def note(self, principal: Principal, at: datetime) -> None:
        if principal.key is not None:
            self._keys[principal.key] = at
        elif principal.delegation is not None:
            self._credentials[principal.delegation.credential] = at

    async def write(self) -> None:
        """What was noted since it was written last. Raises `UnavailableError`, and has forgotten it then."""
        keys, self._keys = self._keys, {}
        credentials, self._credentials = self._credentials, {}
        await self._write(_KEYS, keys)
        await self._write(_CREDENTIALS, credentials)

    async def _write(
        self, statement: LiteralString, used: Mapping[ApiKeyId, datetime] | Mapping[CredentialId, datetime]
    ) -> None:
        if used:
            await fetch(self._pool, statement, [[*used], [*used.values()]])
