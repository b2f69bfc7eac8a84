"""Which key seals: signed from the first entry on, one key at a time, and none that was taken back."""

import asyncio

import psycopg
import pytest

from gateway.audit.signing import KeyStatus, SigningKey, is_signed, raw_public_key
from gateway.clock import SystemClock
from gateway.errors import NotFoundError
from gateway.ids import PLATFORM
from storage import Storage, audit_keys
from storage.audit_keys import KeyNotActiveError, signing_key
from storage.audit_verification import verify
from storage.sequencer import Sequencer
from tests.conftest import Database
from tests.tenants import HAIKU, Tenant, make_call, make_outcome, make_tenant

OTHER = SigningKey(bytes(range(32)))


def sequencer(storage: Storage, key: SigningKey | None = None) -> Sequencer:
    return Sequencer(storage.pool, SystemClock(), key or signing_key(storage.keyring.audit))


async def statuses(storage: Storage) -> dict[str, KeyStatus]:
    return {known.key.key_id: known.key.status for known in await audit_keys.audit_keys(storage.pool)}


async def retire(storage: Storage, key: SigningKey) -> bool:
    return await audit_keys.retire(storage.pool, key.key_id, at=SystemClock().now(), by="system:test")


async def revoke(storage: Storage, key: SigningKey) -> bool:
    return await audit_keys.revoke(storage.pool, key.key_id, at=SystemClock().now(), by="system:test")


async def test_every_seal_is_signed_by_the_published_key(storage: Storage, database: Database) -> None:
    await make_tenant(storage)
    await sequencer(storage).seal()

    (known,) = await audit_keys.audit_keys(storage.pool)
    with psycopg.connect(database.owner_url) as connection:
        seals = connection.execute("select hash, signature, key_id, sealed_at from audit_seals").fetchall()
    public = raw_public_key(known.key.public_key_pem)
    assert len(seals) >= 1
    assert all(is_signed(sealed, signature, public) for sealed, signature, *_ in seals)
    assert all(key_id == known.key.key_id and at >= known.key.published_at for *_, key_id, at in seals)


async def test_another_key_takes_over_and_the_one_before_is_retired(storage: Storage) -> None:
    first = signing_key(storage.keyring.audit)
    tenant = await make_tenant(storage)
    await sequencer(storage).seal()
    await _act(storage, tenant)

    await sequencer(storage, OTHER).seal()

    assert await statuses(storage) == {first.key_id: KeyStatus.RETIRED, OTHER.key_id: KeyStatus.ACTIVE}
    assert (await verify(storage.pool, tenant.org)).flaw is None


async def test_a_worker_with_the_key_of_before_seals_nothing(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    await sequencer(storage).seal()
    await sequencer(storage, OTHER).seal()
    await _act(storage, tenant)

    with pytest.raises(KeyNotActiveError):
        await sequencer(storage).seal()

    assert (await verify(storage.pool, tenant.org)).length == 1
    while await sequencer(storage, OTHER).seal():
        pass
    assert (await verify(storage.pool, tenant.org)).length == 2


async def test_two_workers_that_start_at_once_publish_one_key(storage: Storage) -> None:
    await make_tenant(storage)

    await asyncio.gather(*(sequencer(storage).seal() for _ in range(5)))

    assert list((await statuses(storage)).values()) == [KeyStatus.ACTIVE]


async def test_a_revoked_key_is_revoked_once_and_audited(storage: Storage, database: Database) -> None:
    key = signing_key(storage.keyring.audit)
    await sequencer(storage).seal()

    assert [await revoke(storage, key), await revoke(storage, key), await retire(storage, key)] == [True, False, False]

    assert await statuses(storage) == {key.key_id: KeyStatus.REVOKED}
    with pytest.raises(KeyNotActiveError):
        await sequencer(storage).seal()
    with psycopg.connect(database.owner_url) as connection:
        acts = connection.execute("select action, actor from audit_entries where org_id = %s order by id", [PLATFORM])
        assert acts.fetchall() == [("audit_key.published", "system:sequencer"), ("audit_key.revoked", "system:test")]


async def test_an_unknown_key_cannot_be_retired(storage: Storage) -> None:
    with pytest.raises(NotFoundError):
        await retire(storage, OTHER)


async def test_seals_of_before_there_were_signatures_are_signed_first(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage)
    await _act(storage, tenant)
    await sequencer(storage).seal()
    with psycopg.connect(database.owner_url) as connection:
        connection.execute("alter table audit_seals disable trigger user")
        connection.execute("alter table audit_seals drop constraint ck_audit_seals_signed")
        connection.execute("update audit_seals set signature = null, key_id = null")
        connection.execute("alter table audit_seals enable trigger user")
    await _act(storage, tenant)

    while await sequencer(storage).seal():
        pass

    with psycopg.connect(database.owner_url) as connection:
        late = connection.execute(
            "select signed_at is not null, signature is not null from audit_seals where org_id = %s order by seq",
            [tenant.org],
        ).fetchall()
    assert late == [(True, True), (True, True), (False, True)]
    assert (await verify(storage.pool, tenant.org)).flaw is None


@pytest.mark.parametrize("column", ["signature", "key_id", "signed_at", "hash"])
async def test_a_signature_is_given_once(storage: Storage, database: Database, column: str) -> None:
    await make_tenant(storage)
    await sequencer(storage).seal()

    for url in (database.app_url, database.owner_url):
        with (
            psycopg.connect(url, options="-c hasp.system=on") as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(f"update audit_seals set {column} = null")  # pyright: ignore[reportArgumentType, reportCallIssue]


async def test_a_seal_without_a_signature_is_refused(storage: Storage, database: Database) -> None:
    await make_tenant(storage)

    with (
        psycopg.connect(database.app_url, options="-c hasp.system=on") as connection,
        pytest.raises(psycopg.errors.CheckViolation),
    ):
        connection.execute(
            "insert into audit_seals (entry_id, org_id, seq, prev_hash, hash, sealed_at)"
            " select id, org_id, 1, 'a', 'b', now() from audit_entries limit 1"
        )


async def _act(storage: Storage, tenant: Tenant) -> None:
    call = make_call(await storage.access.resolve(tenant.token))
    await storage.journal.open(call, HAIKU, 100)
    await storage.journal.close(make_outcome(call))
