"""Keys by day: content opens while its day's key is there, and never after; nothing else goes with it."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta

import psycopg
import pytest

from gateway.errors import UnavailableError
from gateway.ids import OrganizationId
from gateway.settings import Settings
from storage import Storage, rewrapping, unwrapped
from storage.content_keys import ContentKeys, content_key_context
from storage.encryption import ContentCipher, DestroyedError, SealedValueError
from storage.keyring import Ring, read_keyring, rotate
from storage.pool import fetch
from storage.rewrapping import rewrap
from storage.root_keys import FileRootKeys, UnwrapError
from storage.symmetric import SymmetricKey
from tests.conftest import Database
from tests.storage.keys_by_day import DAY, KeyService, destroyed
from tests.tenants import make_tenant

DAYS = [DAY + timedelta(days=number) for number in range(40)]


def another_process(storage: Storage) -> ContentCipher:
    """One that has no key in memory."""
    return ContentCipher(storage.pool, storage.root_keys)


async def sealed(storage: Storage, org: OrganizationId, day: date = DAY) -> bytes:
    return (await storage.cipher.content_key(org, day)).seal("place/1", b"value")


async def test_content_opens_in_every_process(storage: Storage) -> None:
    tenant = await make_tenant(storage)

    value = await sealed(storage, tenant.org)

    assert await another_process(storage).open(tenant.org, "place/1", value) == b"value"


async def test_content_dies_with_the_key_of_its_day(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    value = await sealed(storage, tenant.org)

    assert await destroyed(storage, tenant.org, [DAY]) == 1

    with pytest.raises(DestroyedError):
        await another_process(storage).open(tenant.org, "place/1", value)


async def test_a_process_that_knew_the_key_forgets_it(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unwrapped, "_KEPT_S", 0.0)
    tenant = await make_tenant(storage)
    value = await sealed(storage, tenant.org)
    await destroyed(storage, tenant.org, [DAY])

    with pytest.raises(DestroyedError):
        await storage.cipher.open(tenant.org, "place/1", value)


async def test_other_days_and_organisations_keep_theirs(storage: Storage) -> None:
    tenant, stranger = await make_tenant(storage), await make_tenant(storage)
    of_next_day = await sealed(storage, tenant.org, DAYS[1])
    of_stranger = await sealed(storage, stranger.org)
    await sealed(storage, tenant.org)

    await destroyed(storage, tenant.org, [DAY])

    cipher = another_process(storage)
    assert await cipher.open(tenant.org, "place/1", of_next_day) == b"value"
    assert await cipher.open(stranger.org, "place/1", of_stranger) == b"value"


async def test_what_is_not_content_outlives_every_day(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    value = await storage.cipher.seal(tenant.org, "agreements/1", b"signed")
    await sealed(storage, tenant.org)

    await destroyed(storage, tenant.org, DAYS)

    assert await another_process(storage).open(tenant.org, "agreements/1", value) == b"signed"


async def test_destroying_twice_counts_once(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    await sealed(storage, tenant.org)
    await destroyed(storage, tenant.org, DAYS)

    assert await destroyed(storage, tenant.org, DAYS) == 0


async def test_a_day_that_was_destroyed_gets_no_key_again(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    await sealed(storage, tenant.org)
    await destroyed(storage, tenant.org, [DAY])

    with pytest.raises(UnavailableError):
        await another_process(storage).content_key(tenant.org, DAY)


async def test_the_database_takes_no_key_back_that_was_destroyed(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage)
    await sealed(storage, tenant.org)
    await destroyed(storage, tenant.org, [DAY])

    with psycopg.connect(database.app_url) as connection:
        connection.execute("select set_config('hasp.organization', %s, true)", [tenant.org])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("update content_keys set wrapped = 'x', root_key = 'x', destroyed_at = null")


async def test_a_connection_that_names_no_organisation_sees_no_key(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage)
    await sealed(storage, tenant.org)

    with psycopg.connect(database.app_url) as connection:
        assert connection.execute("select count(*) from content_keys").fetchone() == (0,)


async def test_processes_that_begin_a_day_at_once_make_one_key(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    processes = [another_process(storage) for _ in range(5)]

    keys = await asyncio.gather(*(process.content_key(tenant.org, DAY) for process in processes for _ in range(20)))

    reader = another_process(storage)
    for key in keys:
        assert await reader.open(tenant.org, "place/1", key.seal("place/1", b"value")) == b"value"


class BesideALook(ContentKeys):
    """Another looks for the key just before it is made, and hears that there is none only when it has been."""

    def __init__(self, storage: Storage) -> None:
        super().__init__(storage.pool, storage.root_keys)
        self._looks = 0
        self._looked, self._told = asyncio.Event(), asyncio.Event()
        self.other: asyncio.Task[object] | None = None

    async def of(self, org: OrganizationId, days: Collection[date]) -> Mapping[date, SymmetricKey | None]:
        self._looks += 1
        if self._looks == 3:
            self._told.set()
        return await super().of(org, days)

    async def _load(
        self, names: Sequence[tuple[OrganizationId, date]]
    ) -> Mapping[tuple[OrganizationId, date], SymmetricKey | None]:
        looks, loaded = self._looks, await super()._load(names)
        if looks == 2:
            self._looked.set()
            await self._told.wait()
        return loaded

    async def _make(self, org: OrganizationId, day: date) -> None:
        self.other = asyncio.create_task(self.of(org, [day]))
        await self._looked.wait()
        await super()._make(org, day)


async def test_a_look_that_began_before_the_key_was_made_has_nobody_refused(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    keys = BesideALook(storage)

    key = await keys.to_seal(tenant.org, DAY)

    assert keys.other is not None
    assert await keys.other == {}
    assert await keys.of(tenant.org, [DAY]) == {DAY: key}


async def test_a_key_of_another_day_in_the_row_does_not_unwrap(storage: Storage, database: Database) -> None:
    tenant = await make_tenant(storage)
    value = await sealed(storage, tenant.org)
    await sealed(storage, tenant.org, DAYS[1])
    with psycopg.connect(database.owner_url) as connection:
        connection.execute(
            "update content_keys k set wrapped = o.wrapped from content_keys o where k.day = %s and o.day = %s",
            [DAY, DAYS[1]],
        )

    with pytest.raises(UnavailableError):
        await another_process(storage).open(tenant.org, "place/1", value)


@pytest.mark.parametrize(
    "head", [b"\x02\xff\xff\xff\xff", b"\x02\x00\x00\x00\x01", b"\x03\x00\x00\x50\x00"], ids=["never", "1970", "format"]
)
async def test_a_value_of_a_day_that_has_no_key_does_not_open(storage: Storage, head: bytes) -> None:
    tenant = await make_tenant(storage)
    value = await sealed(storage, tenant.org)

    with pytest.raises(SealedValueError) as refused:
        await storage.cipher.open(tenant.org, "place/1", head + value[5:])

    assert not isinstance(refused.value, DestroyedError)


async def test_a_value_that_was_cut_does_not_open(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    value = await sealed(storage, tenant.org)

    for length in (0, 1, 5, 16, 17, len(value) - 1):
        with pytest.raises(SealedValueError):
            await storage.cipher.open(tenant.org, "place/1", value[:length])


async def test_values_of_many_days_ask_for_each_day_once(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    values = [("place/1", await sealed(storage, tenant.org, day)) for day in DAYS for _ in range(3)]
    service = KeyService(storage.root_keys)

    opened = await ContentCipher(storage.pool, service).open_all(tenant.org, values)

    assert opened == [b"value"] * len(values)
    assert service.unwrapped == len(DAYS)


async def test_rotating_the_root_key_rewraps_content_keys_page_by_page(
    storage: Storage, settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewrapping, "_ROWS", 7)
    tenant = await make_tenant(storage)
    values = [("place/1", await sealed(storage, tenant.org, day)) for day in DAYS]
    await destroyed(storage, tenant.org, DAYS[:1])
    rotate(settings.keyring_file, "root")
    rotated = FileRootKeys(read_keyring(settings.keyring_file).root)

    assert await rewrap(storage.pool, rotated) == len(DAYS)  # the organisation's data key instead of the destroyed one
    assert await rewrap(storage.pool, rotated) == 0
    assert await rewrap(storage.pool, rotated, everything=True) == len(DAYS)

    opened = await ContentCipher(storage.pool, rotated).open_all(tenant.org, values)
    assert opened == [None] + [b"value"] * (len(DAYS) - 1)
    with psycopg.connect(database.owner_url) as connection:
        assert connection.execute("select distinct root_key from content_keys order by 1").fetchall() == [
            ("file:2",),
            (None,),
        ]


async def test_a_copy_of_a_destroyed_key_is_worthless_once_its_root_key_is_gone(
    storage: Storage, settings: Settings
) -> None:
    tenant = await make_tenant(storage)
    await sealed(storage, tenant.org)
    ((copied,),) = await fetch(storage.pool, "select wrapped from content_keys where org_id = %s", [tenant.org])
    kept = await sealed(storage, tenant.org, DAYS[1])
    await destroyed(storage, tenant.org, [DAY])
    context = content_key_context(tenant.org, DAY)
    assert await storage.root_keys.unwrap(bytes(copied), context=context)

    rotate(settings.keyring_file, "root")
    ring = read_keyring(settings.keyring_file).root
    await rewrap(storage.pool, FileRootKeys(ring))
    newest = FileRootKeys(Ring({ring.newest: ring.keys[ring.newest]}))

    with pytest.raises(UnwrapError):
        await newest.unwrap(bytes(copied), context=context)
    assert await ContentCipher(storage.pool, newest).open(tenant.org, "place/1", kept) == b"value"
