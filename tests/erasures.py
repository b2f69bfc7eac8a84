"""People with something kept of them, and requests to erase them, for every ring that erases."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from activities.end_user_erasure import ErasureWanted
from gateway.audit import AuditAction
from gateway.end_users.erasure import Erasure
from gateway.ids import EndUserId, InferenceId, OrganizationId
from gateway.inference.call import Call
from storage import Storage
from storage.end_users import erasing
from storage.end_users.removing import Removing
from storage.end_users.scanning import Scanning
from storage.pool import fetch
from tests.tenants import HAIKU, Tenant, make_call, make_conversation, make_outcome

NAME = "maria.lopez@a.example"
CANARY = "The canary sings at dawn."


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom calls of `tenant` named."""

    tenant: Tenant
    id: EndUserId
    digest: str
    calls: Sequence[InferenceId]

    @property
    def org(self) -> OrganizationId:
        return self.tenant.org


class NoRuns:
    """Implements `activities.end_user_erasure.ErasureRuns` where nothing is started."""

    async def start(self, wanted: ErasureWanted) -> None:
        raise AssertionError(wanted)


async def named_call(storage: Storage, tenant: Tenant, name: str = NAME) -> Call:
    """A completed call that names somebody."""
    call = await begun_call(storage, tenant, name)
    await storage.journal.close(make_outcome(call, text=CANARY))
    return call


async def begun_call(storage: Storage, tenant: Tenant, name: str = NAME) -> Call:
    """One that runs."""
    conversation = replace(make_conversation(CANARY), end_user=name)
    call = make_call(await storage.access.resolve(tenant.token), conversation=conversation)
    await storage.journal.open(call, HAIKU, 500)
    return call


async def make_person(storage: Storage, tenant: Tenant, *, calls: int = 2, name: str = NAME) -> Person:
    """With calls, findings in them, an answer under an idempotency key and an export that is there."""
    made = [(await named_call(storage, tenant, name)).id for _ in range(calls)]
    end_user = await storage.end_users.of(tenant.org, name)
    person = Person(tenant, end_user.id, end_user.digest, made)
    for call in made:
        await fetch(
            storage.pool,
            "insert into phi_findings (inference_id, org_id, findings) values (%s, %s, '[]') on conflict do nothing",
            [call, tenant.org],
        )
        await fetch(
            storage.pool,
            "insert into idempotency_keys (org_id, digest, body_digest, inference_id, created_at)"
            " values (%s, %s, '', %s, now()) on conflict do nothing",
            [tenant.org, call.encode(), call],
        )
    await make_export(storage, person)
    return person


async def make_export(storage: Storage, person: Person, *, state: str = "ready") -> str:
    """One with a part. What is in it is not what an export has."""
    async with storage.as_operator(person.org, command="test") as tx:
        made = await tx.end_user_exports.open_export(person.id, by="system:test")
        assert made is not None
        tx.audit(AuditAction.AUDIT_EXPORT_REQUESTED, entity_type="end_user_export", entity_id=made.id)
    await fetch(storage.pool, "update end_user_exports set state = %s where id = %s", [state, made.id])
    await fetch(
        storage.pool,
        "insert into end_user_export_parts (export_id, number, org_id, dataset, path, records, size, sha256, cursor,"
        " content) values (%s, 1, %s, 'profile', 'data/profile-000001.ndjson', 1, 2, '', '', 'x')"
        " on conflict do nothing",
        [made.id, person.org],
    )
    return made.id


async def request(storage: Storage, person: Person, *, reference: str | None = None) -> Erasure:
    async with storage.as_operator(person.org, command="test") as tx:
        return await erasing.request(tx, person.id, reference=reference)


async def set_hold(storage: Storage, person: Person, *, is_set: bool = True) -> None:
    """On the person."""
    await fetch(
        storage.pool,
        "update end_users set held_at = case when %(on)s then now() end, hold_reason = case when %(on)s then"
        " 'litigation' end where id = %(id)s",
        {"on": is_set, "id": person.id},
    )


async def set_policy(
    storage: Storage, person: Person, *, legal_hold: bool | None = None, minimum_days: int | None = None
) -> None:
    """As an operator would, without the delays of that."""
    await fetch(
        storage.pool,
        "update organizations set legal_hold = coalesce(%s, legal_hold),"
        " minimum_retention_days = coalesce(%s, minimum_retention_days) where id = %s",
        [legal_hold, minimum_days, person.org],
    )


async def state_of(storage: Storage, person: Person) -> str:
    rows = await fetch(storage.pool, "select state from end_users where id = %s", [person.id])
    return rows[0][0]


async def audited(storage: Storage, person: Person) -> list[tuple[str, dict[str, Any]]]:
    """What the audit log says of erasures of the person, in order."""
    rows = await fetch(
        storage.pool,
        "select action, metadata from audit_entries where subject_id_hmac = %s and entity_type = 'end_user_erasure'"
        " order by created_at, id",
        [person.digest],
    )
    return [(row[0], row[1]) for row in rows]


async def told(storage: Storage, person: Person, kind: str) -> list[dict[str, Any]]:
    rows = await fetch(
        storage.pool, "select data from outbox where org_id = %s and type = %s order by id", [person.org, kind]
    )
    return [row[0] for row in rows]


async def has_content(storage: Storage, person: Person) -> list[bool]:
    """Of each of their calls, in order, whether it can be read."""
    access = await storage.access.resolve(person.tenant.token)
    async with storage.read(access.principal) as tx:
        return [(await tx.inferences.get(call)).content is not None for call in person.calls]


async def key_of(storage: Storage, person: Person) -> tuple[bytes | None, datetime | None]:
    rows = await fetch(
        storage.pool, "select sealed, destroyed_at from end_user_keys where end_user_id = %s", [person.id]
    )
    return rows[0][0], rows[0][1]


async def restrict(storage: Storage, erasure: Erasure) -> Erasure:
    return await erasing.restrict(storage, erasure.org, erasure.id, now=datetime.now(UTC))


async def shred(storage: Storage, erasure: Erasure) -> Erasure:
    now = datetime.now(UTC)
    decided = await erasing.decide(storage, erasure.org, erasure.id, now=now)
    return await erasing.shred(storage, storage.tombstones, decided, keys_gone_on=now.date(), at=now)


async def shredded(storage: Storage, person: Person) -> Erasure:
    return await shred(storage, await restrict(storage, await request(storage, person)))


async def remove(storage: Storage, erasure: Erasure) -> None:
    removing = Removing(storage.pool, storage.clock, erasure)
    after: str | None = ""
    while after is not None:
        after = await removing.records(after)
    digest: bytes | None = b""
    while digest is not None:
        digest = await removing.answers(digest)
    while await removing.export_parts():
        pass


async def scan(storage: Storage, erasure: Erasure) -> Erasure:
    now = datetime.now(UTC)
    found, kept = await Scanning(storage.pool, storage.end_users.digests, erasure).run(now=now)
    return await erasing.note_scan(storage, erasure, found, kept, now=now)
