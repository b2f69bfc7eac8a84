"""Certificates as an installation makes them: with its own audit key, its own seal, or none."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from activities.erasure_certificate import ErasureCertificates
from gateway.audit.signing import raw_public_key
from gateway.baa.seal import create_seal, files_beside
from gateway.baa.verification import verify_seal
from gateway.clock import SystemClock
from gateway.end_users.certificate import is_genuine
from gateway.end_users.erasure import Erasure
from gateway.errors import UnavailableError
from gateway.settings import Settings
from storage import Storage
from storage.audit_keys import KeyNotActiveError, retire, signing_key
from tests.tenants import Tenant, make_tenant
from tests.unit.baa.test_document import words_of
from tests.unit.end_users.test_certificate import erasure

NOW = SystemClock().now()


@pytest.fixture
async def tenant(storage: Storage) -> Tenant:
    return await make_tenant(storage)


def erased(tenant: Tenant) -> Erasure:
    return replace(erasure(), org=tenant.org)


async def test_a_certificate_is_signed_by_a_key_that_the_installation_publishes(
    storage: Storage, settings: Settings, tenant: Tenant
) -> None:
    made = await ErasureCertificates(storage, settings, None).make(erased(tenant))

    published = {known.key.key_id: known.key for known in await storage.audit_keys.all()}
    key = published[str(made.document["key_id"])]
    assert is_genuine(made.document, raw_public_key(key.public_key_pem))


async def test_an_installation_without_a_seal_makes_no_pages(
    storage: Storage, settings: Settings, tenant: Tenant
) -> None:
    assert (await ErasureCertificates(storage, settings, None).make(erased(tenant))).pdf is None


async def test_an_installation_with_a_seal_seals_the_pages(
    storage: Storage, settings: Settings, tenant: Tenant
) -> None:
    seal = create_seal(files_beside(settings.keyring_file), operator="Example Health Cloud, Inc.", now=NOW)

    made = await ErasureCertificates(storage, settings, None).make(erased(tenant))

    assert made.pdf is not None
    assert (await verify_seal(made.pdf, [seal.root], NOW + timedelta(minutes=1))).fingerprint == seal.fingerprint
    assert tenant.org in words_of(made.pdf)


async def test_a_seal_that_cannot_be_used_is_put_right_before_anything_is_certified(
    storage: Storage, settings: Settings, tenant: Tenant
) -> None:
    files = files_beside(settings.keyring_file)
    create_seal(files, operator="Example Health Cloud, Inc.", now=NOW)
    Path(files.certificate).write_text("no certificate")  # noqa: ASYNC240 - a few bytes

    with pytest.raises(UnavailableError):
        await ErasureCertificates(storage, settings, None).make(erased(tenant))


async def test_nothing_is_certified_with_a_key_that_signs_no_more(
    storage: Storage, settings: Settings, tenant: Tenant
) -> None:
    certificates = ErasureCertificates(storage, settings, None)
    await certificates.make(erased(tenant))
    await retire(storage.pool, signing_key(storage.keyring.audit).key_id, at=SystemClock().now(), by="operator:test")

    with pytest.raises(KeyNotActiveError):
        await certificates.make(erased(tenant))
