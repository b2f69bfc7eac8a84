"""Envelope encryption: values open only where they belong, and rotation leaves content alone."""

import base64
import os
from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio
from aiohttp import web
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.audit import AuditAction
from gateway.settings import Settings
from storage import Storage
from storage.encryption import SealedValueError
from storage.keyring import KeyringError, create_keyring, read_keyring, rotate
from storage.rewrapping import rewrap
from storage.root_keys import FileRootKeys, UnwrapError, VaultRootKeys
from tests.conftest import Database
from tests.tenants import make_tenant


async def test_a_value_opens_where_it_was_sealed(storage: Storage) -> None:
    tenant = await make_tenant(storage)

    sealed = await storage.cipher.seal(tenant.org, "place/1", b"value")

    assert b"value" not in sealed
    assert await storage.cipher.open(tenant.org, "place/1", sealed) == b"value"


async def test_a_value_that_was_moved_does_not_open(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    sealed = await storage.cipher.seal(tenant.org, "place/1", b"value")

    with pytest.raises(SealedValueError):
        await storage.cipher.open(tenant.org, "place/2", sealed)


async def test_a_value_of_another_organisation_does_not_open(storage: Storage) -> None:
    tenant, stranger = await make_tenant(storage), await make_tenant(storage)
    sealed = await storage.cipher.seal(tenant.org, "place/1", b"value")

    with pytest.raises(SealedValueError):
        await storage.cipher.open(stranger.org, "place/1", sealed)


async def test_a_changed_byte_does_not_open(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    sealed = bytearray(await storage.cipher.seal(tenant.org, "place/1", b"value"))
    sealed[-1] ^= 1

    with pytest.raises(SealedValueError):
        await storage.cipher.open(tenant.org, "place/1", bytes(sealed))


async def test_content_sealed_under_an_older_data_key_still_opens(storage: Storage, settings: Settings) -> None:
    tenant = await make_tenant(storage)
    sealed = await storage.cipher.seal(tenant.org, "place/1", b"value")
    async with storage.as_operator(tenant.org, command="test") as tx:
        await tx.organization.add_data_key()
        tx.audit(AuditAction.DATA_KEY_ROTATED, entity_type="organization", entity_id=tenant.org)

    later = await Storage.open(settings)
    try:
        assert await later.cipher.open(tenant.org, "place/1", sealed) == b"value"
        assert (await later.cipher.seal(tenant.org, "place/1", b"value"))[1:5] == (2).to_bytes(4, "big")
    finally:
        await later.close()


async def test_rotating_the_root_key_rewraps_data_keys_and_keeps_content(
    storage: Storage, settings: Settings, database: Database
) -> None:
    tenant = await make_tenant(storage)
    sealed = await storage.cipher.seal(tenant.org, "place/1", b"value")
    rotate(settings.keyring_file, "root")
    rotated = FileRootKeys(read_keyring(settings.keyring_file).root)

    assert await rewrap(storage.pool, rotated) == 1
    assert await rewrap(storage.pool, rotated) == 0

    later = await Storage.open(settings)
    try:
        assert await later.cipher.open(tenant.org, "place/1", sealed) == b"value"
    finally:
        await later.close()
    with psycopg.connect(database.owner_url) as connection:
        assert connection.execute("select root_key from data_keys").fetchall() == [("file:2",)]


def test_a_keyring_is_never_replaced(settings: Settings) -> None:
    with pytest.raises(FileExistsError):
        create_keyring(settings.keyring_file)


def test_a_keyring_that_others_can_read_is_refused(settings: Settings) -> None:
    settings.keyring_file.chmod(0o644)

    with pytest.raises(KeyringError, match="readable by others"):
        read_keyring(settings.keyring_file)


class Transit:
    """The two calls of Vault's Transit engine that are used, with real AES-GCM behind them."""

    def __init__(self) -> None:
        self._cipher = AESGCM(AESGCM.generate_key(256))

    async def encrypt(self, request: web.Request) -> web.Response:
        asked = await request.json()
        nonce = os.urandom(12)
        data = base64.b64decode(asked["associated_data"])
        sealed = nonce + self._cipher.encrypt(nonce, base64.b64decode(asked["plaintext"]), data)
        return web.json_response({"data": {"ciphertext": f"vault:v1:{base64.b64encode(sealed).decode()}"}})

    async def decrypt(self, request: web.Request) -> web.Response:
        asked = await request.json()
        sealed = base64.b64decode(asked["ciphertext"].removeprefix("vault:v1:"))
        try:
            plain = self._cipher.decrypt(sealed[:12], sealed[12:], base64.b64decode(asked["associated_data"]))
        except Exception:  # noqa: BLE001 - Vault answers 400 whatever was wrong
            return web.json_response({"errors": ["cipher: message authentication failed"]}, status=400)
        return web.json_response({"data": {"plaintext": base64.b64encode(plain).decode()}})


@pytest_asyncio.fixture
async def vault() -> AsyncIterator[VaultRootKeys]:
    transit = Transit()
    application = web.Application()
    application.router.add_post("/v1/transit/encrypt/hasp-root", transit.encrypt)
    application.router.add_post("/v1/transit/decrypt/hasp-root", transit.decrypt)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    keys = VaultRootKeys(address=f"http://{host}:{port}", token="test", key="hasp-root")
    yield keys
    await keys.close()
    await runner.cleanup()


async def test_a_key_service_wraps_and_unwraps(vault: VaultRootKeys) -> None:
    wrapped = await vault.wrap(b"k" * 32, context=b"org")

    assert await vault.unwrap(wrapped, context=b"org") == b"k" * 32


async def test_a_key_service_binds_the_context(vault: VaultRootKeys) -> None:
    wrapped = await vault.wrap(b"k" * 32, context=b"org")

    with pytest.raises(UnwrapError):
        await vault.unwrap(wrapped, context=b"another")


async def test_a_key_service_that_is_away_is_an_unwrap_error() -> None:
    keys = VaultRootKeys(address="http://127.0.0.1:1", token="test", key="hasp-root")
    try:
        with pytest.raises(UnwrapError):
            await keys.wrap(b"k" * 32, context=b"org")
    finally:
        await keys.close()
