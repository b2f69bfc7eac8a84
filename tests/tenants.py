"""Organisations, keys and calls, made through the public surface with defaults a test may override."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from gateway.audit import AuditAction
from gateway.baa.acceptance import Affirmation
from gateway.baa.evidence import Operator, Origin, Signatory
from gateway.baa.offer import AUTHORITY, CONSENT
from gateway.catalog import Model, shipped_catalog
from gateway.completion import Completion, StopReason, Usage
from gateway.conversation import Conversation, Sampling, Text, Turn
from gateway.ids import AcceptanceId, ConversationId, InferenceId, OrganizationId, new_ulid
from gateway.inference.call import Call, Outcome, Status, Surface
from gateway.keys.api_key import ApiKey
from gateway.tenancy import Access, KeyMode, Scope
from storage import Storage
from storage.onboarding import change_policy
from storage.pool import fetch

COVERS = ("hasp_anthropic_baa_2026", "hasp_openai_baa_2026")
HAIKU: Model = shipped_catalog().get("claude-haiku-4-5")


@dataclass(frozen=True, slots=True)
class Tenant:
    org: OrganizationId
    key: ApiKey
    token: str


async def make_tenant(
    storage: Storage,
    *,
    allotment: int = 1_000_000,
    spend_cap: int | None = None,
    scopes: Iterable[Scope] = (Scope.AI_CHAT, Scope.CONTROL_READ),
    mode: KeyMode = KeyMode.LIVE,
    agreement: bool = True,
    covers: Iterable[str] = COVERS,
    **policy: object,
) -> Tenant:
    """An organisation with credits, an agreement in force and one key."""
    org = OrganizationId(new_ulid())
    async with storage.as_operator(org, command="test") as tx:
        await tx.organization.add(name="Test hospital", credits_allotment=allotment, spend_cap=spend_cap)
        key, token = await tx.keys.add(name="test", scopes=tuple(scopes), mode=mode)
        tx.audit(AuditAction.ORGANIZATION_CREATED, entity_type="organization", entity_id=org)
    if agreement:
        await put_in_force(storage, org, covers=covers)
    if policy:
        await change_policy(storage, org, policy, acknowledges_phi_leaves=True)
    return Tenant(org, key, token)


SIGNATORY = Signatory("A. Signer", "Privacy officer", "privacy@hospital.example", AUTHORITY)


def make_affirmation(operator: Operator | None = None, *, fetched_at: datetime | None = None) -> Affirmation:
    at = fetched_at or datetime.now(UTC)
    return Affirmation("Test hospital", SIGNATORY, Origin(None, None, None), operator, CONSENT, at)


async def put_in_force(storage: Storage, org: OrganizationId, *, covers: Iterable[str] = COVERS) -> AcceptanceId:
    """An agreement as they were before there were documents, of a text that nobody offers. It leaves no audit entry."""
    acceptance, now = AcceptanceId(new_ulid()), datetime.now(UTC)
    await fetch(
        storage.pool,
        "insert into baa_acceptances (id, org_id, template_version, template_sha256, covers, signer_name,"
        " signer_title, signer_email, accepted_at, effective_at)"
        " values (%s, %s, 'test', %s, %s, %s, %s, %s, %s, %s) on conflict (id) do nothing",
        [acceptance, org, "0" * 64, [*covers], SIGNATORY.name, SIGNATORY.title, SIGNATORY.email, now, now],
    )
    return acceptance


def make_conversation(text: str = "Hello", *, max_tokens: int = 100) -> Conversation:
    return Conversation(turns=(Turn("user", (Text(text),), plain=True),), sampling=Sampling(max_tokens=max_tokens))


def make_call(
    access: Access,
    *,
    conversation: Conversation | None = None,
    at: datetime | None = None,
    thread: ConversationId | None = None,
    store: bool = True,
) -> Call:
    return Call(
        id=InferenceId(new_ulid()),
        access=access,
        surface=Surface.NATIVE if thread else Surface.MESSAGES,
        model=HAIKU.id,
        conversation=conversation or make_conversation(),
        received_at=at or datetime.now(UTC),
        thread=thread,
        store=store,
    )


def make_outcome(call: Call, *, charge: int = 10, text: str = "Hi.") -> Outcome:
    """A completed call."""
    return Outcome(
        call=call,
        model=HAIKU,
        status=Status.COMPLETED,
        at=call.received_at,
        completion=Completion(
            model=HAIKU.upstream,
            blocks=(Text(text),),
            stop_reason=StopReason.END_TURN,
            usage=Usage(input=20, output=10),
        ),
        charge=charge,
    )


def failed(outcome: Outcome) -> Outcome:
    return replace(outcome, status=Status.FAILED, completion=None, charge=0)
