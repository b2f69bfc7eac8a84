"""The promise of credits changes: for the periods to come and, at once, for the one that runs."""

from gateway.audit import AuditAction
from gateway.ids import OrganizationId, new_ulid
from storage.storage import Storage


async def change_allotment(storage: Storage, org: OrganizationId, allotment: int) -> None:
    """Promise `org` so many credits a period; the one that runs keeps what was carried to it and what it has spent.

    Raises `NotFoundError` for an unknown organisation.
    """
    change = new_ulid()
    async with storage.as_operator(org, command="org.credits") as tx:
        before = await tx.organization.set_allotment(allotment, change=change)
        tx.audit(
            AuditAction.CREDITS_ALLOTTED,
            entity_type="organization",
            entity_id=org,
            metadata={"from": before, "to": allotment, "change": change},
        )
        for event in await tx.organization.newly_reached():
            tx.tell(event)
