"""What of the audit log waits for its seal, and for how long."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.ids import OrganizationId
from storage.pool import Pool, fetch

OVERDUE = timedelta(seconds=5)
"""An entry that waits for its seal so long has somebody called."""

_OLDEST = """
select e.created_at from audit_pending p join audit_entries e on e.id = p.entry_id order by p.entry_id limit 1
"""

_COUNT = "select count(*) from audit_pending"

_BY_ORGANIZATION = """
select e.org_id, count(*), min(e.created_at) from audit_pending p join audit_entries e on e.id = p.entry_id
group by e.org_id
"""


@dataclass(frozen=True, slots=True)
class Unsealed:
    """So many entries, and how long the oldest of them has waited."""

    count: int
    longest: timedelta

    @property
    def is_overdue(self) -> bool:
        return self.longest > OVERDUE


async def overdue(pool: Pool, *, now: datetime) -> Unsealed | None:
    """All that waits, if anything has waited too long. Cheap as long as nothing has."""
    oldest = await fetch(pool, _OLDEST)
    if not oldest or now - oldest[0][0] <= OVERDUE:
        return None
    ((count,),) = await fetch(pool, _COUNT)
    return Unsealed(count, now - oldest[0][0])


async def by_organization(pool: Pool, *, now: datetime) -> dict[OrganizationId, Unsealed]:
    """Only those where something waits. Reads all of it."""
    rows = await fetch(pool, _BY_ORGANIZATION)
    return {OrganizationId(org): Unsealed(count, max(now - oldest, timedelta())) for org, count, oldest in rows}
