"""What an organisation has masked: in force everywhere at once, its own terms sealed."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from gateway.audit import AuditAction
from gateway.errors import PreconditionFailedError, UnavailableError, ValidationFailedError
from gateway.phi.findings import Entity
from gateway.phi.screening import Profile, Screening
from gateway.settings import Settings
from gateway.tenancy import PhiMode
from storage import Storage
from storage.keyring import read_keyring, rotate
from storage.onboarding import change_policy
from storage.policy_change import change_policy as change_policy_in
from storage.rewrapping import rewrap
from storage.root_keys import FileRootKeys
from tests.conftest import Database
from tests.storage.test_access import eventually, resolved
from tests.tenants import Tenant, make_tenant

TERM = "Zachary Quillfeather"


@pytest_asyncio.fixture
async def elsewhere(settings: Settings) -> AsyncIterator[Storage]:
    """Another API process, as far as storage can tell."""
    opened = await Storage.open(settings)
    await eventually(lambda: resolved(opened.access.listening))
    yield opened
    await opened.close()


async def screening_of(storage: Storage, tenant: Tenant) -> Screening:
    return (await storage.access.resolve(tenant.token)).policy.screening


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"phi_profile": Profile.LIMITED_DATA_SET}, replace(Screening(), profile=Profile.LIMITED_DATA_SET)),
        (
            {"phi_profile": Profile.CUSTOM, "phi_entities": frozenset({Entity.US_SSN})},
            replace(Screening(), profile=Profile.CUSTOM, entities=frozenset({Entity.US_SSN})),
        ),
        ({"phi_threshold_milli": 750}, replace(Screening(), threshold_milli=750)),
        ({"phi_deny_terms": (TERM,)}, replace(Screening(), deny_terms=(TERM,))),
        ({"phi_allow_terms": (TERM, "Foley")}, replace(Screening(), allow_terms=(TERM, "Foley"))),
        ({"phi_answers": "block"}, replace(Screening(), answers="block")),
    ],
    ids=["profile", "kinds", "threshold", "denied terms", "allowed terms", "answers"],
)
async def test_each_choice_reaches_another_process_within_a_second(
    storage: Storage, elsewhere: Storage, changes: dict[str, Any], expected: Screening
) -> None:
    tenant = await make_tenant(storage)
    assert await screening_of(elsewhere, tenant) == Screening()

    await change_policy(storage, tenant.org, changes, acknowledges_phi_leaves=True)

    async def holds() -> bool:
        return await screening_of(elsewhere, tenant) == expected

    await eventually(holds)


async def test_failover_is_off_until_it_is_chosen_and_then_on_in_every_process(
    storage: Storage, elsewhere: Storage
) -> None:
    tenant = await make_tenant(storage)

    async def allowed() -> bool:
        return (await elsewhere.access.resolve(tenant.token)).policy.failover_enabled

    assert not await allowed()
    await change_policy(storage, tenant.org, {"failover_enabled": True})

    await eventually(allowed)


@pytest.mark.parametrize(
    "change",
    [{"allowed_tools": ("calculator", "desk_*")}, {"default_model": "auto"}, {"phi_retrieval_behavior": PhiMode.BLOCK}],
    ids=str,
)
async def test_what_chats_may_use_reaches_another_process(
    storage: Storage, elsewhere: Storage, change: dict[str, Any]
) -> None:
    tenant = await make_tenant(storage)
    before = (await elsewhere.access.resolve(tenant.token)).policy
    await change_policy(storage, tenant.org, change)

    async def holds() -> bool:
        return (await elsewhere.access.resolve(tenant.token)).policy == replace(before, **change)

    await eventually(holds)


@pytest.mark.parametrize(
    "wrong",
    ["allowed_tools = '{Zachary Quillfeather}'", "allowed_tools = array[null]::text[]", "default_model = ''"],
)
async def test_what_is_no_choice_is_in_no_row(storage: Storage, database: Database, wrong: str) -> None:
    tenant = await make_tenant(storage)

    with psycopg.connect(database.owner_url) as owner, pytest.raises(psycopg.errors.CheckViolation):
        owner.execute(f"update organizations set {wrong} where id = %s", [tenant.org])  # pyright: ignore[reportArgumentType, reportCallIssue]


async def test_taking_a_choice_back_reaches_another_process_too(storage: Storage, elsewhere: Storage) -> None:
    tenant = await make_tenant(storage, phi_deny_terms=(TERM,))
    assert (await screening_of(elsewhere, tenant)).deny_terms == (TERM,)

    await change_policy(storage, tenant.org, {"phi_deny_terms": ()})

    async def gone() -> bool:
        return await screening_of(elsewhere, tenant) == Screening()

    await eventually(gone)


async def test_all_keys_of_an_organisation_share_one_copy_of_its_policy(storage: Storage) -> None:
    tenant = await make_tenant(storage, phi_deny_terms=(TERM,))
    async with storage.as_operator(tenant.org, command="test") as tx:
        _, second = await tx.keys.add(name="second", scopes=(), mode=tenant.key.mode)
        tx.audit(AuditAction.API_KEY_CREATED, entity_type="api_key", entity_id=tenant.org)

    async def shared() -> bool:
        one, other = await storage.access.resolve(tenant.token), await storage.access.resolve(second)
        return one.policy is other.policy

    # Snapshots are kept once the channel is heard, and the news of the second key has passed.
    await eventually(shared, within_s=3)


async def test_terms_stay_readable_when_data_and_root_keys_are_rotated(storage: Storage, settings: Settings) -> None:
    tenant = await make_tenant(storage, phi_deny_terms=(TERM,))
    async with storage.as_operator(tenant.org, command="test") as tx:
        await tx.organization.add_data_key()
        tx.audit(AuditAction.DATA_KEY_ROTATED, entity_type="organization", entity_id=tenant.org)
    rotate(settings.keyring_file, "root")
    await rewrap(storage.pool, FileRootKeys(read_keyring(settings.keyring_file).root))

    later = await Storage.open(settings)
    try:
        assert (await screening_of(later, tenant)).deny_terms == (TERM,)
        await change_policy(later, tenant.org, {"phi_allow_terms": ("Foley",)})
        async with later.as_operator(tenant.org, command="test") as tx:
            policy = await tx.organization.policy()
            tx.audit(AuditAction.POLICY_RETRIEVED, entity_type="organization", entity_id=tenant.org)
        assert (policy.phi_deny_terms, policy.phi_allow_terms) == ((TERM,), ("Foley",))
    finally:
        await later.close()


@pytest.mark.parametrize(
    "spoil",
    [
        "set_byte(phi_terms, 20, 255 - get_byte(phi_terms, 20))",
        "''",
        "(select phi_terms from organizations where id = %(other)s)",
    ],
    ids=["a changed byte", "nothing", "another organisation's"],
)
async def test_an_organisation_whose_terms_do_not_open_is_not_served(
    storage: Storage, elsewhere: Storage, database: Database, spoil: str
) -> None:
    tenant = await make_tenant(storage, phi_deny_terms=(TERM,))
    other = await make_tenant(storage, phi_deny_terms=("Bluebird",))

    with psycopg.connect(database.owner_url) as owner:
        statement = f"update organizations set phi_terms = {spoil} where id = %(org)s"
        owner.execute(statement, {"org": tenant.org, "other": other.org})  # pyright: ignore[reportArgumentType, reportCallIssue]

    async def refuses() -> bool:
        try:
            await elsewhere.access.resolve(tenant.token)
        except UnavailableError:
            return True
        return False

    await eventually(refuses)
    assert (await screening_of(elsewhere, other)).deny_terms == ("Bluebird",)
    with pytest.raises(UnavailableError):
        await change_policy(storage, tenant.org, {"phi_allow_terms": ("Foley",)})


async def test_a_policy_in_memory_shows_no_terms(storage: Storage) -> None:
    tenant = await make_tenant(storage, phi_deny_terms=(TERM,), phi_allow_terms=(TERM,))

    async with storage.as_operator(tenant.org, command="test") as tx:
        policy = await tx.organization.policy()
        tx.audit(AuditAction.POLICY_RETRIEVED, entity_type="organization", entity_id=tenant.org)

    assert "Quillfeather" not in f"{policy!r} {await storage.access.resolve(tenant.token)!r}"


async def test_a_refused_change_leaves_everything_as_it_was(storage: Storage) -> None:
    tenant = await make_tenant(storage)

    with pytest.raises(ValidationFailedError):
        await change_policy(storage, tenant.org, {"phi_answers": "block", "phi_entities": frozenset({Entity.US_SSN})})
    with pytest.raises(PreconditionFailedError):
        async with storage.as_operator(tenant.org, command="test") as tx:
            await change_policy_in(tx, tenant.org, {"phi_answers": "block"}, only_versions={2})

    assert await screening_of(storage, tenant) == Screening()
