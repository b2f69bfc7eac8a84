"""What an operator does for a customer: make the organisation, mint its keys, put its agreement in force.

Each is one audited transaction; the command line and the demo are made of these.
"""

import asyncio
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path

from gateway.audit import AuditAction
from gateway.baa.acceptance import AcceptanceStatus, Affirmation
from gateway.baa.document import require_glyphs
from gateway.baa.evidence import Operator, Origin, Signatory, as_printed
from gateway.baa.offer import CONSENT
from gateway.baa.template import Cover, current_template
from gateway.errors import PreconditionFailedError
from gateway.ids import AcceptanceId, OrganizationId, new_ulid
from gateway.keys.api_key import ApiKey
from gateway.keys.networks import Network
from gateway.organization_policy import Changes
from gateway.tenancy import DEFAULT_TIER, KeyMode, Scope
from storage import agreements, policy_change
from storage.key_issue import issue_key
from storage.storage import Storage


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
    owner: str | None = None,
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
            owner=owner,
        )


async def accept_agreement(
    storage: Storage,
    org: OrganizationId,
    *,
    signatory: Signatory,
    operator: Operator | None,
    covers: Collection[Cover],
    expires_at: datetime | None = None,
    organization_name: str | None = None,
    fonts: Path | None = None,
) -> AcceptanceId:
    """Record that `signatory` accepted the current template, and put it in force at once.

    A worker makes the signed document afterwards, if `operator` says who countersigns; without there is none. What is
    in force already is left as it is.

    Raises:
        NotFoundError: there is no such organisation.
        PreconditionFailedError: what somebody accepted over the API waits for its document still.
        ValidationFailedError: the document could not show the organisation's name, the one it was created with unless
            given here.
    """
    async with storage.as_operator(org, command="baa.accept") as tx:
        now = storage.clock.now()
        name = as_printed("organization_name", organization_name or (await tx.organization.get()).name)
        await asyncio.to_thread(require_glyphs, {"organization_name": name}, fonts)
        affirmation = Affirmation(
            organization_name=name,
            signatory=signatory,
            origin=Origin(key=None, ip_address=None, user_agent=None),
            operator=operator,
            acceptance_text=CONSENT,
            text_fetched_at=now,
        )
        accepted = await agreements.accept(
            tx, current_template(), covers=covers, affirmation=affirmation, now=now, expires_at=expires_at
        )
        if accepted.is_new:
            await agreements.activate(tx, accepted.id)
        elif (await tx.agreements.find(accepted.id)).status is AcceptanceStatus.PENDING:
            raise PreconditionFailedError(
                "An acceptance is pending, and takes effect when its document is made; terminate it to record another."
            )
    return accepted.id


async def terminate_agreement(storage: Storage, org: OrganizationId, *, notice: timedelta, grace_days: int) -> datetime:
    """As `storage.agreements.terminate` does."""
    async with storage.as_operator(org, command="baa.terminate") as tx:
        return await agreements.terminate(tx, now=storage.clock.now(), notice=notice, grace_days=grace_days)


async def change_policy(
    storage: Storage, org: OrganizationId, changes: Changes, *, acknowledges_phi_leaves: bool = False
) -> None:
    """Change what `changes` names of the policy. Raises as `storage.policy_change.change_policy` does."""
    async with storage.as_operator(org, command="org.policy") as tx:
        await policy_change.change_policy(tx, org, changes, acknowledges_phi_leaves=acknowledges_phi_leaves)
