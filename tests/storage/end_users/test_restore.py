"""An older copy of the database knows whom was erased since: it is held to the tombstones before anybody is served."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psycopg
import pytest
from temporalio.testing import ActivityEnvironment

from activities.end_user_erasure import EndUserErasureActivities, ErasureWanted
from activities.erasure_certificate import ErasureCertificates
from gateway.audit import AuditAction
from gateway.audit.signing import raw_public_key
from gateway.clock import SystemClock
from gateway.end_users.certificate import is_genuine, keys_gone_on
from gateway.end_users.erasure import Erasure, ErasureState
from gateway.errors import UnavailableError
from gateway.ids import EndUserId
from gateway.inference.call import Call
from gateway.settings import Settings
from storage import Storage
from storage.audit_keys import signing_key
from storage.audit_verification import verify
from storage.encryption import DestroyedError
from storage.end_users import erasing
from storage.end_users.replaying import Replayed
from storage.end_users.tombstones import TombstonesError
from storage.pool import fetch
from storage.sequencer import Sequencer
from tests.commands import run_hasp
from tests.embedded import free_port
from tests.erasures import NoRuns
from tests.gateway_server import serve
from tests.storage.conftest import Restore
from tests.storage.end_users.test_binding import recorded
from tests.tenants import Tenant, make_tenant

NOW = SystemClock().now()


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    file = tmp_path / "tombstones"
    file.touch()
    return settings.model_copy(update={"tombstones_file": file})


@pytest.fixture
async def storage(settings: Settings) -> AsyncIterator[Storage]:
    opened = await Storage.open(settings)
    await opened.replay.run()
    yield opened
    await opened.close()


async def erase(storage: Storage, tenant: Tenant, call: Call) -> Erasure:
    """Whom `call` named, up to where their key is destroyed."""
    async with storage.as_operator(tenant.org, command="test") as tx:
        erasure = await erasing.request(tx, await named_by(storage, call), reference=None)
    await erasing.restrict(storage, tenant.org, erasure.id, now=NOW)
    erasure = await erasing.decide(storage, tenant.org, erasure.id, now=NOW)
    gone_on = keys_gone_on(NOW, 30)
    return await erasing.shred(storage, storage.tombstones, erasure, keys_gone_on=gone_on, at=NOW)


async def named_by(storage: Storage, call: Call) -> EndUserId:
    ((end_user,),) = await fetch(storage.pool, "select end_user_id from inferences where id = %s", [call.id])
    return EndUserId(end_user)


async def opened(storage: Storage, call: Call) -> bytes:
    """What was asked, whatever its end user's state says."""
    ((sealed,),) = await fetch(storage.pool, "select request_content from inferences where id = %s", [call.id])
    return await storage.cipher.open(call.access.principal.org, f"inferences.request_content/{call.id}", bytes(sealed))


async def state_of(storage: Storage, end_user: EndUserId) -> tuple[object, ...]:
    (row,) = await fetch(
        storage.pool,
        "select u.state, u.original is null, k.sealed is null from end_users u"
        " join end_user_keys k on k.end_user_id = u.id where u.id = %s",
        [end_user],
    )
    return row


ERASED = ("erased", True, True)


async def test_a_person_erased_since_the_copy_does_not_come_back_with_it(storage: Storage, restore: Restore) -> None:
    tenant = await make_tenant(storage)
    call, other = await recorded(storage, tenant), await recorded(storage, tenant, "somebody.else")
    dump = restore.dump()
    await erase(storage, tenant, call)

    restored = await restore.open(restore.bring_up(dump))
    replayed = await restored.replay.run()

    assert (replayed.tombstones, replayed.erased) == (1, 1)
    assert await state_of(restored, await named_by(restored, call)) == ERASED
    with pytest.raises(DestroyedError):
        await opened(restored, call)
    assert b"Hello" in await opened(restored, other)


async def test_nobody_is_let_in_before_the_tombstones_are_replayed(storage: Storage, restore: Restore) -> None:
    tenant = await make_tenant(storage)
    restored = await restore.open(restore.bring_up(restore.dump()))

    with pytest.raises(UnavailableError):
        await restored.access.resolve(tenant.token)
    assert not (await restored.health())["tombstones"]

    await restored.replay.run()

    assert (await restored.access.resolve(tenant.token)).principal.org == tenant.org
    assert (await restored.health())["tombstones"]


async def test_the_erasure_is_taken_up_where_its_key_was_destroyed(storage: Storage, restore: Restore) -> None:
    """Its workflow takes away what is left, looks and certifies, as it did the first time."""
    tenant = await make_tenant(storage)
    call = await recorded(storage, tenant)
    dump = restore.dump()
    before = await erase(storage, tenant, call)

    restored = await restore.open(restore.bring_up(dump))
    await restored.replay.run()

    after = await erasing.current(restored, tenant.org, before.id)
    assert (after.state, after.digest, after.shredded_at) == (ErasureState.SHREDDED, before.digest, NOW)
    assert await fetch(restored.pool, "select data from outbox where type = 'end_user.erasure_requested'") == [
        ({"erasure_id": before.id},)
    ]


