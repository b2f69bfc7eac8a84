"""When a credential may be used, as SQL: one place for every statement that decides it.

`c` is the credential, `g` its agent, `%(now)s` the time. A revoked or expired ancestor, or one whose agent was
archived since it was issued, ends all below it: so one changed row denies a whole tree at once (decision 0019).
"""

from typing import Final, LiteralString

CHAIN_HOLDS: Final[LiteralString] = """
not exists (
  select from agent_credentials above join agents theirs on theirs.id = above.agent_id
  where above.id = any(c.path) and (above.revoked_at is not null or above.expires_at <= %(now)s
    or theirs.status <> 'active' or theirs.epoch <> above.agent_epoch))
"""
"""Nothing above it has ended. An ancestor that was rotated does not end what it gave."""

USABLE: Final[LiteralString] = f"""
c.revoked_at is null and least(c.expires_at, c.retires_at) > %(now)s
and g.status = 'active' and g.epoch = c.agent_epoch and {CHAIN_HOLDS}
"""

CUT: Final[LiteralString] = """
(c.revoked_at is not null and c.cuts_calls or g.status <> 'active' or g.epoch <> c.agent_epoch or exists (
  select from agent_credentials above join agents theirs on theirs.id = above.agent_id
  where above.id = any(c.path)
    and (above.revoked_at is not null or theirs.status <> 'active' or theirs.epoch <> above.agent_epoch)))
"""
"""Whether calls that run with it end now. Nothing that merely expired cuts a call, nor what is revoked and drained;
what is above a credential cuts it in any case (spec B11).
"""
