"""How often agents' tools may still be used in this hour.

Uses are counted with the answers that hold them (`journal_sql.CLOSE_INVOCATIONS`), for every credential of a chain:
nobody gets more by handing on. Calls that run at once are admitted before any of them is counted.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, LiteralString

from gateway.agents.delegation import Delegation
from gateway.agents.scope import ToolRateLimitedError, limited_tools
from gateway.clock import Clock
from gateway.conversation import Conversation
from storage.pool import Pool, durable, fetch

_KEPT = timedelta(days=1)

_USED_UP: Final[LiteralString] = """
select 1 from agent_credentials c cross join unnest(%(tools)s::text[]) as wanted(tool)
join agent_tool_uses u on u.credential_id = c.id and u.tool_id = wanted.tool and u.hour = %(hour)s
where c.id = any(%(chain)s) and u.count >= (
  select max(coalesce((g ->> 'rate_limit')::bigint, 9223372036854775807)) from jsonb_array_elements(c.grants) g
  where g ->> 'tool_id' = wanted.tool)
limit 1
"""

_FORGET: Final[LiteralString] = """
delete from agent_tool_uses t
using (select credential_id, tool_id, hour from agent_tool_uses where hour < %(before)s
       order by hour limit %(limit)s for update skip locked) as old
where (t.credential_id, t.tool_id, t.hour) = (old.credential_id, old.tool_id, old.hour)
"""


async def require_tool_room(pool: Pool, conversation: Conversation, delegation: Delegation, *, now: datetime) -> None:
    """Raises `ToolRateLimitedError` when a tool that is offered was used as often as a grant of the chain allows.

    Raises `UnavailableError` when nobody can say.
    """
    tools = limited_tools(conversation, delegation)
    if not tools:
        return
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if await fetch(pool, _USED_UP, {"tools": tools, "hour": hour, "chain": [*delegation.chain]}):
        left = hour + timedelta(hours=1) - now
        raise ToolRateLimitedError(retry_after_s=max(1, -int(-left.total_seconds() // 1)))


async def forget_tool_uses(pool: Pool, clock: Clock, *, limit: int = 1000) -> int:
    """Delete counts of hours long over, oldest first; returns how many. Safe to repeat."""
    async with durable(pool) as connection:
        named = {"before": clock.now() - _KEPT, "limit": limit}
        return (await connection.execute(_FORGET, named)).rowcount