async def test_what_is_left_in_the_copy_goes_and_is_certified_anew(
    storage: Storage, restore: Restore, settings: Settings
) -> None:
    tenant = await make_tenant(storage)
    call = await recorded(storage, tenant)
    dump = restore.dump()
    erasure = await erase(storage, tenant, call)
    restored = await restore.open(restore.bring_up(dump))
    await restored.replay.run()
    certificates = ErasureCertificates(restored, settings, None)
    activities = EndUserErasureActivities(restored, certificates, NoRuns(), backup_keep_days=settings.backup_keep_days)
    wanted, environment = ErasureWanted(tenant.org, erasure.id), ActivityEnvironment()

    for step in (activities.restrict, activities.shred, activities.remove, activities.scan, activities.certify):
        await environment.run(step, wanted)

    assert (await erasing.current(restored, tenant.org, erasure.id)).state is ErasureState.DONE
    async with restored.read((await restored.access.resolve(tenant.token)).principal) as view:
        certified = await view.end_user_erasures.certificate(erasure.id)
    assert certified is not None
    assert is_genuine(certified.document, raw_public_key(signing_key(restored.keyring.audit).public_key_pem))
    ((left,),) = await fetch(restored.pool, "select request_content from inferences where id = %s", [call.id])
    assert left is None


@pytest.mark.parametrize("came_to", ["requested", "restricted", "shredding", "held"])
async def test_whatever_the_copy_knew_of_the_erasure_it_is_taken_up(
    storage: Storage, restore: Restore, came_to: str
) -> None:
    tenant = await make_tenant(storage)
    call = await recorded(storage, tenant)
    async with storage.as_operator(tenant.org, command="test") as tx:
        known = await erasing.request(tx, await named_by(storage, call), reference="DSR-1")
    finished = NOW if came_to == "held" else None
    statement = "update end_user_erasures set state = %s, finished_at = %s"
    await fetch(storage.pool, statement, [came_to, finished])
    dump = restore.dump()
    await fetch(storage.pool, statement, ["shredding", None])
    erasure = await erasing.current(storage, tenant.org, known.id)
    await erasing.shred(storage, storage.tombstones, erasure, keys_gone_on=NOW.date(), at=NOW)

    restored = await restore.open(restore.bring_up(dump))
    await restored.replay.run()

    after = await erasing.current(restored, tenant.org, known.id)
    assert (after.state, after.reference, after.finished_at) == (ErasureState.SHREDDED, "DSR-1", None)
    assert await state_of(restored, erasure.end_user) == ERASED


async def test_a_request_that_was_under_way_in_the_copy_is_the_one_that_goes_on(
    storage: Storage, restore: Restore
) -> None:
    """It was held in the end, and another one erased them."""
    tenant = await make_tenant(storage)
    call = await recorded(storage, tenant)
    async with storage.as_operator(tenant.org, command="test") as tx:
        first = await erasing.request(tx, await named_by(storage, call), reference=None)
    dump = restore.dump()
    await fetch(storage.pool, "update end_user_erasures set state = 'held', finished_at = now()")
    await erase(storage, tenant, call)

    restored = await restore.open(restore.bring_up(dump))
    await restored.replay.run()

    rows = await fetch(restored.pool, "select id, state from end_user_erasures")
    assert rows == [(first.id, "shredded")]


async def test_exports_that_the_copy_brought_back_die_with_the_key(storage: Storage, restore: Restore) -> None:
    tenant = await make_tenant(storage)
    call = await recorded(storage, tenant)
    async with storage.as_operator(tenant.org, command="test") as tx:
        await tx.end_user_exports.open_export(await named_by(storage, call), by=None)
        tx.audit(AuditAction.AUDIT_READ, entity_type="organization", entity_id=tenant.org)
    dump = restore.dump()
    await erase(storage, tenant, call)

    restored = await restore.open(restore.bring_up(dump))
    await restored.replay.run()

    assert await fetch(restored.pool, "select state, sealed_key from end_user_exports") == [("cancelled", None)]


async def test_replaying_again_or_at_once_erases_and_audits_nobody_twice(storage: Storage, restore: Restore) -> None:
    tenant = await make_tenant(storage)
    calls = [await recorded(storage, tenant, f"person {number}") for number in range(5)]
    dump = restore.dump()
    for call in calls:
        await erase(storage, tenant, call)
    settings = restore.bring_up(dump)
    processes = [await restore.open(settings) for _ in range(3)]

    replayed = await asyncio.gather(*(process.replay.run() for process in processes))

    assert sum(each.erased for each in replayed) == 5
    assert (await processes[0].replay.run()).erased == 0
    entries = await fetch(
        processes[0].pool,
        "select count(*), count(distinct subject_id_hmac) from audit_entries where action = %s",
        [AuditAction.END_USER_ERASED_AGAIN.value],
    )
    assert entries == [(5, 5)]


