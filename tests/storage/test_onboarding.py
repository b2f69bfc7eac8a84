"""What an operator does for a customer, as the audit log tells it."""

import pytest

from gateway.audit import AuditAction
from gateway.baa.acceptance import AcceptanceStatus
from gateway.baa.template import Cover, current_template
from gateway.errors import NotFoundError, PreconditionFailedError, ValidationFailedError
from gateway.ids import OrganizationId, new_ulid
from gateway.inference.records import AuditFilter, AuditRecord
from gateway.tenancy import KeyMode, PhiMode, Principal, StorageMode
from storage import Storage, agreements
from storage.onboarding import accept_agreement, change_policy
from tests.tenants import SIGNATORY, Tenant, make_affirmation, make_tenant


async def policy_updates(storage: Storage, tenant: Tenant) -> list[AuditRecord]:
    principal = Principal(tenant.org, None, frozenset(), KeyMode.LIVE)
    async with storage.read(principal) as tx:
        page = await tx.audit_log.page(AuditFilter(action="policy.updated"), cursor=None, limit=10)
    return [*page.items]


async def test_a_policy_change_is_audited_with_what_was_and_what_is(storage: Storage) -> None:
    tenant = await make_tenant(storage)

    await change_policy(
        storage,
        tenant.org,
        {"storage_mode": StorageMode.NONE, "restore_answers": False, "premium_models": ["gpt-5.4"]},
    )

    (entry,) = await policy_updates(storage, tenant)
    assert entry.metadata == {
        "changes": {
            "storage_mode": {"from": "full", "to": "none"},
            "restore_answers": {"from": True, "to": False},
            "premium_models": {"from": [], "to": ["gpt-5.4"]},
        }
    }


async def test_letting_phi_leave_needs_an_acknowledgement_which_the_audit_log_keeps(storage: Storage) -> None:
    tenant = await make_tenant(storage)

    with pytest.raises(ValidationFailedError, match="acknowledge_phi_leaves"):
        await change_policy(storage, tenant.org, {"phi_mode": PhiMode.ALLOW})
    assert await policy_updates(storage, tenant) == []

    await change_policy(storage, tenant.org, {"phi_mode": PhiMode.ALLOW}, acknowledges_phi_leaves=True)

    (entry,) = await policy_updates(storage, tenant)
    assert entry.metadata == {
        "changes": {"phi_mode": {"from": "redact", "to": "allow"}},
        "acknowledged_phi_leaves": True,
    }


async def test_the_policy_of_an_organisation_that_is_not_there_cannot_be_changed(storage: Storage) -> None:
    with pytest.raises(NotFoundError):
        await change_policy(storage, OrganizationId(new_ulid()), {"opus_enabled": True})


async def test_an_acceptance_that_waits_for_its_document_is_not_put_in_force_by_another_ones(storage: Storage) -> None:
    tenant = await make_tenant(storage, agreement=False)
    now = storage.clock.now()
    async with storage.as_operator(tenant.org, command="test") as tx:
        pending = await agreements.accept(
            tx, current_template(), covers=[*Cover], affirmation=make_affirmation(), now=now, expires_at=None
        )

    with pytest.raises(PreconditionFailedError, match="pending"):
        await accept_agreement(storage, tenant.org, signatory=SIGNATORY, operator=None, covers=[Cover.SELF_HOSTED])

    async with storage.as_operator(tenant.org, command="test") as tx:
        assert (await tx.agreements.find(pending.id)).status is AcceptanceStatus.PENDING
        tx.audit(AuditAction.BAA_RETRIEVED, entity_type="test", entity_id=pending.id)
