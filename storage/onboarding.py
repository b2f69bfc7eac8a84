"""What an operator does for a customer: make the organisation, mint its keys, put its agreement in force.

Each is one audited transaction; the command line and the demo are made of these.
"""

from collections.abc import Collection
from datetime import datetime

from gateway.audit import AuditAction
from gateway.baa.template import Cover, current_template
from gateway.events import Event, EventType
from gateway.ids import AcceptanceId, OrganizationId, new_ulid
from gateway.keys.api_key import ApiKey
from gateway.keys.networks import Network
from gateway.organization_policy import Changes
from gateway.tenancy import DEFAULT_TIER, KeyMode, Scope
from storage import policy_change
from storage.key_issue import issue_key
from storage.storage import Storage
from storage.stores.agreements import Signer


async def create_organization(
    storage: Storage, *, name: str, credits_allotment: int, tier: str = DEFAULT_TIER
) -> OrganizationId:
    org = OrganizationId(new_ulid())
    async with storage.as_operator(org, command="org.create") as tx:
        await tx.organization.add(name=name, credits_allotment=credits_allotment, tier=tier)
        tx.audit(AuditAction.ORGANIZATION_CREATED, entity_type="organization", entity_id=org, metadata={"tier": tier})
    return org


async def create_key(
    storage: Storage,
    org: OrganizationId,
    *,
    name: str,
    scopes: Collection[Scope],
    mode: KeyMode,
    expires_at: datetime | None = None,
    networks: Collection[Network] = (),
    credit_cap: int | None = None,
) -> tuple[ApiKey, str]:
    """A key and its plaintext, which is kept nowhere. Raises `NotFoundError` for an unknown organisation."""
    async with storage.as_operator(org, command="key.create") as tx:
        await tx.organization.get()
        return await issue_key(
            tx,
            name=name,
            scopes=scopes,
            mode=mode,
            expires_at=expires_at,
            networks=networks,
            credit_cap=credit_cap,
        )


async def accept_agreement(
    storage: Storage, org: OrganizationId, *, signer: Signer, covers: Collection[Cover]
) -> AcceptanceId:
    """Record that `signer` accepted the current template. Raises `NotFoundError` for an unknown organisation."""
    template = current_template()
    async with storage.as_operator(org, command="baa.accept") as tx:
        await tx.organization.get()
        acceptance = await tx.agreements.accept(
            template_version=template.version, template_sha256=template.sha256, covers=covers, signer=signer
        )
        tx.audit(
            AuditAction.BAA_ACCEPTED,
            entity_type="baa_acceptance",
            entity_id=acceptance,
            metadata={
                "template_version": template.version,
                "template_sha256": template.sha256,
                "covers": [*sorted(covers)],
            },
        )
        tx.tell(Event(EventType.BAA_ACTIVATED, {"acceptance_id": acceptance, "template_version": template.version}))
    return acceptance


async def change_policy(
    storage: Storage, org: OrganizationId, changes: Changes, *, acknowledges_phi_leaves: bool = False
) -> None:
    """Change what `changes` names of the policy. Raises as `storage.policy_change.change_policy` does."""
    async with storage.as_operator(org, command="org.policy") as tx:
        await policy_change.change_policy(tx, org, changes, acknowledges_phi_leaves=acknowledges_phi_leaves)