async def test_the_log_of_the_restored_database_still_proves_itself(storage: Storage, restore: Restore) -> None:
    tenant = await make_tenant(storage)
    call = await recorded(storage, tenant)
    await Sequencer(storage.pool, SystemClock(), signing_key(storage.keyring.audit)).seal()
    dump = restore.dump()
    await erase(storage, tenant, call)

    restored = await restore.open(restore.bring_up(dump))
    await restored.replay.run()
    await Sequencer(restored.pool, SystemClock(), signing_key(restored.keyring.audit)).seal()

    assert (await verify(restored.pool, tenant.org)).flaw is None


async def test_somebody_whom_the_copy_does_not_know_is_passed_over(storage: Storage, restore: Restore) -> None:
    tenant = await make_tenant(storage)
    dump = restore.dump()
    await erase(storage, tenant, await recorded(storage, tenant))

    restored = await restore.open(restore.bring_up(dump))

    assert await restored.replay.run() == Replayed(tombstones=1, erased=0)


async def test_a_file_that_was_tampered_with_lets_nobody_in(storage: Storage, settings: Settings) -> None:
    tenant = await make_tenant(storage)
    assert settings.tombstones_file is not None
    settings.tombstones_file.write_text("{}\n")
    process = await Storage.open(settings)

    with pytest.raises(TombstonesError):
        await process.replay.run()
    with pytest.raises(UnavailableError):
        await process.access.resolve(tenant.token)
    await process.close()


async def test_an_api_on_a_restored_database_answers_nothing_before_it_has_erased_again(
    storage: Storage, restore: Restore
) -> None:
    tenant = await make_tenant(storage)
    call = await recorded(storage, tenant)
    dump = restore.dump()
    await erase(storage, tenant, call)
    settings = restore.bring_up(dump)
    restored = await restore.open(settings)
    end_user = await named_by(storage, call)
    key = {"x-api-key": tenant.token}

    async with await psycopg.AsyncConnection.connect(str(settings.database_owner_url)) as blocking:
        await blocking.execute("select from end_users where id = %s for update", [end_user])
        with serve(settings) as url:
            async with aiohttp.ClientSession(url) as session:
                for path in ("/v1/api_keys", f"/v1/ai/messages/msg_{call.id}"):
                    async with session.get(path, headers=key) as refused:
                        assert refused.status == 503
                async with session.get("/readyz") as ready:
                    assert (await ready.json())["dependencies"]["tombstones"] == "down"
                await blocking.rollback()
                while (await answered(session, "/v1/api_keys", key)) == 503:  # noqa: ASYNC110 - another loop tells no event
                    await asyncio.sleep(0.02)
                assert await state_of(restored, end_user) == ERASED


async def test_nobody_is_let_in_while_the_database_cannot_be_held_to_the_tombstones(
    storage: Storage, settings: Settings
) -> None:
    tenant = await make_tenant(storage)
    await erase(storage, tenant, await recorded(storage, tenant))
    away = f"postgresql://hasp_app:x@127.0.0.1:{free_port()}/none"
    process = await Storage.open(Settings.model_validate(settings.model_dump() | {"database_url": away}))
    replaying = asyncio.create_task(process.replay.run_until_done())

    with pytest.raises(UnavailableError):
        await process.access.resolve(tenant.token)
    assert not process.replay.is_done

    replaying.cancel()
    await process.close()


async def answered(session: aiohttp.ClientSession, path: str, headers: dict[str, str]) -> int:
    async with session.get(path, headers=headers) as answer:
        return answer.status


async def test_the_command_does_it_by_hand_and_prints_what_it_did(storage: Storage, restore: Restore) -> None:
    tenant = await make_tenant(storage)
    call = await recorded(storage, tenant)
    dump = restore.dump()
    await erase(storage, tenant, call)
    settings = restore.bring_up(dump)

    ran = run_hasp("restore", "tombstones", env=environ(settings))

    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout) == {"tombstones": 1, "erased": 1}
    assert await state_of(await restore.open(settings), await named_by(storage, call)) == ERASED


async def test_no_command_shows_whom_a_restore_brought_back(storage: Storage, restore: Restore) -> None:
    tenant = await make_tenant(storage)
    call = await recorded(storage, tenant)
    dump = restore.dump()
    await erase(storage, tenant, call)
    settings = restore.bring_up(dump)

    ran = run_hasp("key", "list", "--org", tenant.org, env=environ(settings))

    assert ran.returncode == 0
    assert await state_of(await restore.open(settings), await named_by(storage, call)) == ERASED


def environ(settings: Settings) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HASP_")}
    return inherited | {
        "HASP_DATABASE_URL": str(settings.database_url),
        "HASP_KEYRING_FILE": str(settings.keyring_file),
        "HASP_TOMBSTONES_FILE": str(settings.tombstones_file),
    }


@pytest.mark.parametrize("command", [["api"], ["worker"], ["restore", "tombstones"]])
def test_nothing_starts_beside_a_file_that_is_not_there(settings: Settings, tmp_path: Path, command: list[str]) -> None:
    missing = {"HASP_TOMBSTONES_FILE": str(tmp_path / "not mounted")}

    ran = run_hasp(*command, env=environ(settings) | missing)

    assert ran.returncode == 2
    assert ran.stderr.startswith("hasp: HASP_TOMBSTONES_FILE: ")
