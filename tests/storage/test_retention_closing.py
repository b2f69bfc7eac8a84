"""When a terminated organisation's content is to be destroyed, as the database sees it and as the domain does."""

import random
from datetime import UTC, datetime, timedelta

from gateway.baa.acceptance import AcceptanceStatus, standing_of
from gateway.ids import OrganizationId, new_ulid
from gateway.tenancy import KeyMode, Principal
from storage import Storage
from storage.retention import kept_after
from tests.tenants import make_tenant

NOW = datetime(2026, 6, 1, tzinfo=UTC)
STATUSES = ("active", "pending", "superseded", "expired", "terminated")


async def with_agreements(storage: Storage, chance: random.Random) -> OrganizationId:
    """An organisation that accepted up to three times, each of which may be at any point of its life."""
    org = (await make_tenant(storage, agreement=False)).org
    statuses = chance.choices(STATUSES, (6, 1, 2, 2, 4), k=chance.randrange(4))
    if statuses.count("active") > 1 or statuses.count("pending") > 1:
        statuses = ["terminated", *statuses[:1]]
    async with storage.pool.connection() as connection:
        for status in statuses:
            ends_as = chance.choice((None, "terminated", "superseded"))
            await connection.execute(
                "insert into baa_acceptances (id, org_id, template_version, template_sha256, covers, signer_name,"
                " signer_title, signer_email, accepted_at, effective_at, status, expires_at, ends_at, ends_as,"
                " grace_days) values (%s, %s, 'test', 'x', '{}', 'A', 'B', 'C', %s, %s, %s, %s, %s, %s, %s)",
                [
                    *(new_ulid(), org, NOW, NOW, status),
                    chance.choice((None, *_around(chance))),
                    chance.choice(_around(chance)) if ends_as else None,
                    ends_as,
                    chance.choice((0, 5, 30)),
                ],
            )
    return org


def _around(chance: random.Random) -> tuple[datetime, ...]:
    return tuple(NOW + timedelta(days=days) for days in (-40, -3, 0, 3, chance.randint(-50, 50)))


async def closed_from(storage: Storage, org: OrganizationId) -> datetime | None:
    async with storage.read(Principal(org, None, frozenset(), KeyMode.LIVE)) as tx:
        acceptances = await tx.agreements.newest()
    standing = standing_of(acceptances, NOW)
    if standing.status is not AcceptanceStatus.TERMINATED:
        return None
    return max((each.readable_until for each in acceptances if each.readable_until is not None), default=None)


async def test_the_database_and_the_domain_agree_on_who_is_closed_and_from_when_on(storage: Storage) -> None:
    chance = random.Random(7)
    orgs = [await with_agreements(storage, chance) for _ in range(150)]

    kept = await kept_after(storage.pool, "", now=NOW, limit=1_000)

    expected = {org: await closed_from(storage, org) for org in orgs}
    assert {each.org: each.closed_from for each in kept if each.org in expected} == expected
    assert sum(each is not None for each in expected.values()) > 10
